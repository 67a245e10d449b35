"""The view `windows_to_segments`: a video read window by window, and what happens in each of its frames.

A network is asked for the label of each window's middle frame. Its answers become scores of frames: the mean of the
windows in which a frame lies. What they are compared with are the labels of the frames themselves.

Shape legend: N videos, W windows, T frames, F features, V labels.
"""

from dataclasses import replace

import numpy as np

from pipeline.dataset import Array, Arrays, Description, Windows
from pipeline.views.sequences import Sequences
from pipeline.views.view import ExampleSpec


class WindowsToSegments(Sequences):
    """Stored features [N, W, F] of windows, and labels [N, T] of frames."""

    def __init__(self) -> None:
        super().__init__("segments, by a label at each step")

    def spec(self, description: Description, stored_shape: tuple[int, ...]) -> ExampleSpec:
        spec = super().spec(description, stored_shape)
        return replace(spec, asks="a label at each step", output_steps=None)

    def targets(self, arrays: Arrays, description: Description) -> Array:
        """int32 [N, W]: the label of the middle frame of each window."""
        windows = _windows(description)
        middle = np.arange(arrays["x"].shape[1]) * windows.stride + windows.frames // 2
        return np.asarray(arrays["y"])[:, middle].astype(np.int32)

    def in_units(self, values: Array, x: Array, description: Description) -> Array:
        """Scores [N, T, V] of frames from those [N, W, V] of windows."""
        windows, num_windows = _windows(description), values.shape[1]
        num_frames = (num_windows - 1) * windows.stride + windows.frames
        sums, covered = np.zeros((len(values), num_frames, values.shape[2])), np.zeros((num_frames, 1))
        for window in range(num_windows):
            frames = slice(window * windows.stride, window * windows.stride + windows.frames)
            sums[:, frames] += values[:, window, None]
            covered[frames] += 1
        return sums / covered

    def references(self, arrays: Arrays, description: Description) -> Array:
        """int32 labels [N, T] of frames."""
        return np.asarray(arrays["y"]).astype(np.int32)


def _windows(description: Description) -> Windows:
    assert description.windows, "open_view refuses a dataset without"
    return description.windows
