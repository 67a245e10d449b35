"""CIFAR-10's and CIFAR-100's binary version: records of fixed length, one image each, and a text file of names.

The format (Krizhevsky, *Learning Multiple Layers of Features from Tiny Images*, 2009): the label, one byte (CIFAR-100:
two, coarse and fine), then 1,024 bytes each of red, green and blue, row by row. The Python version of the same files
is pickled, and is never opened.

Shape legend: N images, H = W = 32, C = 3 colours.
"""

from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from pipeline.dataset import Array, Arrays, Description
from pipeline.errors import UserError

SIZE, COLOURS = 32, 3
PIXEL_BYTES = COLOURS * SIZE * SIZE


class Layout(NamedTuple):
    """Which files hold what. labels: the place of each kind of label in a record, and the file of its names."""

    train: tuple[str, ...]
    test: str
    labels: dict[str, tuple[int, str]]


CIFAR_10 = Layout(
    tuple(f"data_batch_{number}.bin" for number in range(1, 6)), "test_batch.bin", {"fine": (0, "batches.meta.txt")}
)
CIFAR_100 = Layout(
    ("train.bin",), "test.bin", {"coarse": (0, "coarse_label_names.txt"), "fine": (1, "fine_label_names.txt")}
)


class Parameters(BaseModel):
    """validation: images taken from the end of the training files, which are in no particular order.
    labels: CIFAR-100's 100 `fine` ones or the 20 `coarse` ones above them; CIFAR-10's are `fine`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    validation: int = Field(default=5000, ge=1)
    labels: Literal["fine", "coarse"] = "fine"


def read(path: Path, parameters: Parameters) -> tuple[dict[str, Arrays], Description]:
    """Read the folder `path`: `x` [N, 32, 32, 3] uint8 and `y` [N] uint8 for each split.

    A file that is missing, cut off, empty or has a label without a name is a `UserError`.
    """
    layout = _layout(path)
    if parameters.labels not in layout.labels:
        raise UserError(f"{path}: holds CIFAR-10, and labels is {parameters.labels!r}; allowed: fine")
    place, names_file = layout.labels[parameters.labels]
    classes = _names(_present(path, names_file))
    parts = [_records(_present(path, name), len(layout.labels), place, classes) for name in layout.train]
    images, labels = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    test_images, test_labels = _records(_present(path, layout.test), len(layout.labels), place, classes)
    num_train = len(images) - parameters.validation
    if num_train < 1:
        raise UserError(
            f"{path}: the training files hold {len(images)} images, of which 'validation' takes the last"
            f" {parameters.validation}; allowed: 1 to {len(images) - 1}"
        )
    description = Description(
        text=f"Images of {SIZE} x {SIZE} pixels in {len(classes)} classes, from CIFAR's binary files",
        layout="images",
        classes=classes,
        disjoint=False,  # CIFAR holds some images twice
    )
    splits: dict[str, Arrays] = {
        "train": {"x": images[:num_train], "y": labels[:num_train]},
        "validation": {"x": images[num_train:], "y": labels[num_train:]},
        "test": {"x": test_images, "y": test_labels},
    }
    return splits, description


def _layout(folder: Path) -> Layout:
    if not folder.is_dir():
        raise UserError(
            f"{folder}: is no folder; allowed: a folder with {CIFAR_10.train[0]}, ... or {CIFAR_100.train[0]}"
        )
    for layout in (CIFAR_10, CIFAR_100):
        if (folder / layout.train[0]).exists():
            return layout
    pickled = (folder / "data_batch_1").exists() or (folder / "train").is_file()
    hint = "; this is the Python version, which is pickled: get the binary version" if pickled else ""
    raise UserError(
        f"{folder}: neither {CIFAR_10.train[0]} (CIFAR-10) nor {CIFAR_100.train[0]} (CIFAR-100) is there{hint}"
    )


def _present(folder: Path, name: str) -> Path:
    if not (folder / name).is_file():
        listing = ", ".join(sorted(entry.name for entry in folder.iterdir()))
        raise UserError(f"{folder}: no file {name}; the folder holds: {listing}")
    return folder / name


def _names(path: Path) -> list[str]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not text in UTF-8: {error}; allowed: one name of a class a line") from None
    names = [line.strip() for line in lines if line.strip()]
    if not names:
        raise UserError(f"{path}: is empty; allowed: one name of a class a line")
    return names


def _records(path: Path, label_bytes: int, place: int, classes: list[str]) -> tuple[Array, Array]:
    """Images [N, 32, 32, 3] and labels [N] of one file."""
    length, size = label_bytes + PIXEL_BYTES, path.stat().st_size
    if not size or size % length:
        raise UserError(
            f"{path}: holds {size} bytes, {'none' if not size else 'no whole number'} of its records of {length} bytes"
            " an image; allowed: one or more whole ones; get the file again"
        )
    records = np.fromfile(path, dtype=np.uint8).reshape(-1, length)
    labels = records[:, place].copy()
    if int(labels.max()) >= len(classes):
        first = int(np.argmax(labels >= len(classes)))
        raise UserError(
            f"{path}: label {labels[first]} found in record {first}; allowed: 0 to {len(classes) - 1}, as many as names"
        )
    planes = records[:, label_bytes:].reshape(-1, COLOURS, SIZE, SIZE)
    return np.ascontiguousarray(planes.transpose(0, 2, 3, 1)), labels
