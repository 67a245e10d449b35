"""From rows to examples: windows of some rows or whole groups, and what is asked of each.

Shape legend: R rows, N examples, T time steps, F features, K targets, S steps that are answered.
"""

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from pipeline.dataset import SPLITS, Array, Arrays
from pipeline.errors import UserError
from pipeline.tables.parameters import Parameters
from pipeline.tables.table import Table


@dataclass(frozen=True)
class Places:
    """Where in the table examples stand: first row and number of rows of each [N]."""

    first: Array
    length: Array

    def taken(self, kept: Array) -> "Places":
        """Those of them that a mask chooses."""
        return Places(self.first[kept], self.length[kept])


@dataclass(frozen=True)
class Examples:
    """The arrays of each split, and how many examples were left out because something of them is missing."""

    splits: dict[str, Arrays]
    left_out: int


def check_groups(table: Table, parameters: Parameters) -> None:
    """Raise `UserError` for a group that is too short."""
    sizes = np.bincount(table.group, minlength=len(table.groups))
    short = np.flatnonzero(sizes < parameters.least_rows)
    if short.size:
        what = f"group {table.groups[short[0]]!r}" if parameters.group else "the file"
        asked = f"{parameters.least_rows - parameters.reach} of an example and {parameters.reach} after it"
        raise UserError(
            f"{table.where}: {what} is too short: {sizes[short[0]]} rows ({len(short)} of {len(sizes)} groups are);"
            f" allowed: {parameters.least_rows} rows and more ({asked})"
        )


def with_one_answer(table: Table, parameters: Parameters) -> Table:
    """The table with the one answer of each group in all its rows, where an example is a group and has but one answer.

    It is the first that a row has, and missing where none has one. Raises `UserError` for a group with two answers.
    """
    if parameters.window or parameters.asks_each_step or parameters.reach:
        return table
    targets = table.targets.copy()
    for place, target in enumerate(parameters.targets):
        known = np.flatnonzero(~np.isnan(targets[:, place]))
        groups, first = np.unique(table.group[known], return_index=True)
        answer_row = np.full(len(table.groups), -1)
        answer_row[groups] = known[first]
        answers = np.where(answer_row < 0, np.nan, table.targets[answer_row, place])[table.group]
        differs = np.flatnonzero(~np.isnan(targets[:, place]) & (targets[:, place] != answers))
        if differs.size:
            row = int(differs[0])
            then, now = (_shown(table, answer) for answer in (answers[row], targets[row, place]))
            raise UserError(
                f"{table.where}, column {target!r}, row {table.rows[row]}: {now} after {then},"
                f" both{table.group_name(row)}; allowed: one answer for all rows of a group, or answer"
                f" '{parameters.answer}s', or 'window'"
            )
        targets[:, place] = answers
    return replace(table, targets=targets)


def cut(table: Table, split: Array, parameters: Parameters) -> Examples:
    """All examples; each has its rows, those of its answers among them, in one group and one split.

    split: of each row [R]. Raises `UserError` for a split without an example and for a class that training lacks.
    """
    incomplete = np.concatenate([[0], np.cumsum(np.isnan(table.inputs).any(axis=1))])
    places, left_out = {}, 0
    for index, name in enumerate(SPLITS):
        found = _places(table, split == index, parameters)
        rows = _answer_rows(found, parameters)
        whole = incomplete[found.first + found.length] == incomplete[found.first]
        whole &= ~np.isnan(table.targets[rows]).any(axis=(1, 2))
        places[name] = found.taken(whole)
        left_out += int((~whole).sum())
        if not whole.any():
            _refuse_empty(table, name, int((split == index).sum()), len(whole), parameters)
    num_steps = max(int(found.length.max()) for found in places.values())
    if table.classes:
        _check_classes(table, split, places["train"], parameters)
    return Examples({name: _arrays(table, places[name], num_steps, parameters) for name in SPLITS}, left_out)


