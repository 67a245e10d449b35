"""Arrays that may be larger than the memory: they lie in a file of the project's folder, which nobody else sees."""

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.dataset import Array

LARGEST_IN_MEMORY = 1 << 26  # bytes


def zeros(shape: tuple[int, ...], dtype: npt.DTypeLike) -> Array:
    """Zeros of a shape; mapped from a file that has no name and is gone with the array, where they are many."""
    kind = np.dtype(dtype)
    if int(np.prod(shape)) * kind.itemsize <= LARGEST_IN_MEMORY:
        return np.zeros(shape, kind)
    with tempfile.TemporaryFile(dir=Path.cwd()) as file:
        mapped: np.memmap[Any, np.dtype[Any]] = np.memmap(file, dtype=kind, mode="w+", shape=shape)
    return mapped
