"""Tables small enough to count by hand, and what is declared of them."""

import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from pipeline.errors import UserError
from pipeline.formats.table import Parameters, read

# Twenty rows of one series: the row's number, its square, and whether it is even.
SERIES = pd.DataFrame({"row": range(20), "square": [row**2 for row in range(20)], "even": ["yes", "no"] * 10})
# By time: rows 0 to 11 are for training, 12 to 15 for validation, 16 to 19 for test.
FORECAST: dict[str, Any] = {
    "inputs": ["row"],
    "targets": ["square"],
    "answer": "value",
    "window": {"steps": 2},
    "split": "time",
    "validation_share": 0.2,
    "test_share": 0.2,
}
# Six groups of 2, 3, ... 7 rows.
SIZES = dict(zip("abcdef", range(2, 8), strict=True))
GROUPED = pd.DataFrame(
    [
        {"name": name, "time": 100 * place + step, "x": 10 * place + step, "kind": "even" if size % 2 == 0 else "odd"}
        for place, (name, size) in enumerate(SIZES.items())
        for step in range(size)
    ]
)
WHOLE: dict[str, Any] = {
    "inputs": ["x"],
    "targets": ["kind"],
    "answer": "label",
    "group": "name",
    "split": "group",
    "validation_share": 0.2,
    "test_share": 0.2,
}


def write(folder: Path, frame: pd.DataFrame, form: str = "csv") -> Path:
    path = folder / f"own.{form}"
    if form == "parquet":
        frame.to_parquet(path)
    else:
        frame.to_csv(path, index=False)
    return path


def read_frame(folder: Path, frame: pd.DataFrame, block: dict[str, Any], **changed: Any) -> Any:
    return read(write(folder, frame), Parameters.model_validate(block | changed))


def refused(*words: str) -> Any:
    """Expect a UserError whose message holds all the words."""
    return pytest.raises(UserError, match="(?s)" + "".join(f"(?=.*{re.escape(word)})" for word in words))
