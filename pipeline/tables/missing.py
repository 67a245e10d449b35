"""What becomes of empty cells, by the declared rule."""

from dataclasses import replace
from typing import get_args

import numpy as np

from pipeline.dataset import Array
from pipeline.errors import UserError
from pipeline.tables.parameters import MissingRule, Parameters
from pipeline.tables.scaling import mean
from pipeline.tables.table import Table


def without_missing_rows(table: Table, parameters: Parameters) -> Table:
    """The table that rows are dealt out of: with rule `drop_rows` without those that have an empty cell.

    Raises `UserError` for an empty cell where the rule is `error`, and where no row is left.
    """
    empty = np.isnan(np.concatenate([table.inputs, table.targets], axis=1))
    rows = np.asarray(empty.any(axis=1))
    if parameters.missing == "error" and rows.any():
        row = int(table.rows[rows].min())
        (place,) = np.flatnonzero(table.rows == row)
        column = [*table.columns, *parameters.targets][int(np.argmax(empty[place]))]
        rules = ", ".join(rule for rule in get_args(MissingRule) if rule != "error")
        raise UserError(
            f"{table.where}, column {column!r}, row {row}: is empty ({rows.sum()} rows have such a cell);"
            f" allowed: a value in each row, or another rule under 'missing': {rules}"
        )
    if parameters.missing != "drop_rows":
        return table
    if rows.all():
        raise UserError(f"{table.where}: every row has an empty cell, and missing is 'drop_rows': nothing is left")
    return table.taken(~rows)


def filled(table: Table, training: Array, parameters: Parameters) -> Table:
    """The table with its inputs filled where the rule says so; what is to be answered is never made up.

    training: which rows are of the training split [R]; means are theirs alone.
    """
    if parameters.missing == "forward_fill":
        return replace(table, inputs=_filled_forward(table))
    if parameters.missing == "mean":
        return replace(table, inputs=_filled_with_means(table, training))
    return table


def _filled_forward(table: Table) -> Array:
    places = np.arange(len(table.rows))
    first = np.searchsorted(table.group, table.group)  # of each row's group, whose rows lie together
    inputs = table.inputs.copy()
    for feature, column in enumerate(table.columns):
        known = ~np.isnan(inputs[:, feature])
        source = np.maximum.accumulate(np.where(known, places, -1))
        lacking = source < first
        if lacking.any():
            place = int(np.argmax(lacking))
            raise UserError(
                f"{table.where}, column {column!r}, row {table.rows[place]}{table.group_name(place)}: is empty, and no"
                " row before it has a value that 'forward_fill' could take; allowed: a value in the first row of each"
                " group, or another rule under 'missing'"
            )
        inputs[:, feature] = inputs[source, feature]
    return inputs


def _filled_with_means(table: Table, training: Array) -> Array:
    inputs = table.inputs.copy()
    for feature, column in enumerate(table.columns):
        empty = np.isnan(inputs[:, feature])
        known = inputs[training & ~empty, feature]
        if empty.any() and not known.size:
            raise UserError(f"{table.where}, column {column!r}: no training row has a value that 'mean' could be of")
        if empty.any():
            inputs[empty, feature] = mean(known)
    return inputs
