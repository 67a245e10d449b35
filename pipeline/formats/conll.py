"""Tagged text in CoNLL's form: one token a line, its columns side by side, an empty line after each sentence.

As of the shared tasks of 2000 to 2003 (Tjong Kim Sang & De Meulder 2003, *Introduction to the CoNLL-2003 Shared Task*)
and most files since. Tokens are taken as they are: words, or characters, as usual for Chinese.

Shape legend: N sentences, T tokens.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from pipeline.dataset import SPLITS, Array, Arrays, Description
from pipeline.errors import UserError, choices
from pipeline.text.tagging import OUTSIDE, Scheme, divided, first_error, spans, tag_names, tags_of
from pipeline.text.vocabulary import TextParameters, encode_splits

DOCUMENT = "-DOCSTART-"  # the first column of a line between documents


class Parameters(BaseModel):
    """train, validation, test: the files of the splits. token_column, tag_column: counted from 1, or from the last
    column, -1. separator: of columns; `tab`, or `spaces` for any white space. scheme: of the files' tags. tags: the
    scheme that is learned. vocabulary_size, min_count: how many tokens are told apart, and how often one must occur in
    training to be among them; others are told apart by how they are written. longest: sentences of more tokens are
    divided, between the names; None for no limit.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    train: str
    validation: str
    test: str
    token_column: int = 1
    tag_column: int = -1
    separator: Literal["spaces", "tab"] = "spaces"
    scheme: Scheme = "bio"
    tags: Literal["bio", "iobes"] = "bio"
    vocabulary_size: int = Field(default=50_000, ge=3, le=1 << 24)
    min_count: int = Field(default=1, ge=1)
    longest: int | None = Field(default=None, ge=1)

    @model_validator(mode="after")
    def _two_columns(self) -> Self:
        if 0 in (self.token_column, self.tag_column) or self.token_column == self.tag_column:
            raise ValueError(
                f"token_column and tag_column are {self.token_column} and {self.tag_column}; allowed: two columns, "
                "counted from 1, or from the last, -1"
            )
        return self


@dataclass(frozen=True)
class Sentence:
    """Tokens and their tags, and the line of its file in which it begins."""

    tokens: list[str]
    tags: list[str]
    line: int


def read(path: Path, parameters: Parameters) -> tuple[dict[str, Arrays], Description]:
    """Read the folder `path`: `x` [N, T] indices of tokens, `length` [N] int32, `y` [N, T] uint8 or uint16 tags.

    Each split is as wide as its longest sentence. What cannot be meant is a `UserError` with file and line.
    """
    if not path.is_dir():
        raise UserError(f"{path}: no such folder; allowed: a folder with the files of the three splits")
    files = {split: path / getattr(parameters, split) for split in SPLITS}
    read_as = {split: list(_sentences(file, parameters)) for split, file in files.items()}
    types = sorted({span.type for sentence in read_as["train"] for span in spans(sentence.tags)})
    if not types:
        raise UserError(f"{files['train']}: all tags are {OUTSIDE}; allowed: some that mark spans, such as B-place")
    for split in SPLITS[1:]:
        _check_types(files[split], read_as[split], types)
    whole = {split: _divided(files[split], found, parameters) for split, found in read_as.items()}
    classes = tag_names(types, parameters.tags)
    tokens = {split: [sentence.tokens for sentence in found] for split, found in whole.items()}
    are_characters = all(len(token) == 1 for texts in tokens.values() for text in texts for token in text)
    encoded = encode_splits(
        tokens,
        TextParameters(
            tokenizer="characters" if are_characters else "spaces",
            vocabulary_size=parameters.vocabulary_size,
            min_count=parameters.min_count,
            longest=max(len(text) for texts in tokens.values() for text in texts),
            word_shapes=True,
        ),
    )
    description = Description(
        text=_text(read_as, whole, parameters),
        layout="texts",
        classes=classes,
        vocabulary=encoded.vocabulary,
        tokenizer="characters" if are_characters else "spaces",
        padded=True,
        disjoint=False,  # collected files may hold a sentence twice
    )
    splits: dict[str, Arrays] = {}
    for split, found in whole.items():
        width = int(encoded.length[split].max())  # each split's own: the rest would be padding in every batch
        y = _tags(found, classes, width)
        splits[split] = {"x": encoded.x[split][:, :width], "length": encoded.length[split], "y": y}
    return splits, description


