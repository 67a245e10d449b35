"""Labels as networks answer them and as people call them.

Shape legend: N examples, V labels.
"""

import numpy as np

from pipeline.dataset import Array, Description


def probabilities(outputs: Array) -> Array:
    """Class probabilities [N, ..., V]; a single output is the probability of the second of two classes."""
    return np.concatenate([1 - outputs, outputs], axis=-1) if outputs.shape[-1] == 1 else outputs


def names_of(description: Description) -> list[str]:
    """The names of the labels; where the label is a symbol, those of the symbols; none where texts are asked for."""
    return [] if description.answers else description.classes or description.vocabulary or []
