"""Values as tasks tell of them: one vector for each example or one at each step, in the units of the data.

Values that are not asked for are NaN in the targets. Shape legend: N examples, T steps, K values.
"""

import numpy as np

from pipeline.dataset import Array, Description

COLUMNS = {"values": "doubles"}
STATISTICS = ("squared error", "values")
STEPS_AXES = 3


def statistics(outputs: Array, targets: Array, description: Description) -> Array:
    """One row per example [N, 2], in the order of `STATISTICS`: the mean squared error of any is that of their sums."""
    asked = np.isfinite(targets)
    error = np.where(asked, outputs.astype(np.float64) - targets, 0.0)
    axes = tuple(range(1, targets.ndim))
    return np.stack([np.sum(error**2, axis=axes), asked.sum(axis=axes)], axis=1).astype(np.float64)


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
        "actual": targets[index].astype(np.float64).round(4).tolist(),
        "predicted": outputs[index].astype(np.float64).round(4).tolist(),
    }


def readable(outputs: Array, description: Description) -> list[dict[str, object]]:
    """One answer per example: its values, those of one step after those of the other."""
    found = outputs.reshape(len(outputs), -1)
    return [{"values": [round(float(value), 6) for value in row]} for row in found]


def sentence(answer: dict[str, object]) -> str:
    """An answer as a person reads it: its values."""
    return "  ".join(f"{value:.4g}" for value in answer["values"])  # type: ignore[attr-defined]
