"""What one column of cells holds, as NumPy: numbers, names, or points in time. Mixed ones are refused with their row.

Rows count from 1, the first one after the header. R rows.
"""

import math
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.dataset import Array
from pipeline.errors import UserError, choices

if TYPE_CHECKING:
    import pandas as pd

LARGEST = float(np.finfo(np.float32).max)
TRUTH = {"true": 1.0, "false": 0.0}


def numbers(where: str, column: "pd.Series[Any]", decimal: str, otherwise: str) -> Array:
    """float64 [R], NaN where a cell is missing.

    where: file and column, for messages. otherwise: what to declare where the column holds text on purpose.
    Raises `UserError` for text, for a mixture of text and numbers, and for infinities.
    """
    plain = column.dtype.kind in "uifb"
    values = column.to_numpy(dtype=np.float64) if plain else _parsed(where, column, decimal, otherwise)
    too_large = np.abs(values) > LARGEST
    if too_large.any():
        row = int(np.argmax(too_large))
        raise UserError(
            f"{where}, row {row + 1}: holds {values[row]:g} ({too_large.sum()} such cells); allowed: finite numbers up"
            f" to {LARGEST:.3g}, or an empty cell where there is none"
        )
    return values


def _parsed(where: str, column: "pd.Series[Any]", decimal: str, otherwise: str) -> Array:
    """Cells that are text or objects as numbers; words of truth as 1 and 0 where there is nothing else."""
    cells = _known(column)
    parsed = {row: _number(cell, decimal) for row, cell in cells.items()}
    strange = [row for row, number in parsed.items() if number is None]
    if strange and len(strange) == len(parsed):
        parsed = {row: TRUTH.get(str(cell).lower()) for row, cell in cells.items()}
        if None in parsed.values():
            raise UserError(f"{where}, row {strange[0] + 1}: holds {cells[strange[0]]!r}; allowed: numbers{otherwise}")
    elif strange:
        raise UserError(
            f"{where}, row {strange[0] + 1}: mixed types: {cells[strange[0]]!r} among numbers ({len(strange)} of"
            f" {len(parsed)} cells are none); allowed: numbers, or an empty cell where there is none"
        )
    values = np.full(len(column), np.nan)
    values[list(parsed)] = list(parsed.values())
    return values


def names(where: str, column: "pd.Series[Any]", allowed: Sequence[str] = ()) -> tuple[list[str | None], bool]:
    """The cells as text, None where missing, whole numbers written alike; and whether all are whole numbers.

    Text stays as it is where it is one of `allowed`, and so, where nothing is, do numbers that begin with a 0: 01 is a
    name. Raises `UserError` for measured numbers, such as 0.5, which are none.
    """
    cells: list[Any] = [None] * len(column)
    for row, cell in _known(column).items():
        cells[row] = cell
    parsed = [None if isinstance(cell, bool) else _number(cell, ".") for cell in cells]
    if any(cell is not None and number is None for cell, number in zip(cells, parsed, strict=True)):
        return [None if cell is None else str(cell) for cell in cells], False
    written: list[str | None] = [None] * len(cells)
    declared = set(allowed)
    for row, (cell, number) in enumerate(zip(cells, parsed, strict=True)):
        if number is None:
            continue
        as_it_is = cell in declared if declared else re.fullmatch(r"[+-]?0\d+", str(cell))
        if isinstance(cell, str) and as_it_is:
            written[row] = cell
        elif number.is_integer():
            written[row] = _whole(cell, number)
        else:
            raise UserError(
                f"{where}, row {row + 1}: holds {cell}, a measured number; allowed: text or whole numbers;"
                " numbers are asked for with answer 'value' or 'values'"
            )
    return written, True


def indices(where: str, column: "pd.Series[Any]", allowed: list[str] | None) -> tuple[Array, list[str]]:
    """float64 [R], the index of each cell in `allowed`, NaN where missing; and `allowed`, by default the names found.

    Names found are sorted, whole numbers by their size. Raises `UserError` for a name that is not allowed, and, where
    nothing says what is, for numbers among names.
    """
    written, whole = names(where, column, allowed or ())
    found = {name: row for row, name in reversed(list(enumerate(written))) if name is not None}
    if allowed is None:
        strange = [name for name in found if _number(name, ".") is not None]
        if strange and not whole:
            first = min(strange, key=lambda name: found[name])
            raise UserError(
                f"{where}, row {found[first] + 1}: mixed types: {first!r} among names; allowed: one kind, or list all"
                " of them under 'classes'"
            )
        allowed = sorted(found, key=lambda name: (int(name), name)) if whole else sorted(found)
    for name in sorted(set(found) - set(allowed), key=lambda name: found[name]):
        raise UserError(f"{where}, row {found[name] + 1}: holds {name!r}; {choices(name, allowed)}")
    index = {name: float(number) for number, name in enumerate(allowed)}
    return np.array([math.nan if name is None else index[name] for name in written]), allowed


