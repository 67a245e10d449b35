"""A file's declared columns as NumPy arrays, checked, with the rows of each group beside each other.

Shape legend: R rows, F features, K targets.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.dataset import Array
from pipeline.errors import UserError
from pipeline.tables.cells import indices, numbers, refuse_missing, times
from pipeline.tables.parameters import Parameters

if TYPE_CHECKING:
    import pandas as pd


GAP = 1.5  # times as long as usual; less is no gap: months differ, and clocks are adjusted


@dataclass(frozen=True)
class Table:
    """where: the file, for messages. rows [R]: their numbers in the file, from 1.

    group [R]: index into `groups`, which are named in the order of their first rows; rows are sorted by it and, within
    a group, stand as in the file. clock [R]: grows within a group.
    inputs [R, F], targets [R, K]: float64, NaN where a cell is missing; labels are indices into `classes`.
    columns: of each feature; it is the feature's name as well, but for those of 0 and 1 that a column of text becomes.
    """

    where: str
    rows: Array
    group: Array
    groups: list[str]
    clock: Array
    inputs: Array
    features: list[str]
    columns: list[str]
    targets: Array
    classes: list[str] | None

    def taken(self, rows: Array) -> "Table":
        """The same with some of the rows: a mask, or their places."""
        kept = {key: getattr(self, key)[rows] for key in ("rows", "group", "clock", "inputs", "targets")}
        return replace(self, **kept)

    def group_name(self, row: int) -> str:
        """The group of a row, for messages; nothing where there is but one."""
        return f" of group {self.groups[self.group[row]]!r}" if len(self.groups) > 1 else ""


def make_table(path: Path, cells: "pd.DataFrame", parameters: Parameters) -> Table:
    """The declared columns of `cells`. Raises `UserError` for what they cannot hold, and where time does not grow."""
    group, groups = _groups(path, cells, parameters.group)
    clock = np.arange(len(cells))
    if parameters.time:
        clock = times(f"{path}, column {parameters.time!r}", cells[parameters.time], parameters.time_format)
    inputs: list[Array] = []
    features: list[str] = []
    columns: list[str] = []
    for column in parameters.inputs:
        held = _features(path, cells, column, parameters)
        for name in held:
            if name in features:
                raise UserError(
                    f"{path}: two features are called {name!r}: of column {column!r} and of"
                    f" {columns[features.index(name)]!r}; allowed: one; rename a column"
                )
        inputs += held.values()
        features += held
        columns += [column] * len(held)
    targets, classes = _targets(path, cells, parameters)
    table = Table(
        where=str(path),
        rows=np.arange(1, len(cells) + 1),
        group=group,
        groups=groups,
        clock=clock,
        inputs=np.stack(inputs, axis=1),
        features=features,
        columns=columns,
        targets=targets,
        classes=classes,
    ).taken(np.argsort(group, kind="stable"))
    if parameters.time:
        _check_order(table, parameters.time, cells[parameters.time])
        if parameters.gaps == "error":
            _check_gaps(table, parameters.time, cells[parameters.time])
    return table


def without_first_rows(table: Table, num_rows: int) -> Table:
    """The table without the first rows of each group; raises `UserError` for a group that has no others."""
    sizes = np.bincount(table.group, minlength=len(table.groups))
    short = np.flatnonzero(sizes <= num_rows)
    if short.size:
        what = f"group {table.groups[short[0]]!r}" if len(table.groups) > 1 else "the file"
        raise UserError(
            f"{table.where}: {what} holds {sizes[short[0]]} rows, and drop_first is {num_rows}: nothing is left;"
            " allowed: fewer than it holds"
        )
    first = np.searchsorted(table.group, table.group)  # of each row's group, whose rows lie together
    return table.taken(np.arange(len(table.group)) - first >= num_rows)


def _groups(path: Path, cells: "pd.DataFrame", column: str | None) -> tuple[Array, list[str]]:
    if column is None:
        return np.zeros(len(cells), dtype=np.int64), [path.name]
    where = f"{path}, column {column!r}"
    refuse_missing(where, cells[column])
    place: dict[str, int] = {}
    group = [place.setdefault(str(cell), len(place)) for cell in cells[column]]
    return np.array(group, dtype=np.int64), list(place)


def _features(path: Path, cells: "pd.DataFrame", column: str, parameters: Parameters) -> dict[str, Array]:
    """The features that an input column becomes, by name."""
    where = f"{path}, column {column!r}"
    if column not in parameters.categories:
        otherwise = f"; text is an input where its values are listed under 'categories.{column}'"
        return {column: numbers(where, cells[column], parameters.decimal, otherwise)}
    index, values = indices(where, cells[column], parameters.categories[column])
    return {
        f"{column}={value}": np.where(np.isnan(index), np.nan, index == place) for place, value in enumerate(values)
    }


def _targets(path: Path, cells: "pd.DataFrame", parameters: Parameters) -> tuple[Array, list[str] | None]:
    where = {column: f"{path}, column {column!r}" for column in parameters.targets}
    if not parameters.asks_labels:
        otherwise = "; text is asked for with answer 'label' or 'labels'"
        found = [numbers(where[c], cells[c], parameters.decimal, otherwise) for c in parameters.targets]
        return np.stack(found, axis=1), None
    (column,) = parameters.targets
    index, classes = indices(where[column], cells[column], parameters.classes)
    if len(classes) < 2:
        raise UserError(f"{where[column]}: holds {classes or 'nothing'} alone; allowed: 2 classes and more")
    return index[:, None], classes


def _check_gaps(table: Table, column: str, cells: "pd.Series[Any]") -> None:
    """Rows are steps: a window over a gap would show as neighbours what were days apart."""
    within = np.diff(table.group) == 0
    apart = np.diff(table.clock)
    if not within.any():
        return
    usual = float(np.median(apart[within]))
    gaps = np.flatnonzero(within & (apart >= GAP * usual))
    if gaps.size:
        place = int(gaps[0]) + 1
        row, before = int(table.rows[place]), int(table.rows[place - 1])
        longer = apart[gaps[0]] / usual
        raise UserError(
            f"{table.where}, column {column!r}, row {row}{table.group_name(place)}: a gap: {cells.iloc[row - 1]}"
            f" follows {cells.iloc[before - 1]} of row {before}, {longer:.4g} times as long as usual ({gaps.size} such"
            " rows); allowed: rows equally far apart; add those that are missing, make the parts between gaps groups,"
            " or say gaps: allow"
        )


def _check_order(table: Table, column: str, cells: "pd.Series[Any]") -> None:
    """Within a group time must grow: sorting would hide that a file is not what was thought."""
    wrong = (np.diff(table.group) == 0) & (np.diff(table.clock) <= 0)
    if not wrong.any():
        return
    place = int(np.argmax(wrong)) + 1
    row, before = int(table.rows[place]), int(table.rows[place - 1])
    now, then = str(cells.iloc[row - 1]), str(cells.iloc[before - 1])
    if table.clock[place] == table.clock[place - 1]:
        what, mend = f"duplicate time: {now} stands in row {before} too", "keep one row for each time"
    else:
        what, mend = f"unsorted: {now} follows {then} of row {before}", "sort the file by it"
    if len(table.groups) == 1:
        mend += ", or declare the column 'group' if the rows are of several series"
    raise UserError(
        f"{table.where}, column {column!r}, row {row}{table.group_name(place)}: {what} ({wrong.sum()} such rows);"
        f" allowed: times that grow from row to row; {mend}"
    )
