"""A table, CSV or Parquet, whose declared columns become sequences: windows of some rows, or whole groups of rows.

`pipeline/tables/` has a file for each step: reading, cells, table, missing, dividing, precision,
examples, scaling.

Shape legend: N examples, T time steps, F features, K values, S steps that are answered.
"""

from pathlib import Path

from pipeline.dataset import Arrays, Description
from pipeline.forecasts import with_references
from pipeline.tables.dividing import TRAIN, split_of_rows
from pipeline.tables.examples import check_groups, cut, with_one_answer
from pipeline.tables.missing import filled, without_missing_rows
from pipeline.tables.parameters import Parameters
from pipeline.tables.precision import check_precision
from pipeline.tables.reading import read_cells
from pipeline.tables.scaling import scaling_of
from pipeline.tables.table import Table, make_table, without_first_rows

__all__ = ["Parameters", "read"]


def read(path: Path, parameters: Parameters) -> tuple[dict[str, Arrays], Description]:
    """Read `path`, one CSV or Parquet file: `x` [N, T, F] float32 in the units of the file, 0 beyond the end.

    `y`: unsigned labels [N] or [N, S], or float32 values [N, K] or [N, S, K]. `length` [N] int32 where each group is an
    example. The same cells give the same bytes, from CSV or from Parquet. What cannot be meant is a `UserError`.
    """
    cells = read_cells(path, parameters.columns(), parameters.separator)
    table = without_first_rows(make_table(path, cells, parameters), parameters.drop_first)
    table = without_missing_rows(table, parameters)
    check_groups(table, parameters)
    table = with_one_answer(table, parameters)
    split = split_of_rows(table, parameters)
    training = split == TRAIN
    check_precision(table, training, parameters)
    complete = filled(table, training, parameters)
    examples = cut(complete, split, parameters)
    outputs, values_each = _outputs(parameters)
    description = Description(
        text=_text(path, table, examples.left_out, parameters),
        layout="sequences",
        classes=table.classes,
        features=table.features,
        outputs=None if parameters.asks_labels else outputs,
        output_steps=parameters.future if parameters.asks_each_step else None,
        season=parameters.season,
        later_steps_answer=parameters.asks_each_step
        and not parameters.future
        and bool(set(parameters.inputs) & set(parameters.targets)),
        padded=parameters.window is None,
        scaling=scaling_of(complete, training, values_each) if parameters.scaling == "standard" else None,
        disjoint=False,  # collected data may hold the same sequence twice
    )
    return examples.splits, with_references(examples.splits, description)


def _outputs(parameters: Parameters) -> tuple[list[str], int]:
    """The names of the values of one answer, and how many of them each target has."""
    if parameters.answer == "value" and parameters.future:
        ahead = range(1, parameters.future + 1)
        return [f"{target}+{step}" for step in ahead for target in parameters.targets], parameters.future
    return parameters.targets, 1


def _text(path: Path, table: Table, left_out: int, parameters: Parameters) -> str:
    what = f"Windows of {parameters.window.steps} rows" if parameters.window else "Groups of rows"
    of = f" of {len(table.groups)} groups" if parameters.group and parameters.window else ""
    without = f"; {left_out} left out for missing values" if left_out else ""
    return f"{what}{of} from {path.name}{without}"
