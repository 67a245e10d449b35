"""A text that is answered with a text: what is measured and what is shown. BLEU decides.

Real texts may be said in many ways, of which the references are one. Shape legend: N texts.
"""

import numpy as np

from pipeline.answered_texts import (
    ANSWERS,
    COLUMNS,
    LOWER_IS_BETTER,
    METRICS,
    figures,
    measure,
    predictions,
    readable,
    sentence,
)
from pipeline.bleu import COUNTS, bleu_counts, bleu_of, signatures
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
METRIC = "bleu"
STATISTICS = COUNTS


def statistics(outputs: Array, targets: Array, description: Description) -> Array:
    """One row per text [N, 10], in the order of `STATISTICS`, whose sums over any texts give their `METRIC`."""
    return bleu_counts(outputs, targets)


def metric_of(sums: Array) -> Array:
    """BLEU [...] of summed statistics [..., 10]."""
    return np.asarray(bleu_of(sums))
