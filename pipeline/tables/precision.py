"""Whether a column survives being stored in float32: 1234567890 and 1234567894 are the same number there.

Shape legend: R rows.
"""

import numpy as np

from pipeline.dataset import Array
from pipeline.errors import UserError
from pipeline.tables.parameters import Parameters
from pipeline.tables.scaling import mean_and_spread
from pipeline.tables.table import Table

LARGEST_ERROR = 0.005  # of the spread: more, and what lies a hundredth of it apart may become one number


def check_precision(table: Table, training: Array, parameters: Parameters) -> None:
    """Raise `UserError` for a column of numbers that are not what they were once they are stored.

    training: which rows are of the training split [R]; the spread is theirs.
    """
    columns = list(zip(table.columns, table.inputs.T, strict=True))
    if not parameters.asks_labels:
        columns += list(zip(parameters.targets, table.targets.T, strict=True))
    for column, values in columns:
        known = values[training & ~np.isnan(values)]
        if not known.size or known.min() == known.max():
            continue
        error = np.nan_to_num(np.abs(values.astype(np.float32).astype(np.float64) - values))
        place, spread = int(np.argmax(error)), mean_and_spread(known)[1]
        if error[place] > LARGEST_ERROR * spread:
            raise UserError(
                f"{table.where}, column {column!r}, row {table.rows[place]}: holds {values[place]:.15g}, which float32"
                f" stores as {np.float32(values[place]):.15g}; the column's spread in train is {spread:.3g}; allowed:"
                f" errors of at most {LARGEST_ERROR:.1%} of it; subtract what all its values have in common, or take"
                " their differences"
            )
