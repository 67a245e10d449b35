"""A CSV or Parquet file as columns of cells. Nothing is ever unpickled; pandas is imported when a file is read."""

import warnings
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.errors import UserError, choices

if TYPE_CHECKING:
    import pandas as pd

CSV, PARQUET = (".csv", ".csv.gz"), (".parquet",)
# Cells that say that there is no value. Stated here because the list of pandas has "None", which may be a class.
MISSING = ("", "NA", "N/A", "#N/A", "NaN", "nan", "null", "NULL")


def read_cells(path: Path, columns: list[str], separator: str) -> "pd.DataFrame":
    """The declared `columns` of a file, in its order of rows: text, or the types of the Parquet file; NaN is missing.

    Raises `UserError` for another kind of file, one that cannot be read or is empty, and columns that it lacks.
    """
    name = path.name.lower()
    if path.is_dir() or not name.endswith((*CSV, *PARQUET)):
        found = "is a folder" if path.is_dir() else "is neither CSV nor Parquet by its name"
        raise UserError(f"{path}: {found}; allowed: one file {', '.join((*CSV, *PARQUET))}")
    if not path.stat().st_size:
        raise UserError(f"{path}: is empty; allowed: a table with a header and rows")
    cells = _read_csv(path, columns, separator) if name.endswith(CSV) else _read_parquet(path, columns)
    if cells.empty:
        raise UserError(f"{path}: has columns and no row; allowed: 1 row and more")
    written = cells.select_dtypes(include=["object", "string"]).columns
    cells[written] = cells[written].mask(cells[written].isin(MISSING))
    return cells


def _read_csv(path: Path, columns: list[str], separator: str) -> "pd.DataFrame":
    """All cells as text: what a column holds is decided once, in cells.py, for all rows of it."""
    import pandas as pd

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)  # more cells in a row than there are columns
            header = pd.read_csv(path, sep=separator, header=None, nrows=1, dtype=str, keep_default_na=False)
            names = [str(name) for name in header.iloc[0]]
            _check_names(path, names, columns, separator)
            options: Any = {"sep": separator, "dtype": str, "keep_default_na": False, "index_col": False}
            if len(names) == 1:
                return _only_column(pd.read_csv(path, header=None, names=names, skip_blank_lines=False, **options))
            table = pd.read_csv(path, **options)
    except (ValueError, EOFError, zlib.error, pd.errors.ParserWarning) as error:  # pandas' own are ValueErrors
        reason = " ".join(str(error).split())
        raise UserError(f"{path}: cannot be read as CSV in UTF-8 with separator {separator!r}: {reason}") from None
    return table[columns]


def _only_column(lines: "pd.DataFrame") -> "pd.DataFrame":
    """The rows of a file of one column, from all its lines: a blank one is an empty cell, but for those around all."""
    written = np.flatnonzero(lines.iloc[:, 0] != "")  # the first is the header
    return lines.iloc[written[0] + 1 : written[-1] + 1].reset_index(drop=True)


def _read_parquet(path: Path, columns: list[str]) -> "pd.DataFrame":
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        names = pq.read_schema(path).names
        _check_names(path, names, columns)
        # a single thread: the order of rows is the file's; no metadata: an index of pandas is a column like others
        table = pq.ParquetFile(path).read(columns=columns, use_threads=False)
        for place, column in enumerate(table.columns):
            if pa.types.is_dictionary(column.type):  # categories: for pandas a type of their own, for us text as any
                table = table.set_column(place, table.column_names[place], column.cast(column.type.value_type))
        # whole numbers beside empty cells stay whole: as floats, large ones would run together
        return table.to_pandas(ignore_metadata=True, integer_object_nulls=True)[columns]
    except (pa.ArrowException, OSError) as error:
        reason = " ".join(str(error).split())
        raise UserError(f"{path}: cannot be read as Parquet: {reason}; if cut off, get or make it again") from None


def _check_names(path: Path, names: list[str], columns: list[str], separator: str | None = None) -> None:
    for column in columns:
        if names.count(column) > 1:
            raise UserError(f"{path}: has {names.count(column)} columns {column!r}; allowed: each name once")
        if column not in names:
            hint = f"; is the 'separator' another than {separator!r}?" if len(names) == 1 and separator else ""
            raise UserError(f"{path}: no column {column!r}; {choices(column, names)}{hint}")
