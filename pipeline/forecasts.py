"""Forecasts of several series: how wrong they are, and what is reached without learning anything.

The errors are those of Hyndman and Koehler, *Another look at measures of forecast accuracy* (2006); the simple
forecasts those of Hyndman and Athanasopoulos, *Forecasting: principles and practice* (3rd ed., 2021), 5.2.

Shape legend: N windows, T steps of a window, S steps after it, F features, K series.
"""

from collections.abc import Mapping

import numpy as np

from pipeline.dataset import Array, Arrays, Description
from pipeline.errors import UserError

METRICS = ("rmse", "mae", "mase", "smape")
DIGITS = 8


def errors(found: Array, true: Array, description: Description) -> dict[str, float]:
    """Errors of forecasts [N, S, K], in the units of the data; a true value of NaN is not asked for.

    rmse, mae: over all series and steps. mase: mae, each series in the unit of its own steps in the training split.
    smape: in percent, 0 to 200.
    """
    if not description.naive_errors:
        raise UserError(
            "the dataset holds no forecasts: nothing says how far its series move from step to step, the unit of mase;"
            " allowed: windows, each with a number of steps that follow, of series that are among its features"
        )
    asked = np.isfinite(true)
    missed = np.abs(np.where(asked, found - true, 0.0))
    sizes = np.where(asked, np.abs(found) + np.abs(true), 0.0)
    relative = np.divide(missed, sizes, out=np.zeros_like(missed), where=sizes > 0)
    count = asked.sum()
    return {
        "rmse": float(np.sum(missed**2) / count) ** 0.5,
        "mae": float(np.sum(missed) / count),
        "mase": float(np.sum(missed / np.array(description.naive_errors)) / count),
        "smape": float(200 * np.sum(relative) / count),
    }


def simple_forecasts(x: Array, description: Description) -> dict[str, Array]:
    """What follows windows [N, T, F], each way [N, S, K]: as the last value was, on along the line from the first value
    to the last, or as a season before."""
    features, ahead = description.features or [], description.output_steps or 0
    series = x[..., [features.index(name) for name in description.outputs or []]].astype(np.float64)
    first, last = series[:, :1], series[:, -1:]
    steps = np.arange(1, ahead + 1)
    slope = (last - first) / max(series.shape[1] - 1, 1)
    found = {"last value": np.repeat(last, ahead, axis=1), "drift": last + slope * steps[:, None]}
    if description.season:
        found["seasonal naive"] = series[:, series.shape[1] - description.season + (steps - 1) % description.season]
    return found


def with_references(splits: Mapping[str, Arrays], description: Description) -> Description:
    """The description of what is forecast, with the unit of `mase` and what simple forecasts reach on the test split.

    Anything else comes back as it is.
    """
    features, outputs = description.features or [], description.outputs or []
    if description.padded or not (description.output_steps and outputs and set(outputs) <= set(features)):
        return description
    steps = splits["train"]["x"].shape[1]
    series = splits["train"]["x"][..., [features.index(name) for name in outputs]].astype(np.float64)
    moved = np.abs(np.diff(series, axis=1)).reshape(-1, len(outputs)).sum(axis=0) / max(len(series) * (steps - 1), 1)
    naive_errors = [round(float(each), DIGITS) or 1.0 for each in moved]  # what never moves keeps its unit
    described = description.model_copy(update={"naive_errors": naive_errors})
    test, true = splits["test"], splits["test"]["y"].astype(np.float64)
    references = {
        name: {metric: round(value, DIGITS) for metric, value in errors(found, true, described).items()}
        for name, found in simple_forecasts(test["x"], described).items()
    }
    return described.model_copy(update={"references": description.references | references})
