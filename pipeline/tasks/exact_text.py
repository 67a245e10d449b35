"""A text to which one answer is right, as of a synthetic language, or of a picture that is to be described: whether it
is given word by word decides. Shape legend: N texts.
"""

import numpy as np

from pipeline.answered_texts import (
    ANSWERS,
    COLUMNS,
    LOWER_IS_BETTER,
    METRICS,
    exact,
    figures,
    measure,
    predictions,
    readable,
    sentence,
)
from pipeline.bleu import signatures
from pipeline.dataset import Array, Description

__all__ = [
    "ANSWERS",
    "COLUMNS",
    "LOWER_IS_BETTER",
    "METRICS",
    "figures",
    "measure",
    "predictions",
    "readable",
    "sentence",
    "signatures",
]
METRIC = "exact_match"
STATISTICS = ("right", "texts")


def statistics(outputs: Array, targets: Array, description: Description) -> Array:
    """One row per text [N, 2], in the order of `STATISTICS`, whose sums over any texts give their `METRIC`."""
    return np.stack([exact(outputs, targets), np.ones(len(targets))], axis=1).astype(np.float64)


def metric_of(sums: Array) -> Array:
    """The share of exact answers [...] of summed statistics [..., 2]."""
    return np.asarray(sums[..., 0] / sums[..., 1])
