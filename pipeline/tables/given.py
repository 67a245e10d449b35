"""Rows that a user gives in a CSV file, as the steps of one sequence: by the names of their columns, as it was trained.

Nothing but the standard library reads them, so that `predict` starts at once. Shape legend: T time steps, F features.
"""

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pipeline.dataset import Array
from pipeline.errors import UserError, choices


def read_steps(path: Path, features: Sequence[str]) -> Array:
    """float64 [T, F] of the rows below the header, in the order of `features`, whatever that of the columns.

    A feature is a column of numbers, or, as `weekday=Mon`, whether the column `weekday` holds `Mon`. Other columns are
    not read. Raises `UserError` for a column that is not there and a cell that cannot be meant.
    """
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file)
        try:
            header, *rows = ([*row, str(reader.line_num)] for row in reader)
        except (csv.Error, ValueError) as error:
            raise UserError(f"{path}: cannot be read as CSV: {error}; allowed: a header and rows") from None
    *names, _ = header
    found = [_column(path, feature, names) for feature in features]
    while rows and len(rows[-1]) == 1:  # blank lines at the end
        rows.pop()
    if not rows:
        raise UserError(f"{path}: has columns and no row; allowed: 1 row and more")
    return np.array([_step(path, row, names, list(zip(features, found, strict=True))) for row in rows])


def _column(path: Path, feature: str, names: list[str]) -> str:
    """The column that a feature is read from."""
    candidates = [name for name in names if name == feature] or [n for n in names if feature.startswith(f"{n}=")]
    if len(candidates) != 1:
        what = "no column" if not candidates else f"{len(candidates)} columns"
        raise UserError(f"{path}: {what} for the feature {feature!r}; {choices(feature, names)}")
    return candidates[0]


def _step(path: Path, row: list[str], names: list[str], features: list[tuple[str, str]]) -> list[float]:
    *cells, line = row
    if len(cells) != len(names):
        raise UserError(f"{path.name}:{line}: holds {len(cells)} cells; allowed: {len(names)}, as the header")
    given = dict(zip(names, cells, strict=True))
    step = []
    for feature, column in features:
        if feature == column:
            step.append(_number(f"{path.name}:{line}, column {column!r}", given[column]))
            continue
        values = [other.removeprefix(f"{column}=") for other, of in features if of == column != other]
        if given[column] not in values:
            where = f"{path.name}:{line}, column {column!r}"
            raise UserError(f"{where}: holds {given[column]!r}; {choices(given[column], values)}")
        step.append(float(feature == f"{column}={given[column]}"))
    return step


def _number(where: str, cell: str) -> float:
    try:
        return float(cell)
    except ValueError:
        raise UserError(f"{where}: holds {cell[:40]!r}; allowed: numbers") from None
