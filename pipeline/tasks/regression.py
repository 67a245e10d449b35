"""Values, one vector for each example or one at each step: what is measured and shown, in the units of the data.

Values that are not asked for are NaN in the targets. Shape legend: N examples, T steps, K values.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from pipeline.dataset import Array, Description
from pipeline.values import COLUMNS, STATISTICS, STEPS_AXES, predictions, readable, sentence, statistics

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["COLUMNS", "STATISTICS", "predictions", "readable", "sentence", "statistics"]
ANSWERS = ("one value", "a value at each step")
METRIC = "mse"
METRICS = ("mse", "rmse", "mae", "r2")
LOWER_IS_BETTER = ("mse", "rmse", "mae")
EXAMPLES_SHOWN, SEQUENCES_SHOWN = 1000, 4


def measure(outputs: Array, targets: Array, description: Description) -> dict[str, float]:
    """Errors of outputs [N, ..., K] against targets of the same shape; targets of NaN are not asked for."""
    asked = np.isfinite(targets)
    true, found = targets[asked].astype(np.float64), outputs[asked].astype(np.float64)
    mse = float(np.mean((found - true) ** 2))
    spread = float(np.var(true))
    return {
        "mse": mse,
        "rmse": mse**0.5,
        "mae": float(np.mean(np.abs(found - true))),
        "r2": 1 - mse / spread if spread else 0.0,
    }


def metric_of(sums: Array) -> Array:
    """Mean squared error [...] of summed statistics [..., 2]."""
    return np.asarray(sums[..., 0] / sums[..., 1])


def figures(
    outputs: Array, targets: Array, description: Description, inputs: Callable[[list[int]], Array]
) -> dict[str, "Figure"]:
    """Every value that was answered against the true one; or the first sequences, step by step."""
    from pipeline import figures as draw

    names = description.outputs or []
    if targets.ndim == STEPS_AXES:
        return {"examples": draw.series(targets[:SEQUENCES_SHOWN], outputs[:SEQUENCES_SHOWN], names)}
    return {"predictions": draw.scatter(targets[:EXAMPLES_SHOWN], outputs[:EXAMPLES_SHOWN], names)}
