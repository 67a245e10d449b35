"""`translate`: answer the lines of a text with an exported network, in their order, each as soon as it is known.

Starts in about a second: no Keras, no MLflow, no pandas.
"""

import os
import queue
import stat
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from pipeline.dataset import Array
from pipeline.decoding.hypotheses import Hypothesis, as_rows
from pipeline.decoding.search import How, by_length
from pipeline.decoding.stepwise import Sampling
from pipeline.decoding.translator import BEST
from pipeline.errors import UserError, choices
from pipeline.plugins import NAME
from pipeline.progress import progress_bar, say
from pipeline.runtime import Export
from pipeline.text.vocabulary import padded

BATCHES_AHEAD = 4  # lines of which are read before the first is answered, that those of a batch may be alike in length
MOST_MAPS = 8
BYTES_AT_ONCE = 1 << 20
UNREADABLE = "\ufffd"
OPTIONS = {"width": "beam"}  # what an option is called on the command line, where that is another name


@dataclass(frozen=True)
class Line:
    """A line that was read: its number, counted from 1, its text, and its tokens [S]; None where it is empty."""

    number: int
    text: str
    tokens: Array | None


def translate(
    variant: str, source: str | None, how: How, batch_size: int, as_list: bool, attention: Path | None
) -> Iterator[str]:
    """The answer to each line of `source`, a file or stdin (None, or -), in the order of the lines.

    as_list: all answers that `how` gives to a line, as `<number>\\t<score>\\t<text>` each. An empty line is answered
    with an empty one. attention: where to draw the attention of the first few answers.

    Raises `UserError` for a variant that translates no texts, and for a file that is not there.
    """
    export = open_translator(variant)
    if attention is not None and attention.suffix != ".png":
        raise UserError(f"--attention {attention}: found extension {attention.suffix or 'none'!r}; allowed: .png")
    maps: list[tuple[str, Array]] = []
    with _opened(source) as (file, name, num_lines), progress_bar(f"translate@{variant}", num_lines) as bar:
        at_once = BATCHES_AHEAD * batch_size
        for some in _whole(file, at_once) if num_lines is not None else _whatever_is_there(file, at_once):
            lines = [_read(export, number, raw, name) for number, raw in some]
            found = _answers(export, lines, how, batch_size)
            for line in lines:
                yield from _shown(export, line, found.get(line.number, []), as_list)
                if line.number in found:
                    maps.append((line.text, found[line.number][0].tokens))
            del maps[MOST_MAPS if attention else 0 :]
            bar.advance(len(lines))
    if attention is not None:
        _draw(export, maps, attention)


def search_of(by_chance: bool, of_beams: Mapping[str, Any], of_sampling: Mapping[str, Any]) -> How:
    """The search that a user asks for; None in what is given stands for what is usual. Raises `UserError`."""
    beams, sampling = (
        {name: value for name, value in given.items() if value is not None} for given in (of_beams, of_sampling)
    )
    foreign = beams if by_chance else sampling
    if foreign:
        options = ", ".join(f"--{OPTIONS.get(name, name).replace('_', '-')}" for name in foreign)
        raise UserError(f"{options}: {'not with' if by_chance else 'only with'} --sample")
    if by_chance:
        if sampling.get("top_p") == 0:
            raise UserError("--top-p 0: no token holds nothing of the probability; allowed: above 0, up to 1")
        return Sampling(**sampling)
    beam = replace(BEST, **beams)
    if beam.n_best > beam.width:
        raise UserError(f"--n-best {beam.n_best}: a beam of {beam.width} holds no more than {beam.width}; widen --beam")
    return beam


def open_translator(variant: str) -> Export:
    """The export of a variant that answers texts with texts."""
    if not NAME.fullmatch(variant):
        raise UserError(f"variant {variant!r}: allowed: small letters, digits and _ ({NAME.pattern})")
    folder = Path("models", variant, "export")
    known = {path.parent.parent.name: Export(path.parent) for path in Path("models").glob("*/export/export.json")}
    translating = [name for name, export in known.items() if _translates(export)]
    if not folder.is_dir():
        raise UserError(
            f"variant {variant!r} has no export; {choices(variant, translating)}. "
            f"Make it with: dvc repro export@{variant}"
        )
    export = Export(folder)
    if not _translates(export):
        raise UserError(
            f"variant {variant!r} translates no texts: it reads {export.view.layout} and answers {export.view.asks} "
            f"(python -m pipeline predict {variant}); {choices('', translating)}"
        )
    return export


def _translates(export: Export) -> bool:
    return export.writes and export.view.layout == "texts"


