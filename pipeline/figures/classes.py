"""What classes were answered: which for which, and how well each."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from pipeline.figures.drawing import TRAIN


def confusion(actual: Sequence[str], predicted: Sequence[str], classes: Sequence[str]) -> Figure:
    """How often each class was answered for each class."""
    index = {name: place for place, name in enumerate(classes)}
    counts = np.zeros((len(classes), len(classes)), dtype=int)
    for true, answer in zip(actual, predicted, strict=True):
        counts[index[true], index[answer]] += 1
    side = 1.6 + 0.36 * len(classes)
    figure, axis = plt.subplots(figsize=(side, side))
    axis.imshow(counts / np.maximum(counts.sum(axis=1, keepdims=True), 1), cmap="Blues", vmin=0, vmax=1)
    for (row, column), count in np.ndenumerate(counts):
        if count:
            colour = "white" if count > counts[row].sum() / 2 else "black"
            axis.text(column, row, str(count), ha="center", va="center", fontsize=7, color=colour)
    axis.set(xlabel="predicted", ylabel="actual", xticks=range(len(classes)), yticks=range(len(classes)))
    axis.set_xticklabels(classes, rotation=45 if max(map(len, classes)) > 2 else 0)
    axis.set_yticklabels(classes)
    axis.grid(visible=False)
    return figure


def bars(values: Mapping[str, float], label: str) -> Figure:
    """One bar a name, with its value."""
    figure, axis = plt.subplots(figsize=(4.2, 0.6 + 0.28 * max(len(values), 1)))
    drawn = axis.barh(list(values), list(values.values()), color=TRAIN)
    axis.bar_label(drawn, fmt="%.2f", padding=3, fontsize=8)
    axis.set(xlabel=label, xlim=(0, 1.12))
    axis.invert_yaxis()
    return figure
