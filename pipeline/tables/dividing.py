"""Which split a row belongs to. No row is ever in two."""

import numpy as np

from pipeline.dataset import SPLITS, Array
from pipeline.errors import UserError
from pipeline.tables.parameters import Parameters
from pipeline.tables.table import Table

TRAIN, VALIDATION, TEST = range(len(SPLITS))


def split_of_rows(table: Table, parameters: Parameters) -> Array:
    """The index of each row's split in `SPLITS` [R]; within a group it never falls.

    By time: one moment for all groups begins validation and one test, so that no training row is younger than they;
    whole groups (no window) go by their first rows. By group: groups are shuffled with `seed`; test takes the first of
    them and validation the last, so that neither share moves the other.
    Raises `UserError` where a share comes to nothing.
    """
    if parameters.split == "time" and parameters.window:
        order = np.sort(table.clock)
        num_validation, num_test = _sizes(table, "rows", len(order), parameters)
        test_begins = order[-num_test]
        validation_begins = order[-num_test - num_validation]
        return np.where(table.clock >= test_begins, TEST, np.where(table.clock >= validation_begins, VALIDATION, TRAIN))
    num_groups = len(table.groups)
    num_validation, num_test = _sizes(table, "groups", num_groups, parameters)
    split = np.full(num_groups, TRAIN)
    if parameters.split == "time":
        first_rows = np.searchsorted(table.group, np.arange(num_groups))
        order = np.argsort(table.clock[first_rows], kind="stable")
        split[order[-num_test - num_validation :]] = VALIDATION
        split[order[-num_test:]] = TEST
    else:
        order = np.random.default_rng(parameters.seed).permutation(num_groups)
        split[order[-num_validation:]] = VALIDATION
        split[order[:num_test]] = TEST
    return split[table.group]


def _sizes(table: Table, what: str, num: int, parameters: Parameters) -> tuple[int, int]:
    validation, test = parameters.validation_share, parameters.test_share
    num_validation, num_test = int(num * validation), int(num * test)
    if not num_validation or not num_test:
        raise UserError(
            f"{table.where}: holds {num} {what}; validation_share {validation} and test_share {test} take"
            f" {num_validation} and {num_test} of them; allowed: 1 and more each"
        )
    return num_validation, num_test
