"""Views of images and of clips.

Shape legend: N examples, T time steps, H height, W width, C channels.
"""

from typing import ClassVar

import numpy as np

from pipeline.dataset import Array, Arrays, Description
from pipeline.errors import UserError
from pipeline.views.view import ExampleSpec, Sight, View, batch_of

LEVELS, BRIGHTEST = 256, 255
# The orders in which the four quadrants (0 1 / 2 3) of an image are read; all four are read side by side.
QUADRANT_ORDERS = ((0, 1, 2, 3), (3, 2, 1, 0), (0, 2, 1, 3), (3, 1, 2, 0))


class Frames(View):
    """Arrival times [N, H, W] or [N, H, W, C] as a clip [N, T, H, W, C]: a pixel is 1 from the frame of its arrival on,
    and, where departures are stored, up to the one before that of its departure. C is 1 where there is no such axis."""

    layout = "arrival_times"
    shows = "a clip"

    def spec(self, description: Description, stored_shape: tuple[int, ...]) -> ExampleSpec:
        return ExampleSpec((description.num_steps, *_with_channels(stored_shape)), len(description.classes or []))

    def inputs(self, arrays: Arrays, description: Description) -> Array:
        arrival = arrays["x"]
        steps = np.arange(description.num_steps or 0, dtype=arrival.dtype).reshape(-1, *[1] * (arrival.ndim - 1))
        lit = arrival[:, None] <= steps
        if "departure" in arrays:
            lit &= steps < arrays["departure"][:, None]
        frames = lit.astype(np.float32)
        return frames if frames.ndim == 5 else frames[..., None]

    def raw(self, stored_shape: tuple[int, ...]) -> tuple[str, tuple[int, ...]]:
        return "float32", (-1, *stored_shape)

    def as_given(self, arrays: Arrays, description: Description) -> Array:
        frames = self.inputs(arrays, description)
        return frames if arrays["x"].ndim == 4 else frames[..., 0]

    def accept(self, raw: Array, description: Description, stored_shape: tuple[int, ...]) -> Array:
        """A user gives frames as they are stored, [T, ...] or [N, T, ...], and any number of them.

        Where they are stored without channels, a last axis of 1 may be there or not.
        """
        if len(stored_shape) == 2 and raw.ndim in (4, 5) and raw.shape[-1] == 1:
            raw = raw[..., 0]
        frames = batch_of(raw, (None, *stored_shape)).astype(np.float32)
        return frames if frames.ndim == 5 else frames[..., None]


class Images(View):
    """Images [N, H, W] or [N, H, W, C] of bytes as [N, H, W, C] between 0 and 1."""

    layout = "images"
    shows: ClassVar[Sight] = "an image"

    def spec(self, description: Description, stored_shape: tuple[int, ...]) -> ExampleSpec:
        return ExampleSpec(_with_channels(stored_shape), len(description.classes or []))

    def inputs(self, arrays: Arrays, description: Description) -> Array:
        images = arrays["x"].astype(np.float32) / np.float32(255)
        return images if images.ndim == 4 else images[..., None]

    def accept(self, raw: Array, description: Description, stored_shape: tuple[int, ...]) -> Array:
        """Bytes 0 to 255, or floats that already lie between 0 and 1; a last axis of 1 may be there or not."""
        if raw.ndim > len(stored_shape) and raw.shape[-1] == 1 != stored_shape[-1]:
            raw = raw[..., 0]
        return self.inputs({"x": _as_bytes(batch_of(raw, stored_shape))}, description)


class Clips(View):
    """Clips [N, T, H, W, C] of bytes as numbers between 0 and 1."""

    layout = "clips"
    shows = "a clip"

    def spec(self, description: Description, stored_shape: tuple[int, ...]) -> ExampleSpec:
        if description.output_steps:
            raise UserError("each frame has a label of its own; allowed: a dataset of features, derived from this one")
        return ExampleSpec(stored_shape, len(description.classes or []))

    def inputs(self, arrays: Arrays, description: Description) -> Array:
        return np.multiply(arrays["x"], np.float32(1 / 255), dtype=np.float32)

    def raw(self, stored_shape: tuple[int, ...]) -> tuple[str, tuple[int, ...]]:
        return "uint8", (-1, *stored_shape[1:])

    def raw_rank(self, stored_shape: tuple[int, ...], found: tuple[int, ...]) -> int:
        return len(stored_shape) - (1 if stored_shape[-1] == 1 and found[-2:] == stored_shape[1:3] else 0)

    def accept(self, raw: Array, description: Description, stored_shape: tuple[int, ...]) -> Array:
        """Any number of frames, of bytes 0 to 255 or of floats between 0 and 1; a last axis of 1 may be missing."""
        *_, height, width, channels = stored_shape
        if channels == 1 and raw.shape[-2:] == (height, width):
            raw = raw[..., None]
        return self.inputs({"x": _as_bytes(batch_of(raw, (None, height, width, channels)))}, description)


class Quadrants(Images):
    """Images as four steps [N, 4, 4 * H/2, W/2, C]: step t shows the t-th quadrant of each of four reading orders."""

    shows = "a clip"

    def spec(self, description: Description, stored_shape: tuple[int, ...]) -> ExampleSpec:
        height, width, channels = _with_channels(stored_shape)
        if height % 2 or width % 2:
            raise UserError(f"view 'quadrants': images are {height} x {width}; height and width must be even")
        return ExampleSpec((4, 2 * height, width // 2, channels), len(description.classes or []))

    def inputs(self, arrays: Arrays, description: Description) -> Array:
        images = super().inputs(arrays, description)
        num, height, width, channels = images.shape
        half = (height // 2, width // 2)
        quadrants = images.reshape(num, 2, half[0], 2, half[1], channels).swapaxes(2, 3)
        quadrants = quadrants.reshape(num, 4, *half, channels)
        by_step = quadrants[:, np.array(QUADRANT_ORDERS).T]  # [N, step, order, H/2, W/2, C]
        return by_step.reshape(num, 4, 4 * half[0], half[1], channels)


def channels_of(stored: Array) -> tuple[tuple[float, float], ...]:
    """Mean and spread, between 0 and 1, of each channel of images [N, H, W] or [N, H, W, C], or clips [N, T, H, W, C].

    Bytes are counted, so that nothing is rounded on the way, and no copy in floats is made.
    """
    found = []
    for values in np.moveaxis(stored, -1, 0) if stored.ndim > 3 else [stored]:
        counts = np.sum([np.bincount(some.ravel(), minlength=LEVELS) for some in values], axis=0)
        mean = counts @ np.arange(LEVELS) / counts.sum()
        found.append((mean / BRIGHTEST, (counts @ (np.arange(LEVELS) - mean) ** 2 / counts.sum()) ** 0.5 / BRIGHTEST))
    return tuple((float(mean), float(spread)) for mean, spread in found)


def _as_bytes(raw: Array) -> Array:
    """Pixels from 0 to 255, whatever they were given as."""
    if raw.dtype.kind == "f" and raw.size and float(raw.max()) <= 1.0:
        raw = raw * np.float32(255)
    if raw.size and (float(raw.min()) < 0 or float(raw.max()) > 255):
        raise UserError(f"pixel values from {raw.min()} to {raw.max()}; allowed: 0 to 255, or 0.0 to 1.0")
    return raw


def _with_channels(shape: tuple[int, ...]) -> tuple[int, int, int]:
    return (shape[0], shape[1], shape[2] if len(shape) == 3 else 1)