def _sentences(path: Path, parameters: Parameters) -> Iterator[Sentence]:
    """The sentences of a file, their tags in the scheme that is learned."""
    found = False
    for sentence in _blocks(path, parameters):
        if error := first_error(sentence.tags, parameters.scheme):
            place, reason = error
            raise UserError(f"{path}:{sentence.line + place}: {reason}")
        marked = spans(sentence.tags)
        yield Sentence(sentence.tokens, tags_of(marked, len(sentence.tokens), parameters.tags), sentence.line)
        found = True
    if not found:
        raise UserError(f"{path}: holds no sentence; allowed: one token a line, an empty line after each sentence")


def _blocks(path: Path, parameters: Parameters) -> Iterator[Sentence]:
    """What stands between empty lines."""
    tokens: list[str] = []
    tags: list[str] = []
    number = 0
    for number, line in enumerate(_lines(path), start=1):
        cells = line.split("\t") if parameters.separator == "tab" else line.split()
        is_break = not line.strip() or cells[0] == DOCUMENT
        if is_break:
            if tokens:
                yield Sentence(tokens, tags, number - len(tokens))
            tokens, tags = [], []
            continue
        token, tag = (_cell(cells, column, f"{path}:{number}") for column in _columns(parameters))
        if token.split() != [token]:
            raise UserError(f"{path}:{number}: token {token!r}; allowed: one word, or one character, without spaces")
        tokens.append(token)
        tags.append(tag)
    if tokens:
        yield Sentence(tokens, tags, number + 1 - len(tokens))


def _lines(path: Path) -> Iterator[str]:
    if not path.is_file():
        names = [entry.name for entry in path.parent.iterdir() if entry.is_file()]
        raise UserError(f"{path}: no such file; {choices(path.name, names)}")
    with path.open("rb") as file:
        for number, raw in enumerate(file, start=1):
            try:
                line = raw.decode("utf-8-sig" if number == 1 else "utf-8")
            except UnicodeDecodeError as error:
                raise UserError(f"{path}:{number}: not text in UTF-8: {error}; convert the file to UTF-8") from None
            yield line.rstrip("\r\n")


def _columns(parameters: Parameters) -> tuple[int, int]:
    return parameters.token_column, parameters.tag_column


def _cell(cells: Sequence[str], column: int, where: str) -> str:
    if not 1 <= abs(column) <= len(cells):
        raise UserError(f"{where}: found {len(cells)} columns, and none is number {column}; allowed: the same in all")
    return cells[column - 1 if column > 0 else column]


def _check_types(path: Path, sentences: Sequence[Sentence], types: Sequence[str]) -> None:
    """Names of a type that training has none of can never be found: not a low score but a mistake."""
    for sentence in sentences:
        for span in spans(sentence.tags):
            if span.type not in types:
                raise UserError(
                    f"{path}:{sentence.line + span.start}: type {span.type!r}, which no training sentence has; "
                    f"{choices(span.type, types)}"
                )


def _divided(path: Path, sentences: Sequence[Sentence], parameters: Parameters) -> list[Sentence]:
    """Sentences of at most `longest` tokens each: longer ones in pieces that together are all of them."""
    if parameters.longest is None:
        return list(sentences)
    pieces = []
    for sentence in sentences:
        start, length = 0, len(sentence.tokens)
        while start < length:
            end = min(start + parameters.longest, length)
            while start < end < length and divided(sentence.tags[end])[0] in {*"IE"}:
                end -= 1
            if start == end:
                raise UserError(
                    f"{path}:{sentence.line + start}: a name of more than {parameters.longest} tokens; allowed: a "
                    "larger 'longest', as a name is not divided"
                )
            pieces.append(Sentence(sentence.tokens[start:end], sentence.tags[start:end], sentence.line + start))
            start = end
    return pieces


def _text(read_as: dict[str, list[Sentence]], whole: dict[str, list[Sentence]], parameters: Parameters) -> str:
    sentences = [sentence for found in read_as.values() for sentence in found]
    tokens = sum(len(sentence.tokens) for sentence in sentences)
    names = sum(len(spans(sentence.tags)) for sentence in sentences)
    text = f"{len(sentences)} sentences of {tokens} tokens with {names} names, in CoNLL's form"
    too_long = sum(len(sentence.tokens) > (parameters.longest or np.inf) for sentence in sentences)
    if too_long:
        pieces = sum(map(len, whole.values())) - len(sentences) + too_long
        text += f"; {too_long} longer than {parameters.longest} tokens are divided into {pieces} pieces"
    return text


def _tags(sentences: Sequence[Sentence], classes: Sequence[str], width: int) -> Array:
    """Tags [N, T] by their number."""
    number = {tag: place for place, tag in enumerate(classes)}
    y = np.zeros((len(sentences), width), dtype=np.min_scalar_type(len(classes)))
    for row, sentence in zip(y, sentences, strict=True):
        row[: len(sentence.tags)] = [number[tag] for tag in sentence.tags]
    return y
