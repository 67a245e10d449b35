"""A table that cannot be meant is refused in plain words, with its column and row."""

import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from pydantic import ValidationError
from tables import FORECAST, GROUPED, SERIES, WHOLE, refused, write

from pipeline.formats.table import Parameters, read
from pipeline.stages.ingest import ingest


def with_cell(column: str, row: int, value: Any) -> pd.DataFrame:
    frame = SERIES.astype(object)
    frame.loc[row - 1, column] = value
    return frame


TIMED = FORECAST | {"time": "row", "inputs": ["square"], "horizon": 1}
BAD_TABLES: dict[str, tuple[pd.DataFrame, dict[str, Any], list[str]]] = {
    "missing column": (SERIES, FORECAST | {"inputs": ["rwo"]}, ["no column 'rwo'; did you mean 'row'?", "square"]),
    "mixed types": (
        with_cell("row", 7, "seven"),
        FORECAST,
        ["column 'row', row 7: mixed types: 'seven' among numbers (1 of 20 cells", "allowed: numbers, or an empty"],
    ),
    "text as input": (
        SERIES,
        FORECAST | {"inputs": ["even"]},
        ["column 'even', row 1: holds 'yes'; allowed: numbers", "'categories.even'"],
    ),
    "text as value": (SERIES, FORECAST | {"targets": ["even"]}, ["column 'even', row 1", "answer 'label'"]),
    "infinity": (
        with_cell("square", 9, float("inf")),
        FORECAST,
        ["column 'square', row 9: holds inf (1 such cells)", "allowed: finite numbers up to 3.4e+38"],
    ),
    "too large": (with_cell("row", 9, -1e39), FORECAST, ["column 'row', row 9: holds -1e+39"]),
    "empty cell": (
        with_cell("row", 5, None),
        FORECAST,
        ["column 'row', row 5: is empty (1 rows", "drop_rows, drop_sequences, forward_fill, mean"],
    ),
    "duplicate time": (
        with_cell("row", 5, 3),
        TIMED,
        ["column 'row', row 5: duplicate time: 3 stands in row 4 too (1 such", "keep one row", "column 'group'"],
    ),
    "unsorted time": (
        with_cell("row", 5, 1),
        TIMED,
        ["column 'row', row 5: unsorted: 1 follows 3 of row 4", "sort the file"],
    ),
    "no time": (with_cell("row", 5, None), TIMED, ["column 'row', row 5: is empty", "a value in each row"]),
    "no date": (with_cell("row", 5, "soon"), TIMED, ["column 'row', row 5: mixed types: 'soon' among numbers"]),
    "number among dates": (
        SERIES.assign(row=["2024-01-01", "7", *["2024-01-02"] * 18]),
        TIMED,
        ["row 2: mixed types: '7' among dates"],
    ),
    "gap": (
        SERIES.assign(row=[*range(8), *range(10, 22)]),
        TIMED,
        ["column 'row', row 9: a gap: 10 follows 7 of row 8, 3 times as long as usual (1 such", "gaps: allow"],
    ),
    "gap in days": (
        SERIES.assign(row=[f"2024-01-{day:02}" for day in range(1, 20)] + ["2024-01-22"]),
        TIMED,
        ["column 'row', row 20: a gap: 2024-01-22 follows 2024-01-19 of row 19, 3 times"],
    ),
    "gap in a group": (
        GROUPED.assign(time=GROUPED["time"].where(GROUPED["x"] != 12, 150)),
        WHOLE | {"time": "time"},
        ["column 'time', row 5 of group 'b': a gap: 150 follows 101 of row 4, 49 times"],
    ),
    "nothing after the first rows": (
        SERIES,
        FORECAST | {"drop_first": 20},
        ["the file holds 20 rows", "drop_first is 20"],
    ),
    "group of first rows": (GROUPED, WHOLE | {"drop_first": 2}, ["group 'a' holds 2 rows, and drop_first is 2"]),
    "too short without the first rows": (SERIES, FORECAST | {"drop_first": 19}, ["the file is too short: 1 rows"]),
    "endless time": (with_cell("row", 20, "inf"), TIMED, ["column 'row', row 20: holds inf"]),
    "no group": (
        GROUPED.assign(name=GROUPED["name"].where(GROUPED["x"] != 11)),
        WHOLE,
        ["column 'name', row 4: is empty", "a value in each row"],
    ),
    "unsorted in a group": (
        GROUPED.assign(time=GROUPED["time"].where(GROUPED["x"] != 12, 0)),
        WHOLE | {"time": "time"},
        ["column 'time', row 5 of group 'b': unsorted: 0 follows 101 of row 4"],
    ),
    "short group": (
        GROUPED,
        WHOLE | {"window": {"steps": 4}},
        ["group 'a' is too short: 2 rows (2 of 6 groups are)", "allowed: 4 rows and more (4 of an example and 0"],
    ),
    "short file": (
        SERIES,
        FORECAST | {"window": {"steps": 19}, "horizon": 2},
        ["the file is too short: 20 rows", "21 rows and more"],
    ),
    "short split": (
        SERIES,
        FORECAST | {"window": {"steps": 5}},
        ["validation gets nothing: none of its 4 rows has 5 in a row of one group", "change the shares"],
    ),
    "split without rows": (
        SERIES,
        FORECAST | {"test_share": 0.01},
        ["holds 20 rows; validation_share 0.2 and test_share 0.01 take 4 and 0 of them", "1 and more each"],
    ),
    "split without groups": (GROUPED, WHOLE | {"test_share": 0.1}, ["holds 6 groups", "take 1 and 0 of them"]),
    "split without whole sequences": (
        SERIES.assign(square=SERIES["square"].where(SERIES["row"] < 16)),
        FORECAST | {"missing": "mean"},
        ["test gets nothing: all its 3 sequences have an empty cell, and missing is 'mean'"],
    ),
    "nothing left": (
        SERIES.assign(square=None),
        FORECAST | {"missing": "drop_rows"},
        ["every row has an empty cell", "nothing is left"],
    ),
    "no mean": (
        SERIES.assign(row=SERIES["row"].where(SERIES["row"] > 12)),
        FORECAST | {"missing": "mean"},
        ["column 'row': no training row has a value that 'mean' could be of"],
    ),
    "class in test alone": (
        with_cell("even", 20, "odd"),
        FORECAST | {"targets": ["even"], "answer": "label"},
        ["column 'even': class 'odd' is the answer of no training sequence", "first in row 20 (test)", "shares"],
    ),
    "class nowhere": (
        SERIES,
        FORECAST | {"targets": ["even"], "answer": "label", "classes": ["yes", "no", "perhaps"]},
        ["class 'perhaps' stands in no row", "take it out of 'classes'"],
    ),
    "class not declared": (
        SERIES,
        FORECAST | {"targets": ["even"], "answer": "label", "classes": ["yes", "nay"]},
        ["column 'even', row 2: holds 'no'", "allowed", "nay, yes"],
    ),
    "one class": (
        SERIES.assign(even="yes"),
        FORECAST | {"targets": ["even"], "answer": "label"},
        ["holds ['yes'] alone", "2 classes and more"],
    ),
    "measured labels": (
        with_cell("square", 4, 0.5),
        FORECAST | {"targets": ["square"], "answer": "label"},
        ["column 'square', row 4: holds 0.5, a measured number", "answer 'value'"],
    ),
    "mixed labels": (
        with_cell("even", 4, 3),
        FORECAST | {"targets": ["even"], "answer": "label"},
        ["column 'even', row 4: mixed types: '3' among names", "'classes'"],
    ),
    "labels that only seem to be declared": (
        SERIES.assign(even=[1, 2] * 10),
        FORECAST | {"targets": ["even"], "answer": "label", "classes": ["01", "02"]},
        ["column 'even', row 1: holds '1'; did you mean '01'?"],
    ),
    "two features of one name": (
        SERIES.assign(**{"even=no": 1}),
        FORECAST | {"inputs": ["even", "even=no"], "categories": {"even": ["yes", "no"]}},
        ["two features are called 'even=no': of column 'even=no' and of 'even'", "rename a column"],
    ),
    "steps too fine for float32": (
        SERIES.assign(row=1_234_567_890 + SERIES["row"] % 5),
        FORECAST,
        [
            "column 'row', row 1: holds 1234567890, which float32 stores as 1234567936; the column's spread in train",
            "is 1.42; allowed: errors of at most 0.5% of it; subtract what all its values have in common",
        ],
    ),
    "answers too fine for float32": (
        SERIES.assign(square=20_000_000 + SERIES["square"] / 100),
        FORECAST,
        ["column 'square', row 11: holds 20000001, which float32 stores as 20000000; the column's spread in train is"],
    ),
    "group with two labels around none": (
        GROUPED.assign(kind=GROUPED["kind"].where(GROUPED["x"] != 11, None).where(GROUPED["x"] != 12, "even")),
        WHOLE | {"missing": "drop_sequences"},
        ["column 'kind', row 5: 'even' after 'odd', both of group 'b'"],
    ),
    "group with two labels": (
        GROUPED.assign(kind=GROUPED["kind"].where(GROUPED["x"] != 12, "even")),
        WHOLE,
        ["column 'kind', row 5: 'even' after 'odd', both of group 'b'", "answer 'labels', or 'window'"],
    ),
}


