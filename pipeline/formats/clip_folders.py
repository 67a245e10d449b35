"""Clips in folders by split and class: `train/jumping/0001.mp4`, or a folder of pictures each, `train/jumping/0001/`.

Shape legend: N clips, T frames, H height, W width, C channels.
"""

from pathlib import Path
from typing import Self

import numpy as np
from pydantic import Field, model_validator

from pipeline.class_folders import Files, FilmParameters, labelled_files, left_out
from pipeline.clips import VIDEO_SUFFIXES, read_frames, read_video
from pipeline.dataset import Array, Arrays, Description
from pipeline.large_arrays import zeros
from pipeline.pictures import check_size


class Parameters(FilmParameters):
    """frames: of a clip; of more, those in the middle are taken.
    classes: the folders that are read, in the order of their labels; by default all that train, by name.
    All else is declared as of all films in folders."""

    classes: list[str] | None = Field(default=None, min_length=2)

    @model_validator(mode="after")
    def _have_times(self) -> Self:
        if self.frame_rate is not None and self.stored == "pictures":
            raise ValueError("frame_rate is given, and pictures know no time; allowed with stored pictures: none")
        return self


def read(path: Path, parameters: Parameters) -> tuple[dict[str, Arrays], Description]:
    """Read the folder `path`: `x` [N, T, H, W, C] uint8 and `y` [N] labels for each split.

    A folder that is missing or holds no clips, a file that is empty or cannot be read, a clip of too few frames, and
    frames of several sizes without `size` are a `UserError` that names the file.
    """
    suffixes = VIDEO_SUFFIXES if parameters.stored == "videos" else None
    shares = (parameters.validation_share, parameters.test_share)
    classes, files = labelled_files(path, suffixes, parameters.classes, *shares)
    first = files["train"][0][0]
    shape = _clip(first, parameters).shape
    labels = np.uint8 if len(classes) <= 1 << 8 else np.uint16
    splits: dict[str, Arrays] = {
        split: {"x": _clips(found, parameters, shape, first), "y": np.array([label for _, label in found], labels)}
        for split, found in files.items()
    }
    frames, height, width, _ = shape
    rate = f", {parameters.frame_rate:g} a second" if parameters.frame_rate else ""
    names = [file for found in files.values() for file, _ in found]
    description = Description(
        text=f"{len(names):,} clips of {frames} frames{rate}, {height} x {width} pixels, in "
        f"{len(classes)} classes{left_out(names)}",
        layout="clips",
        classes=classes,
        resized=parameters.size is not None,
        frame_rate=parameters.frame_rate,
        disjoint=False,  # collected clips may be there twice
    )
    return splits, description


def _clip(file: Path, parameters: Parameters) -> Array:
    if parameters.stored == "pictures":
        return read_frames(file, parameters.frames, parameters.channels, parameters.size)
    return read_video(file, parameters.frames, parameters.channels, parameters.size, parameters.frame_rate)


def _clips(files: Files, parameters: Parameters, shape: tuple[int, ...], first: Path) -> Array:
    clips = zeros((len(files), *shape), np.uint8)
    for row, (file, _) in enumerate(files):
        clip = _clip(file, parameters)
        check_size(str(file), clip.shape[1:3], str(first), shape[1:3])
        clips[row] = clip
    return clips
