"""Mean and spread of columns, from training rows alone, with the same bits on every machine.

The sums are exact (`math.fsum`): their result does not depend on the order in which a processor adds.
"""

import math
from typing import TYPE_CHECKING

import numpy as np

from pipeline.dataset import Array, Scaling

if TYPE_CHECKING:
    from pipeline.tables.table import Table


def mean(values: Array) -> float:
    """The mean of values [n], 1 and more."""
    return math.fsum(values.tolist()) / len(values)


def mean_and_spread(values: Array) -> tuple[float, float]:
    """Mean and standard deviation of values [n], without those missing; a spread of 1 where they are all the same."""
    known = values[~np.isnan(values)]
    if not known.size:
        return 0.0, 1.0
    centre = mean(known)
    spread = math.sqrt(mean((known - centre) ** 2))
    return centre, spread if np.float32(spread) > 0 and known.min() < known.max() else 1.0


def scaling_of(table: "Table", training: Array, values_each: int) -> Scaling:
    """How features, and targets that are values, come to mean 0 and spread 1 on the training rows [R].

    Features of 0 and 1 stay as they are. values_each: how many values of each target stand beside each other in an
    answer, those of one row after those of the row before.
    """
    measured = [feature == column for feature, column in zip(table.features, table.columns, strict=True)]
    features = [
        mean_and_spread(column[training]) if scaled else (0.0, 1.0)
        for column, scaled in zip(table.inputs.T, measured, strict=True)
    ]
    targets = [] if table.classes else [mean_and_spread(column[training]) for column in table.targets.T] * values_each
    return Scaling(
        x_mean=[centre for centre, _ in features],
        x_scale=[spread for _, spread in features],
        y_mean=[centre for centre, _ in targets],
        y_scale=[spread for _, spread in targets],
    )
