"""Images and clips, with what was answered to them."""

import textwrap
from collections.abc import Sequence

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from pipeline.dataset import Array
from pipeline.figures.drawing import RIGHT, WRONG

FRAMES_SHOWN = 6
CAPTION_COLUMNS, CHARACTERS_A_CAPTION_LINE = 4, 34
CLIP_AXES = 5
INCHES_A_CHARACTER, INCHES_A_LINE = 0.065, 0.14  # of a caption over an image


def clips(clips: Array, captions: Sequence[str], right: Sequence[bool]) -> Figure:
    """Clips [N, T, H, W, C] as strips of frames from first to last, one strip a row."""
    num_steps = clips.shape[1]
    steps = np.unique(np.linspace(0, num_steps - 1, min(FRAMES_SHOWN, num_steps)).round().astype(int))
    width_of_frame = max(0.35, min(1.1, 1.1 * clips.shape[3] / clips.shape[2]))
    figure, axes = plt.subplots(
        len(clips), len(steps), figsize=(1.4 + (width_of_frame + 0.1) * len(steps), 1.25 * len(clips)), squeeze=False
    )
    for row, (clip, caption, good) in enumerate(zip(clips, captions, right, strict=True)):
        for axis, step in zip(axes[row], steps, strict=True):
            _show(axis, clip[step])
            if row == 0:
                axis.set_title(f"frame {step + 1}", fontsize=7)
        axes[row][0].set_ylabel(
            caption, color=RIGHT if good else WRONG, rotation=0, ha="right", va="center", fontsize=8
        )
    return figure


def captioned(pictures: Array, captions: Sequence[str], right: Sequence[bool]) -> Figure:
    """Images [N, H, W, C] or clips [N, T, H, W, C], each with a caption of several words."""
    wrapped = [textwrap.fill(caption, CHARACTERS_A_CAPTION_LINE) for caption in captions]
    if pictures.ndim == CLIP_AXES:
        return clips(pictures, wrapped, right)
    rows = -(-len(pictures) // CAPTION_COLUMNS)
    figure, axes = plt.subplots(rows, CAPTION_COLUMNS, figsize=(CAPTION_COLUMNS * 2.1, rows * 1.9), squeeze=False)
    for axis in axes.flat[len(pictures) :]:
        axis.set_axis_off()
    for axis, picture, caption, good in zip(axes.flat, pictures, wrapped, right, strict=False):
        _show(axis, picture)
        axis.set_title(caption, color=RIGHT if good else WRONG, fontsize=7)
    return figure


def images(images: Array, captions: Sequence[str], right: Sequence[bool], columns: int = 8) -> Figure:
    """Images [N, H, W, C] in a grid, each with its caption, and room for it."""
    rows = -(-len(images) // columns)
    lines = [caption.splitlines() for caption in captions]
    longest, most = max(len(line) for caption in lines for line in caption), max(map(len, lines))
    width, height = max(0.95, longest * INCHES_A_CHARACTER + 0.1), 1.15 + INCHES_A_LINE * (most - 1)
    figure, axes = plt.subplots(rows, columns, figsize=(columns * width, rows * height), squeeze=False)
    for axis in axes.flat:
        axis.set_axis_off()
    for axis, image, caption, good in zip(axes.flat, images, captions, right, strict=False):
        axis.set_axis_on()
        _show(axis, image)
        axis.set_title(caption, color=RIGHT if good else WRONG, fontsize=8)
    return figure


def _show(axis: plt.Axes, image: Array) -> None:
    if image.shape[-1] == 1:
        axis.imshow(image[..., 0], cmap="gray_r", vmin=0, vmax=1, interpolation="nearest")
    else:
        axis.imshow(image, interpolation="nearest")
    axis.set(xticks=[], yticks=[])
    axis.grid(visible=False)
    for spine in axis.spines.values():
        spine.set_visible(True)
        spine.set_alpha(0.3)