def _places(table: Table, chosen: Array, parameters: Parameters) -> Places:
    """The examples among the `chosen` rows [R], segment by segment: rows of one group, one after another."""
    numbered = np.where(chosen, table.group, -1)
    edges = np.flatnonzero(np.diff(numbered, prepend=-2, append=-2))
    first: list[Array] = [np.zeros(0, dtype=np.int64)]
    length: list[Array] = [np.zeros(0, dtype=np.int64)]
    for begin, end in pairwise(edges):
        if numbered[begin] < 0 or end - begin < parameters.least_rows:
            continue
        stride = parameters.window.stride if parameters.window else end - begin
        steps = parameters.window.steps if parameters.window else end - begin - parameters.reach
        first.append(np.arange(begin, end - steps - parameters.reach + 1, stride))
        length.append(np.full(len(first[-1]), steps))
    return Places(np.concatenate(first), np.concatenate(length))


def _step_rows(places: Places, num_steps: int) -> Array:
    """The row of each step [N, T]; beyond the end of an example that of its last step."""
    steps = np.minimum(np.arange(num_steps), places.length[:, None] - 1)
    return places.first[:, None] + steps


def _answer_rows(places: Places, parameters: Parameters) -> Array:
    """The row of each answer [N, S]; beyond the end of an example that of its last one."""
    last = places.first + places.length - 1
    if parameters.future:
        return last[:, None] + 1 + np.arange(parameters.future)
    if not parameters.asks_each_step:
        return last[:, None] + parameters.horizon
    return _step_rows(places, int(places.length.max(initial=1))) + parameters.horizon


def _arrays(table: Table, places: Places, num_steps: int, parameters: Parameters) -> Arrays:
    """x [N, T, F], y, and of whole groups `length` [N]; all is 0 beyond the end of an example."""
    x = table.inputs.astype(np.float32)[_step_rows(places, num_steps)]
    beyond = np.arange(num_steps) >= places.length[:, None]
    x[beyond] = 0
    kind = np.min_scalar_type(len(table.classes) - 1) if table.classes else np.float32
    y = table.targets[_answer_rows(places, parameters)]
    if parameters.asks_each_step and not parameters.future:
        y = np.pad(y, ((0, 0), (0, num_steps - y.shape[1]), (0, 0)))
        y[beyond] = 0
    if table.classes:
        y = y[..., 0]
    if not parameters.asks_each_step:
        y = y.reshape(len(y), -1) if not table.classes else y[:, 0]
    arrays = {"x": x, "y": y.astype(kind)}
    return arrays if parameters.window else arrays | {"length": places.length.astype(np.int32)}


def _refuse_empty(table: Table, name: str, num_rows: int, num_incomplete: int, parameters: Parameters) -> None:
    if num_incomplete:
        why = f"all its {num_incomplete} sequences have an empty cell, and missing is {parameters.missing!r}"
        raise UserError(f"{table.where}: {name} gets nothing: {why}; allowed: 1 and more")
    why = f"none of its {num_rows} rows has {parameters.least_rows} in a row of one group"
    raise UserError(
        f"{table.where}: {name} gets nothing: {why}; allowed: 1 sequence and more; change the shares, or take a shorter"
        " 'window' or fewer answers after it"
    )


def _check_classes(table: Table, split: Array, training: Places, parameters: Parameters) -> None:
    known = set(np.unique(table.targets[_answer_rows(training, parameters)]).astype(int))
    for index, name in enumerate(table.classes or []):
        if index in known:
            continue
        places = np.flatnonzero(table.targets[:, 0] == index)
        mend = "another 'seed' or other shares deal it to train; or take its rows out of the file"
        where = f"{table.where}, column {parameters.targets[0]!r}: class {name!r}"
        if not places.size:
            raise UserError(f"{where} stands in no row; allowed: classes that occur; take it out of 'classes'")
        first = places[np.argmin(table.rows[places])]
        raise UserError(
            f"{where} is the answer of no training sequence; it stands in {len(places)} rows, first in row"
            f" {table.rows[first]} ({SPLITS[split[first]]}); allowed: classes that train has; {mend}"
        )


def _shown(table: Table, target: float) -> str:
    return repr(table.classes[int(target)]) if table.classes else f"{target:g}"
