"""Texts as a user gives them: whole files, or one text a line."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

from pipeline.errors import UserError, choices

NamedTexts = Iterator[tuple[str, str]]
TEXT_KEY = "text"
EXTENSIONS = (".jsonl", ".txt")


def read_file(path: Path) -> str:
    """The text of a file in UTF-8, with or without a byte-order mark; what is not UTF-8 is named with its line."""
    content = path.read_bytes()
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = 1 + content.count(b"\n", 0, error.start)
        raise UserError(f"{path}:{line}: not text in UTF-8: {error.reason} {content[error.start]:#04x}") from None


def read_lines(path: Path) -> NamedTexts:
    """The texts of a file by `<file>:<line>`: of `.txt` each line, of `.jsonl` each line's string or its key `text`."""
    if path.suffix.lower() not in EXTENSIONS:
        raise UserError(
            f"{path}: found extension {path.suffix or 'none'!r}; {choices(path.suffix, EXTENSIONS)}, or - for stdin"
        )
    if not path.is_file():
        raise UserError(f"{path}: no such file")
    lines = numbered(read_file(path).split("\n"), path.name)
    if path.suffix.lower() == ".txt":
        yield from lines
        return
    for name, line in lines:
        yield name, _of_json(line, name)


def numbered(lines: Iterable[str], name: str) -> NamedTexts:
    """Each line that is not empty, by `<name>:<line>`."""
    for number, line in enumerate(lines, start=1):
        if line.strip():
            yield f"{name}:{number}", line.strip("\r\n")


def _of_json(line: str, name: str) -> str:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{name}: not JSON: {error}") from None
    text = found.get(TEXT_KEY) if isinstance(found, dict) else found
    if not isinstance(text, str):
        allowed = f'a string, or an object with a string "{TEXT_KEY}"'
        raise UserError(f"{name}: found {str(found)[:40]}; allowed: {allowed}")
    return text