def times(where: str, column: "pd.Series[Any]", written_as: str | None) -> Array:
    """int64 or float64 [R], which grows as the time does; its unit is that of the file.

    written_as: a format of `strptime`; None for numbers, or dates in ISO 8601. Raises `UserError` for a cell that is
    missing or neither.
    """
    refuse_missing(where, column)
    if column.dtype.kind in "ui" and written_as is None:
        return column.to_numpy().astype(np.int64)
    cells = [] if column.dtype.kind == "M" or written_as else column.tolist()
    parsed = [_number(cell, ".") for cell in cells]
    strange = [row for row, number in enumerate(parsed) if number is None]
    if len(strange) == len(parsed):
        return _dates(where, column, written_as)
    if strange:
        row, among = strange[0], "numbers"
        if 2 * len(strange) > len(parsed):
            row, among = next(row for row, number in enumerate(parsed) if number is not None), "dates"
        raise UserError(f"{where}, row {row + 1}: mixed types: {cells[row]!r} among {among}; allowed: one of the two")
    values = np.array(parsed, dtype=np.float64)
    if not np.isfinite(values).all():
        row = int(np.argmin(np.isfinite(values)))
        raise UserError(f"{where}, row {row + 1}: holds {cells[row]}; allowed: finite numbers, or dates")
    try:
        return np.array(
            [int(str(cell)) for cell in cells], dtype=np.int64
        )  # floats blur large ones, such as nanoseconds
    except (ValueError, OverflowError):
        return values


def refuse_missing(where: str, column: "pd.Series[Any]") -> None:
    """Raise `UserError` where a cell is missing that no rule may fill."""
    missing = column.isna().to_numpy()
    if missing.any():
        row = int(np.argmax(missing))
        raise UserError(f"{where}, row {row + 1}: is empty ({missing.sum()} such cells); allowed: a value in each row")


def _dates(where: str, column: "pd.Series[Any]", written_as: str | None) -> Array:
    import pandas as pd

    whole = column.dtype.kind in "ui"
    column = column.astype(str) if whole else column
    try:
        read = pd.to_datetime(column, format=written_as or "ISO8601", utc=True, errors="coerce")
    except ValueError as error:
        raise UserError(f"{where}: time_format {written_as!r} is no format of strptime: {error}") from None
    strange = read.isna().to_numpy()
    if whole:  # 1012024 may be the first of January or the tenth, its first 0 lost
        strange = (read.dt.strftime(str(written_as)) != column).to_numpy()
    if strange.any():
        row = int(np.argmax(strange))
        wanted = f"a date as {written_as!r} has it" if written_as else "a number, or a date such as 2024-05-31 14:00"
        hint = ", with its zeros, as text" if whole else ""
        hint += "" if written_as else "; dates that are written in another way need 'time_format'"
        raise UserError(f"{where}, row {row + 1}: holds {column.iloc[row]!r}; allowed: {wanted}{hint}")
    return np.asarray(read.astype("int64"))


def _known(column: "pd.Series[Any]") -> dict[int, Any]:
    """The cells that are not missing, by their place."""
    there = column.notna()
    return {row: cell for row, (cell, known) in enumerate(zip(column.tolist(), there, strict=True)) if known}


def _whole(cell: Any, number: float) -> str:
    """A whole number as Python writes it; exactly, though a float would blur it."""
    try:
        return str(int(cell))
    except ValueError:  # text such as 1.0 and 1e3
        return str(int(number))


def _number(cell: Any, decimal: str) -> float | None:
    """A cell as a number; None where it is none. Python's own reading, which rounds alike everywhere."""
    try:
        if isinstance(cell, str):
            if "_" in cell or (decimal != "." and "." in cell):
                return None
            cell = cell.replace(decimal, ".")
        number = float(cell)
    except (TypeError, ValueError, OverflowError):
        return None
    return None if math.isnan(number) else number
