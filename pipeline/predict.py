"""`predict`: answer raw examples with an export. Starts in about a second: no Keras, no MLflow, no pandas."""

import csv
import json
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TextIO

import numpy as np

from pipeline.clips import VIDEO_SUFFIXES, read_frames, read_video
from pipeline.dataset import Array, Dataset
from pipeline.errors import UserError, choices
from pipeline.formats.arrays import UNREADABLE, read_members
from pipeline.pictures import SUFFIXES as PICTURE_SUFFIXES
from pipeline.pictures import read_picture
from pipeline.plugins import NAME
from pipeline.runtime import Export
from pipeline.tables.given import read_steps
from pipeline.text.reading import numbered, read_lines

NamedExamples = Iterator[tuple[str, Array]]


def predict(variant: str, source: str | None, example: int | None, as_json: bool) -> Iterator[str]:
    """One line per example: `<name>: <answer>`, or a JSON object; with a text of the test split, the text as well."""
    if not NAME.fullmatch(variant):
        raise UserError(f"variant {variant!r}: allowed: small letters, digits and _ ({NAME.pattern})")
    if (source is None) == (example is None):
        raise UserError("give either --input FILE (- for stdin) or --example N of the test split")
    folder = Path("models", variant, "export")
    if not folder.is_dir():
        exported = [path.parent.parent.name for path in Path("models").glob("*/export/export.json")]
        raise UserError(
            f"variant {variant!r} has no export; {choices(variant, exported)}. Make it with: dvc repro export@{variant}"
        )
    export = Export(folder)
    examples = stored_example(export, example) if example is not None else read_examples(str(source), export)
    answered = False
    for name, raw in examples:
        try:
            answer, remark = export.answer(raw)[0], export.remark(raw)
        except UserError as error:
            raise UserError(f"{name}: {error}") from None
        answered = True
        shown = str(raw) if example is not None and export.view.given_as_text else None
        if as_json:
            more = {"remark": remark, "text": shown}
            yield json.dumps({"example": name, **answer, **{key: value for key, value in more.items() if value}})
            continue
        yield f"{name}: {export.task.sentence(answer)}" + (f" ({remark})" if remark else "")
        if shown:
            yield f"  {shown}"
    if not answered:
        raise UserError(f"{source}: holds no example; allowed: one and more")


def stored_example(export: Export, number: int) -> NamedExamples:
    """Example `number` of the test split, in the form in which a user would give it."""
    dataset = Dataset(Path("data", export.manifest.dataset))
    num_examples = dataset.card.num_examples("test")
    if number >= num_examples:
        raise UserError(f"--example {number}: the test split has {num_examples}; allowed: 0 to {num_examples - 1}")
    arrays = {key: values[number : number + 1] for key, values in dataset.split("test").items()}
    yield f"test[{number}]", export.view.as_given(arrays, dataset.card)[0]


def read_examples(source: str, export: Export) -> NamedExamples:
    """The examples of a file, by its extension, or lines of numbers or text from stdin, each as soon as it is there."""
    try:
        yield from _read(source, export)
    except UnicodeDecodeError as error:
        raise UserError(f"{source}: not text in UTF-8: {error}") from None


def _read(source: str, export: Export) -> NamedExamples:
    if export.view.given_as_text:
        texts = numbered(sys.stdin, "stdin") if source == "-" else read_lines(Path(source))
        yield from ((name, np.array(text)) for name, text in texts)
        return
    if source == "-":
        yield from _shaped(_lines(sys.stdin, "stdin"), export)
        return
    path, layout = Path(source), export.view.layout
    readers = READERS | OF_LAYOUT.get(layout, {})
    if not path.exists():
        raise UserError(f"{path}: no such file")
    if path.is_dir():
        if layout != "clips":
            raise UserError(f"{path}: a folder; {export.manifest.variant} reads {layout}; {choices('', readers)}")
        yield path.name, read_frames(path, *_frames(export))
        return
    if path.suffix.lower() not in readers:
        raise UserError(
            f"{path}: found extension {path.suffix or 'none'!r}; {export.manifest.variant} reads {layout}; "
            f"{choices(path.suffix, readers)}, or - for stdin"
        )
    yield from readers[path.suffix.lower()](path, export)


def _several(array: Array, name: str, export: Export) -> NamedExamples:
    """One example or several, told apart by the number of axes."""
    if array.ndim == export.view.raw_rank(tuple(export.manifest.stored_shape), array.shape):
        yield name, array
        return
    if array.ndim == 0:
        raise UserError(f"{name}: found a single number; allowed: an array of one example or several")
    for number, one in enumerate(array):
        yield f"{name}[{number}]", one


