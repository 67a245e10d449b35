"""Noise that is the same on every machine, and the error that it leaves to the best reader.

Shape legend: N examples; the rest is any shape.
"""

import numpy as np

from pipeline.dataset import Array

UNIFORMS = 12  # of their sum the variance is 1, if each lies between 0 and 1
LEVELS = 1 << 16
DIGITS = 8


def normal(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Nearly standard normal numbers: sums of twelve uniform integers, as `exp` and `log` differ between processors."""
    sums = np.zeros(shape, dtype=np.int64)
    for _ in range(UNIFORMS):
        sums += rng.integers(0, LEVELS, shape, dtype=np.int64)
    return (2 * sums - UNIFORMS * (LEVELS - 1)) / (2 * LEVELS)


def uniform(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Numbers from 0 to 1 in steps of 1/1000."""
    return rng.integers(0, 1001, shape) / 1000


def smallest_errors(values: Array, best: Array, asked: Array | None = None) -> dict[str, float]:
    """Ceilings of `regression`: the errors of the best reader, which knows all but the noise, on these very values.

    asked: which values [N, ...] count; all if none are given.
    """
    error = (values.astype(np.float64) - best)[... if asked is None else asked]
    mse = float(np.mean(error**2))
    return {
        "mse": round(mse, DIGITS),
        "rmse": round(mse**0.5, DIGITS),
        "mae": round(float(np.mean(np.abs(error))), DIGITS),
    }