@pytest.mark.parametrize("form", ["csv", "parquet"])
@pytest.mark.parametrize("case", BAD_TABLES)
def test_a_table_that_cannot_be_meant_is_refused(tmp_path: Path, case: str, form: str) -> None:
    frame, block, words = BAD_TABLES[case]
    if form == "parquet":  # which holds one type a column
        mixed = [column for column in frame if frame[column].dtype == object and len({*map(type, frame[column])}) > 1]
        frame = frame.astype(dict.fromkeys(mixed, "string")).convert_dtypes()
    path = write(tmp_path, frame, form)
    with refused(f"{path}", *words):
        read(path, Parameters.model_validate(block))


BAD_FILES = {
    "empty.csv": (b"", ["is empty", "a header and rows"]),
    "blank.csv": (b"\n\n", ["cannot be read as CSV"]),
    "header.csv": (b"row,square\n", ["has columns and no row"]),
    "twice.csv": (b"row,row,square\n1,2,3\n", ["has 2 columns 'row'", "each name once"]),
    "wide.csv": (b"row,square\n1,2,3\n4,5,6\n", ["cannot be read as CSV", "Length of header"]),
    "ragged.csv": (b"row,square\n1,2\n4,5,6\n", ["cannot be read as CSV", "line 3, saw 3"]),
    "latin.csv": ("row,square,größe\n".encode("latin-1"), ["cannot be read as CSV in UTF-8"]),
    "packed.csv.gz": (b"row,square\n1,2\n", ["packed.csv.gz"]),
    "empty.parquet": (b"", ["is empty"]),
    "text.parquet": (b"row,square\n1,2\n", ["cannot be read as Parquet"]),
    "own.xlsx": (b"PK", ["neither CSV nor Parquet", "allowed: one file .csv, .csv.gz, .parquet"]),
    "own.pkl": (b"\x80", ["neither CSV nor Parquet"]),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_a_file_that_is_no_table_is_refused(tmp_path: Path, name: str) -> None:
    content, words = BAD_FILES[name]
    path = tmp_path / name
    path.write_bytes(content)
    with refused(*words):
        ingest("own", path, "table", Parameters.model_validate(FORECAST), tmp_path / "data/own")
    with refused("is a folder", ".parquet"):
        read(tmp_path, Parameters.model_validate(FORECAST))


BAD_PARAMETERS: dict[str, tuple[dict[str, Any], str]] = {
    "unknown": ({"windows": 3}, "windows"),
    "twice": ({"inputs": ["row", "row"]}, "inputs: row listed twice"),
    "no input": ({"categories": {"evne": ["yes"]}}, "'evne' is no input; allowed: row"),
    "two labels": ({"answer": "label", "targets": ["even", "square"]}, "allowed: one target"),
    "classes of values": ({"classes": ["a", "b"]}, "'classes' is allowed only with 'label'"),
    "shown": ({"targets": ["row"]}, "target 'row' is among the inputs, and answered from the same row"),
    "both": ({"horizon": 1, "future": 1}, "one of the two"),
    "label of the future": ({"answer": "label", "future": 2}, "allowed: 'labels', or 'horizon'"),
    "format of no time": ({"time_format": "%d"}, "declare the column 'time'"),
    "comma twice": ({"decimal": ","}, "separator and decimal are both ','"),
    "neither window nor group": ({"window": None}, "declare 'window' or the column 'group'"),
    "split by no group": ({"split": "group"}, "split is 'group'; declare the column 'group'"),
    "no common clock": ({"group": "even"}, "groups share none without the column 'time'"),
    "shares": ({"validation_share": 0.5, "test_share": 0.5}, "leave nothing to train on"),
    "season of no forecast": ({"season": 2}, "season belongs to forecasts; allowed: with 'window', 'future'"),
    "season of other columns": (
        {"season": 2, "future": 2, "answer": "values"},
        "season belongs to forecasts; allowed: with 'window', 'future', answer 'values', and targets that are inputs",
    ),
    "season longer than a window": (
        {"season": 3, "future": 2, "answer": "values", "targets": ["row"]},
        "season is 3, and a window has 2 steps; allowed: no more than these",
    ),
    "steps": ({"window": {"steps": 0}}, "greater than or equal to 1"),
}


@pytest.mark.parametrize("case", BAD_PARAMETERS)
def test_parameters_that_contradict_each_other_are_refused(case: str) -> None:
    changed, words = BAD_PARAMETERS[case]
    with pytest.raises(ValidationError, match=re.escape(words)):
        Parameters.model_validate(FORECAST | changed)
