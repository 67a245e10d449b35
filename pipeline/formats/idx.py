"""MNIST's IDX format: a folder with four files, images and labels for training and for test, plain or `.gz`.

The format (LeCun, Cortes & Burges, *The MNIST database*): two bytes 0, one byte for the type of the values, one for the
number of dimensions D, D sizes as big-endian 32-bit integers, then the values, last axis fastest.

Shape legend: N examples, H height, W width.
"""

import gzip
import math
import zlib
from io import BufferedIOBase
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from pipeline.dataset import Array, Arrays, Description
from pipeline.errors import UserError

UNSIGNED_BYTE = 0x08
VALUE_TYPES = {
    UNSIGNED_BYTE: "unsigned byte",
    0x09: "signed byte",
    0x0B: "16-bit integer",
    0x0C: "32-bit integer",
    0x0D: "32-bit float",
    0x0E: "64-bit float",
}
GZIP_MAGIC = b"\x1f\x8b"
CHUNK_BYTES = 1 << 20
FILE_NAME = r"^[^/\\]+$"


class Parameters(BaseModel):
    """Which files of the folder are read, and how the training files are divided.

    train_images, train_labels, test_images, test_labels: file names; each is found with or without `.gz`, plain first.
    validation: examples taken from the end of the training files, which should therefore be in no particular order.
    classes: their names in the order of the labels; by default the labels themselves, "0" up to the highest found.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    train_images: str = Field(default="train-images-idx3-ubyte", pattern=FILE_NAME)
    train_labels: str = Field(default="train-labels-idx1-ubyte", pattern=FILE_NAME)
    test_images: str = Field(default="t10k-images-idx3-ubyte", pattern=FILE_NAME)
    test_labels: str = Field(default="t10k-labels-idx1-ubyte", pattern=FILE_NAME)
    validation: int = Field(default=5000, ge=1)
    classes: list[str] | None = Field(default=None, min_length=1)


def read(path: Path, parameters: Parameters) -> tuple[dict[str, Arrays], Description]:
    """Read the folder `path`: per split `x` [N, H, W] uint8 images and `y` [N] uint8 labels.

    Plain files are mapped into memory, not read. A file that is missing, of another kind, cut off, or does not fit the
    others is a `UserError`.
    """
    if not path.is_dir():
        found = "is a file" if path.exists() else "does not exist"
        raise UserError(
            f"{path}: {found}; allowed: a folder with the four IDX files, such as {parameters.train_images}"
        )
    images, labels = _read_pair(path, parameters.train_images, parameters.train_labels, parameters.classes)
    test_images, test_labels = _read_pair(path, parameters.test_images, parameters.test_labels, parameters.classes)
    num_train = len(images) - parameters.validation
    if num_train < 1:
        raise UserError(
            f"{path / parameters.train_images}: holds {len(images)} examples, of which 'validation' takes the last"
            f" {parameters.validation}; allowed: 1 to {len(images) - 1}"
        )
    num_classes = 1 + max(int(labels.max()), int(test_labels.max()))
    classes = parameters.classes or [str(label) for label in range(num_classes)]
    description = Description(
        text=f"Images of {images.shape[1]} x {images.shape[2]} pixels in {len(classes)} classes, from IDX files",
        layout="images",
        classes=classes,
        disjoint=False,  # collected files may hold an example twice
    )
    splits: dict[str, Arrays] = {
        "train": {"x": images[:num_train], "y": labels[:num_train]},
        "validation": {"x": images[num_train:], "y": labels[num_train:]},
        "test": {"x": test_images, "y": test_labels},
    }
    return splits, description


def _read_pair(folder: Path, images_name: str, labels_name: str, classes: list[str] | None) -> tuple[Array, Array]:
    images_path, labels_path = _find(folder, images_name), _find(folder, labels_name)
    images, labels = read_idx(images_path, 3), read_idx(labels_path, 1)
    if len(images) != len(labels):
        raise UserError(
            f"{labels_path}: holds {len(labels)} labels, but {images_path.name} holds {len(images)} images;"
            " allowed: one label for each image"
        )
    if classes and int(labels.max()) >= len(classes):
        first = int(np.argmax(labels >= len(classes)))
        raise UserError(
            f"{labels_path}: label {labels[first]} found in row {first};"
            f" allowed: 0 to {len(classes) - 1} ('classes' names {len(classes)})"
        )
    return images, labels


def _find(folder: Path, name: str) -> Path:
    plain = name.removesuffix(".gz")
    for path in (folder / plain, folder / f"{plain}.gz"):
        if path.is_file():
            return path
    listing = ", ".join(sorted(entry.name for entry in folder.iterdir())) or "nothing"
    raise UserError(f"{folder}: no file {plain} or {plain}.gz; the folder holds: {listing}")


def read_idx(path: Path, num_dimensions: int) -> Array:
    """The values of one IDX file of unsigned bytes, uint8 with `num_dimensions` axes; mapped into memory unless `.gz`.

    A file that is not gzip although `.gz`, corrupt, cut off, too long, empty or of another kind is a `UserError`.
    """
    if path.suffix == ".gz":
        return _read_gzip(path, num_dimensions)
    with path.open("rb") as file:
        shape = _read_header(file, path, num_dimensions)
        offset = file.tell()
    _check_size(path, shape, path.stat().st_size - offset)
    return np.memmap(path, dtype=np.uint8, mode="r", offset=offset, shape=shape)


def _read_gzip(path: Path, num_dimensions: int) -> Array:
    with path.open("rb") as packed:
        if (magic := packed.read(len(GZIP_MAGIC))) != GZIP_MAGIC:
            found = magic.hex(" ") or "nothing"
            raise UserError(f"{path}: is not gzip (starts with {found}); if it is unpacked, remove '.gz' from its name")
    values, num_found = bytearray(), 0
    try:
        with gzip.open(path) as file:
            shape = _read_header(file, path, num_dimensions)
            expected = math.prod(shape)
            # To the very end, where the checksum stands, yet keeping no more than the header announced.
            while chunk := file.read(CHUNK_BYTES):
                values += chunk[: expected - len(values)]
                num_found += len(chunk)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise UserError(f"{path}: corrupt or cut-off gzip file ({error}); get the file again") from None
    _check_size(path, shape, num_found)
    return np.frombuffer(values, dtype=np.uint8).reshape(shape)


def _read_header(file: BufferedIOBase, path: Path, num_dimensions: int) -> tuple[int, ...]:
    allowed = f"allowed: 00 00 08 {num_dimensions:02x} (unsigned bytes, {num_dimensions} dimensions)"
    magic = file.read(4)
    if magic[: len(GZIP_MAGIC)] == GZIP_MAGIC:
        raise UserError(f"{path}: is gzip, but its name does not end in '.gz'; rename or unpack it")
    if len(magic) < 4 or magic[:2] != b"\0\0" or magic[2] not in VALUE_TYPES:
        raise UserError(f"{path}: not an IDX file, magic number {magic.hex(' ') or 'missing'}; {allowed}")
    if magic[2] != UNSIGNED_BYTE:
        kind = VALUE_TYPES[magic[2]]
        raise UserError(f"{path}: holds values of type {kind} (magic number {magic.hex(' ')}); {allowed}")
    if magic[3] != num_dimensions:
        raise UserError(f"{path}: has {magic[3]} dimensions (magic number {magic.hex(' ')}); {allowed}")
    sizes = file.read(4 * num_dimensions)
    if len(sizes) < 4 * num_dimensions:
        raise UserError(
            f"{path}: cut off in its header: expected {4 * num_dimensions + 4} bytes, found {len(sizes) + 4}"
        )
    shape = tuple(np.frombuffer(sizes, dtype=">u4").tolist())
    if 0 in shape:
        raise UserError(f"{path}: is empty, its sizes are {' x '.join(map(str, shape))}; allowed: 1 and more")
    return shape


def _check_size(path: Path, shape: tuple[int, ...], found: int) -> None:
    expected = math.prod(shape)
    if found != expected:
        state = "cut off" if found < expected else f"{found - expected} bytes too long"
        sizes = " x ".join(map(str, shape))
        raise UserError(
            f"{path}: {state}: expected {expected} bytes of values ({sizes}), found {found}; get the file again"
        )
