"""Rows that a user gives to `predict` are the steps that the same rows of a table became."""

from pathlib import Path

import numpy as np
import pytest
from exported import write_echo_export
from tables import FORECAST, SERIES, read_frame, refused

from pipeline.dataset import Dataset, save_dataset
from pipeline.predict import predict
from pipeline.tables.given import read_steps

FEATURES = ["row", "even=yes", "even=no"]


def test_columns_are_found_by_their_names(tmp_path: Path) -> None:
    block = FORECAST | {"inputs": ["even", "row"], "categories": {"even": ["yes", "no"]}, "window": {"steps": 4}}
    splits, description = read_frame(tmp_path, SERIES, block)
    for columns in (["square", "row", "even"], ["even", "row"]):
        SERIES.iloc[-4:][columns].to_csv(tmp_path / "given.csv", index=False)
        found = read_steps(tmp_path / "given.csv", description.features or [])
        np.testing.assert_array_equal(found, splits["test"]["x"][-1])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ["cannot be read as CSV", "a header and rows"]),
        ("row,even\n", ["has columns and no row"]),
        ("rwo,even\n1,yes\n", ["no column for the feature 'row'; did you mean 'rwo'?"]),
        ("row,odd\n1,yes\n", ["no column for the feature 'even=yes'"]),
        ("row,even,row\n1,yes,1\n", ["2 columns for the feature 'row'"]),
        ("row,even\n1,yes\n2\n", ["given.csv:3: holds 1 cells; allowed: 2"]),
        ("row,even\n1,yes\n\n2,no\n", ["given.csv:3: holds 0 cells"]),
        ("row,even\n1,yes\n,no\n", ["given.csv:3, column 'row': holds ''; allowed: numbers"]),
        ("row,even\n1,perhaps\n", ["given.csv:2, column 'even': holds 'perhaps'; allowed: no, yes"]),
    ],
)
def test_rows_that_cannot_be_meant_are_refused(tmp_path: Path, text: str, words: list[str]) -> None:
    path = tmp_path / "given.csv"
    path.write_text(text)
    with refused(*words):
        read_steps(path, FEATURES)


def test_predict_answers_the_rows_of_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    splits, description = read_frame(tmp_path, SERIES, FORECAST, scaling="none")
    save_dataset(tmp_path / "data/own", splits, description, source="table", seed=0, parameters={})
    write_echo_export(tmp_path / "models/echo/export", "echo", Dataset(tmp_path / "data/own"), first=1)
    (tmp_path / "given.csv").write_text("square,row\n9,3\n16,4\n\n")
    assert list(predict("echo", "given.csv", None, as_json=False)) == ["given.csv: 4"]
