"""How a training went: losses and metrics over updates, gradients over steps."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from pipeline.figures.drawing import TRAIN, VALIDATION

if TYPE_CHECKING:
    import pandas as pd

SMALLEST_NORM = 1e-20  # what is smaller still, or nothing, is drawn here


def curves(history: Sequence[dict[str, float]]) -> Figure:
    """Loss and accuracy of both splits at each validation, over updates; and what is validated alone, as BLEU is."""
    metrics = [name.removeprefix("val_") for name in history[0] if name.startswith("val_")]
    figure, axes = plt.subplots(1, len(metrics), figsize=(3.6 * len(metrics), 2.7), squeeze=False)
    steps = [row["step"] for row in history]
    for axis, metric in zip(axes[0], sorted(metrics, key=lambda name: name != "loss"), strict=True):
        for name, label, colour in ((metric, "training", TRAIN), (f"val_{metric}", "validation", VALIDATION)):
            if name in history[0]:
                axis.plot(steps, [row[name] for row in history], color=colour, label=label, marker="o", markersize=3)
        axis.set(title=metric, xlabel="updates")
        axis.locator_params(axis="x", nbins=6)
        if metric == "loss":
            axis.set_yscale("log")
    axes[0][0].legend()
    return figure


def gradients(of_variants: Mapping[str, "pd.DataFrame"]) -> Figure:
    """The norm of the gradient that reaches each step, with the first and with the last weights; dashed: as clipped."""
    figure, axes = plt.subplots(1, 2, figsize=(9, 3.2), sharey=True, squeeze=False)
    for axis, when in zip(axes[0], ("first weights", "last weights"), strict=True):
        for name, table in of_variants.items():
            part = table[table["when"] == when]
            (line,) = axis.plot(part["step"], part["norm"].clip(lower=SMALLEST_NORM), linewidth=1.2, label=name)
            if (part["clipped"] < part["norm"]).any():
                clipped = part["clipped"].clip(lower=SMALLEST_NORM)
                axis.plot(part["step"], clipped, linewidth=1.2, linestyle="--", color=line.get_color())
        axis.set(title=when, xlabel="step of the sequence", yscale="log")
    axes[0][0].set_ylabel("norm of the gradient")
    axes[0][0].legend(fontsize=7)
    return figure