@contextmanager
def _opened(source: str | None) -> Iterator[tuple[BinaryIO, str, int | None]]:
    """A file or stdin, its name, and how many lines it has; None where more may come."""
    if source in (None, "-"):
        file = sys.stdin.buffer
        yield file, "stdin", _num_lines(file) if _is_whole(file) else None
        return
    path = Path(str(source))
    if not path.is_file():
        raise UserError(f"{path}: no such file; allowed: a text file, a sentence a line, or - for stdin")
    with path.open("rb") as opened:
        yield opened, path.name, _num_lines(opened)


def _is_whole(file: BinaryIO) -> bool:
    """Whether all of it is there already: a file, not what a program still writes."""
    try:
        return stat.S_ISREG(os.fstat(file.fileno()).st_mode)
    except OSError:  # no file of the system's
        return False


def _num_lines(file: BinaryIO) -> int:
    """How many lines there are from here on, nothing being read."""
    place, number, last = file.tell(), 0, b"\n"
    while part := file.read(BYTES_AT_ONCE):
        number, last = number + part.count(b"\n"), part[-1:]
    file.seek(place)
    return number + (last != b"\n")


def _whole(file: BinaryIO, at_once: int) -> Iterator[list[tuple[int, bytes]]]:
    """The lines of a file with their numbers, so many at a time."""
    some: list[tuple[int, bytes]] = []
    for line in enumerate(file, start=1):
        some.append(line)
        if len(some) == at_once:
            yield some
            some = []
    if some:
        yield some


def _whatever_is_there(file: BinaryIO, at_once: int) -> Iterator[list[tuple[int, bytes]]]:
    """The same of lines that still come in: those that are there, and no waiting for more where there is one."""
    waiting: queue.Queue[tuple[int, bytes] | None] = queue.Queue(maxsize=at_once)

    def read() -> None:
        for line in enumerate(iter(file.readline, b""), start=1):
            waiting.put(line)
        waiting.put(None)

    threading.Thread(target=read, daemon=True, name="lines").start()
    ended = False
    while not ended:
        some = [waiting.get()]
        while len(some) < at_once and some[-1] is not None and not waiting.empty():
            some.append(waiting.get())
        ended = some[-1] is None
        yield [line for line in some if line is not None]


def _read(export: Export, number: int, raw: bytes, name: str) -> Line:
    """One line as the network reads it; what cannot be read, or not whole, is said, and the others go on."""
    text = raw.strip(b"\r\n").decode("utf-8-sig" if number == 1 else "utf-8", errors="replace")
    if UNREADABLE in text and UNREADABLE.encode() not in raw:
        say(f"{name}:{number}: not text in UTF-8; what cannot be read stands for unknown characters")
    if not text.strip():
        return Line(number, text, None)
    given = np.array(text)
    try:
        tokens, remark = export.accept(given), export.remark(given)
    except UserError as error:
        say(f"{name}:{number}: {error}")
        return Line(number, text, None)
    if remark:
        say(f"{name}:{number}: {remark}")
    return Line(number, text, tokens[0])


def _answers(export: Export, lines: list[Line], how: How, batch_size: int) -> dict[int, list[Hypothesis]]:
    """The best answers to the lines that are not empty, by their numbers."""
    asked = [(line.number, line.tokens) for line in lines if line.tokens is not None]
    found: dict[int, list[Hypothesis]] = {}
    for places in by_length(np.array([len(tokens) for _, tokens in asked]), batch_size):
        numbers = [asked[place][0] for place in places]
        sources = [asked[place][1] for place in places]
        answers = export.translator.answers(padded(sources, max(map(len, sources))), how, numbers)
        found |= dict(zip(numbers, answers, strict=True))
    return found


def _shown(export: Export, line: Line, answers: list[Hypothesis], as_list: bool) -> Iterator[str]:
    texts: list[str] = []
    if answers:
        given = np.array([line.text] * len(answers))
        rows = as_rows([answer.tokens for answer in answers])
        texts = export.view.in_units(rows, given, export.manifest.description).tolist()
    if not as_list:
        yield texts[0] if texts else ""
        return
    for text, answer in zip(texts, answers, strict=True):
        yield f"{line.number}\t{answer.score:.4f}\t{text}"
    if not answers:
        yield f"{line.number}\t\t"


def _draw(export: Export, answered: list[tuple[str, Array]], path: Path) -> None:
    """The attention of some answers, as a picture."""
    from pipeline import figures
    from pipeline.scoring import attended

    if not answered:
        raise UserError("--attention: no sentence was given whose attention could be drawn")
    texts, tokens = zip(*answered, strict=True)
    maps = attended(export, np.array(texts), as_rows(list(tokens)))
    if not maps:
        raise UserError(f"--attention: {export.manifest.variant} was trained without attention; allowed: not to ask")
    figures.save(figures.attention([(each.source, each.answer, each.weights) for each in maps]), path)
    say(f"translate: attention of {len(maps)} sentences in {path}")
