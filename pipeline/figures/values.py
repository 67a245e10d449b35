"""Values: those answered beside the true ones, one by one, step by step, and as forecasts of what was seen."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from pipeline.dataset import Array
from pipeline.figures.drawing import TRAIN, VALIDATION


def scatter(actual: Array, predicted: Array, names: Sequence[str]) -> Figure:
    """Predicted values [N, K] over true ones, one panel for each kind of value, and the line where both agree."""
    figure, axes = plt.subplots(1, len(names), figsize=(3.4 * len(names), 3.2), squeeze=False)
    for place, (axis, name) in enumerate(zip(axes[0], names, strict=True)):
        true, found = actual[..., place].ravel(), predicted[..., place].ravel()
        axis.scatter(true, found, s=6, alpha=0.4, color=TRAIN, linewidths=0)
        axis.axline((float(true.min()), float(true.min())), slope=1, color="black", linewidth=0.8)
        axis.set(title=name, xlabel="actual", ylabel="predicted")
    return figure


def series(actual: Array, predicted: Array, names: Sequence[str]) -> Figure:
    """True and predicted values [N, T, K] over the steps, one sequence a row, one kind of value a column."""
    rows, columns = len(actual), len(names)
    figure, axes = plt.subplots(rows, columns, figsize=(5.5 * columns, 1.6 * rows), squeeze=False, sharex=True)
    for row in range(rows):
        for column, name in enumerate(names):
            axis = axes[row][column]
            axis.plot(actual[row, :, column], color="black", linewidth=1, label="actual")
            axis.plot(predicted[row, :, column], color=TRAIN, linewidth=1, label="predicted")
            if row == 0:
                axis.set_title(name)
    axes[0][0].legend(ncols=2)
    for axis in axes[-1]:
        axis.set_xlabel("step")
    return figure


def forecasts(past: Array, actual: Array, predicted: Array, naive: Array, names: Sequence[str]) -> Figure:
    """Windows [N, T, K] and what follows them [N, S, K]: the truth, the forecast, and, thin, a naive one.

    One window a row, one series a column; step 0 is the last that was seen.
    """
    rows, columns, steps = len(past), len(names), np.arange(1, actual.shape[1] + 1)
    figure, axes = plt.subplots(rows, columns, figsize=(5.5 * columns, 1.8 * rows), squeeze=False, sharex=True)
    for row in range(rows):
        for column, name in enumerate(names):
            axis = axes[row][column]
            axis.plot(np.arange(1 - past.shape[1], 1), past[row, :, column], color="#57606a", linewidth=1, label="past")
            axis.plot(steps, actual[row, :, column], color="black", linewidth=1, label="actual")
            axis.plot(steps, predicted[row, :, column], color=TRAIN, linewidth=1.4, label="forecast")
            axis.plot(steps, naive[row, :, column], color=VALIDATION, linewidth=0.6, label="last value")
            if row == 0:
                axis.set_title(name)
    axes[0][0].legend(ncols=4, fontsize=7)
    for axis in axes[-1]:
        axis.set_xlabel("step")
    return figure


def errors_by_step(of_forecasts: Mapping[str, Array], names: Sequence[str]) -> Figure:
    """The error [S, K] of each forecast, step by step, one series a panel; the first forecast drawn thick."""
    figure, axes = plt.subplots(1, len(names), figsize=(4.2 * len(names), 2.9), squeeze=False)
    for column, (axis, name) in enumerate(zip(axes[0], names, strict=True)):
        for place, (forecast, error) in enumerate(of_forecasts.items()):
            steps = np.arange(1, len(error) + 1)
            axis.plot(steps, error[:, column], linewidth=1 if place else 2, label=forecast)
        axis.set(title=name, xlabel="steps ahead", ylabel="rmse")
        axis.set_ylim(bottom=0)
    axes[0][0].legend(fontsize=7)
    return figure