def _npy(path: Path, export: Export) -> NamedExamples:
    try:
        array = np.lib.format.open_memmap(path, mode="r")
    except UNREADABLE as error:
        reason = "found a .npz; rename it" if zipfile.is_zipfile(path) else error
        raise UserError(f"{path}: not a readable .npy of numbers: {reason}") from None
    yield from _several(array, path.name, export)


def _npz(path: Path, export: Export) -> NamedExamples:
    if not zipfile.is_zipfile(path):
        with path.open("rb") as file:
            is_npy = file.read(len(np.lib.format.MAGIC_PREFIX)) == np.lib.format.MAGIC_PREFIX
        reason = "found a .npy; rename it" if is_npy else "not a zip archive, or cut off"
        raise UserError(f"{path}: not a readable .npz of numbers: {reason}")
    for name, array in read_members(path).items():
        yield from _several(array, f"{path.name}:{name}", export)


def _picture(path: Path, export: Export) -> NamedExamples:
    shape = export.manifest.stored_shape
    channels = 1 if len(shape) == 2 else shape[2]
    size = (shape[0], shape[1]) if export.manifest.description.resized else None
    array = read_picture(path, channels, size)
    yield path.name, array.reshape(shape) if array.size == np.prod(shape) else array


def _video(path: Path, export: Export) -> NamedExamples:
    yield path.name, read_video(path, *_frames(export), export.manifest.description.frame_rate)


def _frames(export: Export) -> tuple[int, int, tuple[int, int] | None]:
    """How many frames a clip has, their channels, and the size to which they are brought, if they are."""
    frames, height, width, channels = export.manifest.stored_shape
    return frames, channels, (height, width) if export.manifest.description.resized else None


def _lines(file: TextIO, name: str) -> NamedExamples:
    """Numbers separated by spaces or commas, one example a line."""
    for number, line in enumerate(file, start=1):
        if line.strip():
            yield f"{name}:{number}", _numbers(line.replace(",", " ").split(), f"{name}:{number}")


def _text(path: Path, export: Export) -> NamedExamples:
    with path.open(encoding="utf-8") as file:
        yield from _shaped(_lines(file, path.name), export)


def _csv(path: Path, export: Export) -> NamedExamples:
    features = export.manifest.description.features
    if export.view.layout == "sequences" and features:
        yield path.name, read_steps(path, features)
        return
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.reader(file)
        rows = ((f"{path.name}:{n}", _numbers(row, f"{path.name}:{n}")) for n, row in enumerate(reader, 1) if row)
        try:
            yield from _shaped(rows, export)
        except csv.Error as error:
            where = f"{path.name}:{reader.line_num}"
            raise UserError(f"{where}: not a line of a .csv: {error}; allowed: numbers separated by commas") from None


def _jsonl(path: Path, export: Export) -> NamedExamples:
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, start=1):
            if line.strip():
                try:
                    yield f"{path.name}:{number}", np.asarray(json.loads(line))
                except (ValueError, RecursionError) as error:
                    raise UserError(f"{path.name}:{number}: not one JSON array of numbers: {error}") from None


def _shaped(rows: NamedExamples, export: Export) -> NamedExamples:
    """A flat row of as many numbers as an example has is that example."""
    shape = tuple(export.manifest.stored_shape)
    for name, row in rows:
        yield name, row.reshape(shape) if export.view.layout == "images" and row.size == np.prod(shape) else row


def _numbers(cells: list[str], name: str) -> Array:
    try:
        return np.array([int(cell) for cell in cells], dtype=np.int64)
    except (ValueError, OverflowError):  # beyond 64 bits it is a number all the same
        pass
    try:
        return np.array([float(cell) for cell in cells])
    except ValueError:
        wrong = next(cell for cell in cells if not _is_number(cell))
        raise UserError(f"{name}: found {wrong[:40]!r}; allowed: numbers separated by spaces or commas") from None


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


Readers = dict[str, Callable[[Path, Export], NamedExamples]]
READERS: Readers = {".npy": _npy, ".npz": _npz, ".txt": _text, ".csv": _csv, ".jsonl": _jsonl}
OF_LAYOUT: dict[str, Readers] = {
    "images": dict.fromkeys(PICTURE_SUFFIXES, _picture),
    "clips": dict.fromkeys(VIDEO_SUFFIXES, _video),
}
