"""Several series, foretold some steps ahead of a window: what is measured and shown, in the units of the data.

Shape legend: N windows, T steps of a window, S steps after it, F features, K series.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from pipeline.dataset import Array, Description
from pipeline.forecasts import METRICS, errors, simple_forecasts
from pipeline.values import COLUMNS, STATISTICS, predictions, readable, sentence, statistics

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["COLUMNS", "METRICS", "STATISTICS", "predictions", "readable", "sentence", "statistics"]
ANSWERS = ("a value at each step",)
METRIC = "rmse"
LOWER_IS_BETTER = METRICS
WINDOWS_SHOWN = 4
LAST_VALUE = "last value"


def measure(outputs: Array, targets: Array, description: Description) -> dict[str, float]:
    """Errors of forecasts [N, S, K]. Raises `UserError` where the dataset holds no forecasts."""
    return errors(outputs.astype(np.float64), targets.astype(np.float64), description)


def metric_of(sums: Array) -> Array:
    """Root of the mean squared error [...] of summed statistics [..., 2]."""
    return np.sqrt(sums[..., 0] / sums[..., 1])


def figures(
    outputs: Array, targets: Array, description: Description, inputs: Callable[[list[int]], Array]
) -> dict[str, "Figure"]:
    """Past, truth and forecast of windows from all of the test split; how wrong each step is, beside what is simple."""
    from pipeline import figures as draw

    windows = inputs(list(range(len(targets))))
    simple = simple_forecasts(windows, description)
    features, names = description.features or [], description.outputs or []
    past = windows[..., [features.index(name) for name in names]]
    shown = np.unique(np.linspace(0, len(targets) - 1, WINDOWS_SHOWN).round().astype(int))
    forecasts = {"network": outputs} | simple
    rmse = {name: np.sqrt(np.nanmean((found - targets) ** 2, axis=0)) for name, found in forecasts.items()}
    return {
        "examples": draw.forecasts(past[shown], targets[shown], outputs[shown], simple[LAST_VALUE][shown], names),
        "error_by_step": draw.errors_by_step(rmse, names),
    }
