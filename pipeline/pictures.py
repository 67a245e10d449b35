"""Image files as arrays of bytes, read with Pillow: any file of 8 bits a colour, in the size asked for."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pipeline.dataset import Array
from pipeline.errors import UserError

if TYPE_CHECKING:
    from PIL import Image

SUFFIXES = (".png", ".jpg", ".jpeg")
EIGHT_BITS = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr")  # Pillow's names for how pixels are stored


def read_picture(path: Path, channels: int, size: tuple[int, int] | None = None) -> Array:
    """The picture of a file, turned as its camera says: uint8 [H, W] shades of grey, or [H, W, 3] red, green and blue.

    size: height and width to which it is brought: scaled until it covers them, and what lies beyond is cut off on both
    sides alike. None leaves it as it is.
    Raises `UserError` with the file's name where it is empty, no picture, cut off, or of more than 8 bits a colour.
    """
    from PIL import Image, ImageOps

    if not path.stat().st_size:
        raise UserError(f"{path}: is empty; allowed: a picture")
    try:
        with Image.open(path) as picture:
            picture.load()
            mode, turned = picture.mode, ImageOps.exif_transpose(picture)
    except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError) as error:
        raise UserError(f"{path}: not a readable picture: {error}") from None
    if mode not in EIGHT_BITS:
        raise UserError(f"{path}: pixels are stored as {mode}; allowed: 8 bits a colour ({', '.join(EIGHT_BITS)})")
    return as_array(turned, channels, size)


def check_size(name: str, found: tuple[int, ...], first: str, wanted: tuple[int, ...]) -> None:
    """Refuse a picture of another height and width (H, W) than the `first` one has."""
    if found != wanted:
        raise UserError(
            f"{name}: {found[0]} x {found[1]} pixels, and {first} has {wanted[0]} x {wanted[1]}; allowed: one height "
            "and width for all, or a 'size' to which they are brought"
        )


def as_array(picture: "Image.Image", channels: int, size: tuple[int, int] | None) -> Array:
    """A picture that is open, as `read_picture` gives it."""
    from PIL import Image, ImageOps

    coloured = picture.convert("L" if channels == 1 else "RGB")
    if size:
        coloured = ImageOps.fit(coloured, (size[1], size[0]), Image.Resampling.BICUBIC)
    return np.asarray(coloured)
