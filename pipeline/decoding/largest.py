"""The few largest of many numbers, without putting the others in any order.

Shape legend: R rows, V numbers of each, B blocks of them.
"""

import numpy as np

from pipeline.dataset import Array

NUMBERS_A_BLOCK = 16
FEW = 1024  # numbers, up to which blocks are not worth their making


def largest(values: Array, count: int) -> Array:
    """The places [R, count] of the largest of `values` [R, V], in any order; of equal ones any.

    They lie in the `count` blocks whose own largest are the largest: one pass finds these, and few numbers are left. A
    block is every B-th number, so that the maxima of all blocks are found side by side.
    """
    num_rows, number = values.shape
    num_blocks = number // NUMBERS_A_BLOCK
    if number <= FEW or count > num_blocks:
        return _partitioned(values, count)
    whole = num_blocks * NUMBERS_A_BLOCK
    maxima = values[:, :whole].reshape(num_rows, NUMBERS_A_BLOCK, num_blocks).max(axis=1)
    blocks = _partitioned(maxima, count)
    places = (blocks[:, :, None] + np.arange(0, whole, num_blocks)).reshape(num_rows, -1)
    if whole < number:
        rest = np.arange(whole, number)[None].repeat(num_rows, axis=0)
        places = np.concatenate([places, rest], axis=1)
    rows = np.arange(num_rows)[:, None]
    found = _partitioned(values.take(places + rows * number), count)
    return places.take(found + rows * places.shape[1])


def _partitioned(values: Array, count: int) -> Array:
    return values.argpartition(values.shape[1] - count, axis=1)[:, -count:]
