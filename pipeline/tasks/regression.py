"""Values, one vector for each example or one at each step: what is measured and shown, in the units of the data.

Values that are not asked for are NaN in the targets. Shape legend: N examples, T steps, K values.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from pipeline.dataset import Array, Description

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ANSWERS = ("one value", "a value at each step")
METRIC = "mse"
METRICS = ("mse", "rmse", "mae", "r2")
LOWER_IS_BETTER = ("mse", "rmse", "mae")
COLUMNS = {"values": "doubles"}
STATISTICS = ("squared error", "values")
EXAMPLES_SHOWN, SEQUENCES_SHOWN, STEPS_AXES = 1000, 4, 3


def in_units(values: Array, description: Description) -> Array:
    """Values [..., K] in float64 and in the units of the data."""
    exact: Array = values.astype(np.float64)
    if description.scaling is None:
        return exact
    return exact * np.array(description.scaling.y_scale) + np.array(description.scaling.y_mean)


def measure(outputs: Array, targets: Array, description: Description) -> dict[str, float]:
    """Errors of outputs [N, ..., K] against targets of the same shape; targets of NaN are not asked for."""
    asked = np.isfinite(targets)
    true, found = in_units(targets, description)[asked], in_units(outputs, description)[asked]
    mse = float(np.mean((found - true) ** 2))
    spread = float(np.var(true))
    return {
        "mse": mse,
        "rmse": mse**0.5,
        "mae": float(np.mean(np.abs(found - true))),
        "r2": 1 - mse / spread if spread else 0.0,
    }


def statistics(outputs: Array, targets: Array, description: Description) -> Array:
    """One row per example [N, 2], in the order of `STATISTICS`, whose sums over any examples give their `METRIC`."""
    asked = np.isfinite(targets)
    error = np.where(asked, in_units(outputs, description) - in_units(targets, description), 0.0)
    axes = tuple(range(1, targets.ndim))
    return np.stack([np.sum(error**2, axis=axes), asked.sum(axis=axes)], axis=1).astype(np.float64)


def metric_of(sums: Array) -> Array:
    """Mean squared error [...] of summed statistics [..., 2]."""
    return np.asarray(sums[..., 0] / sums[..., 1])


def predictions(outputs: Array, targets: Array, description: Description) -> dict[str, list[object]]:
    """One row per value that was asked for, for `predictions.csv`."""
    places = np.argwhere(np.isfinite(targets))
    rows: dict[str, list[object]] = {"example": places[:, 0].tolist()}
    if targets.ndim == STEPS_AXES:
        rows["step"] = places[:, 1].tolist()
    index = tuple(places.T)
    names = np.array(description.outputs or [])
    return {
        **rows,
        "value": names[places[:, -1]].tolist(),
        "actual": in_units(targets, description)[index].round(4).tolist(),
        "predicted": in_units(outputs, description)[index].round(4).tolist(),
    }


def readable(outputs: Array, description: Description) -> list[dict[str, object]]:
    """One answer per example: its values, those of one step after those of the other."""
    found = in_units(outputs, description).reshape(len(outputs), -1)
    return [{"values": [round(float(value), 6) for value in row]} for row in found]


def sentence(answer: dict[str, object]) -> str:
    """An answer as a person reads it: its values."""
    return "  ".join(f"{value:.4g}" for value in answer["values"])  # type: ignore[attr-defined]


def figures(
    outputs: Array, targets: Array, description: Description, inputs: Callable[[list[int]], Array]
) -> dict[str, "Figure"]:
    """Every value that was answered against the true one; or the first sequences, step by step."""
    from pipeline import figures as draw

    names = description.outputs or []
    if targets.ndim == STEPS_AXES:
        true, found = (in_units(values[:SEQUENCES_SHOWN], description) for values in (targets, outputs))
        return {"examples": draw.series(true, found, names)}
    true, found = (in_units(values[:EXAMPLES_SHOWN], description) for values in (targets, outputs))
    return {"predictions": draw.scatter(true, found, names)}
