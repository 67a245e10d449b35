"""The rows of a CSV or TSV file as text, each with the line where it stands."""

import csv
import io
from collections.abc import Iterator, Sequence
from pathlib import Path

from pipeline.errors import UserError, choices
from pipeline.text.reading import read_file


def read_rows(
    path: Path, columns: Sequence[str], separator: str = ",", quoted: bool = True, hint: str = ""
) -> Iterator[tuple[str, list[str]]]:
    """`<file>:<line>` of each row, and its cells in the declared `columns`; blank lines are left out.

    quoted: whether quotation marks enclose cells. hint: what else may be wrong, where a line is no row.
    Raises `UserError` for bytes that are not UTF-8, a column that is missing, and more or fewer cells than columns.
    """
    reader = csv.reader(
        io.StringIO(read_file(path), newline=""),
        delimiter=separator,
        quoting=csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE,
        strict=True,
    )
    try:
        header = next(reader, [])
        places = [_place(path, header, name) for name in columns]
        for cells in reader:
            if not cells:
                continue
            where = f"{path}:{reader.line_num}"
            if len(cells) != len(header):
                raise UserError(f"{where}: found {len(cells)} cells; allowed: {len(header)}, as many as columns")
            yield where, [cells[place] for place in places]
    except csv.Error as error:
        raise UserError(f"{path}:{reader.line_num}: not a row: {error}{hint}") from None


def _place(path: Path, header: list[str], name: str) -> int:
    if name not in header:
        raise UserError(f"{path}:1: no column {name!r}; {choices(name, header)}")
    return header.index(name)
