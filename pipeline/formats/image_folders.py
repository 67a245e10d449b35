"""One image a file, PNG or JPEG, in folders by split and class: `train/cat/0001.jpg`.

Shape legend: N images, H height, W width.
"""

from pathlib import Path

import numpy as np
from pydantic import Field

from pipeline.class_folders import Files, PictureParameters, labelled_files, left_out
from pipeline.dataset import Array, Arrays, Description
from pipeline.large_arrays import zeros
from pipeline.pictures import SUFFIXES, check_size, read_picture


class Parameters(PictureParameters):
    """classes: the folders that are read, in the order of their labels; by default all that train, by name.
    All else is declared as of all pictures in folders."""

    classes: list[str] | None = Field(default=None, min_length=2)


def read(path: Path, parameters: Parameters) -> tuple[dict[str, Arrays], Description]:
    """Read the folder `path`: `x` [N, H, W, 3] or [N, H, W] uint8 and `y` [N] labels for each split.

    A folder that is missing or empty, a file that is empty or no image, and images of several sizes without `size` are
    a `UserError` that names the file.
    """
    shares = (parameters.validation_share, parameters.test_share)
    classes, files = labelled_files(path, SUFFIXES, parameters.classes, *shares)
    first = files["train"][0][0]
    shape = read_picture(first, parameters.channels, parameters.size).shape
    labels = np.uint8 if len(classes) <= 1 << 8 else np.uint16
    splits: dict[str, Arrays] = {
        split: {"x": _images(found, parameters, shape, first), "y": np.array([label for _, label in found], labels)}
        for split, found in files.items()
    }
    names = [file for found in files.values() for file, _ in found]
    description = Description(
        text=f"{len(names):,} images of {shape[0]} x {shape[1]} pixels in {len(classes)} classes, one a file"
        + left_out(names),
        layout="images",
        classes=classes,
        resized=parameters.size is not None,
        disjoint=False,  # collected files may hold an image twice
    )
    return splits, description


def _images(files: Files, parameters: Parameters, shape: tuple[int, ...], first: Path) -> Array:
    images = zeros((len(files), *shape), np.uint8)
    for row, (file, _) in enumerate(files):
        image = read_picture(file, parameters.channels, parameters.size)
        check_size(str(file), image.shape[:2], str(first), shape[:2])
        images[row] = image
    return images
