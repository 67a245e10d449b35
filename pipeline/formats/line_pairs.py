"""Texts and their translations: two files for each split, whose lines belong together; plain or `.gz`.

As of Multi30k (Elliott et al., *Multi30K: Multilingual English-German Image Descriptions*, 2016), and as usual.

Shape legend: N pairs, S tokens that are read, T tokens that are to be written, R letters of the longest of those texts.
"""

import gzip
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from pipeline.dataset import SPLITS, Array, Arrays, Description, TextAnswers, Tokenizer
from pipeline.errors import UserError, choices
from pipeline.text.subwords import learn, vocabulary_of
from pipeline.text.tokenizers import tokenize
from pipeline.text.vocabulary import ANSWER_RESERVED, RESERVED, Encoded, TextParameters, Tokens, encode_splits

COMPRESSED = ".gz"
LEARNED_FROM = ("train", "validation")  # which leave out what is too long; all of the test split is scored


class Files(BaseModel):
    """The files of one side, by split."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    train: str
    validation: str
    test: str


class Parameters(BaseModel):
    """source, target: the files that are read, and those that hold what is to be written.

    tokenizer: of both sides, see `pipeline.text.tokenizers`. vocabulary_size: the most tokens that are told apart on
    each side, those for padding, unknown ones, beginning and end included. min_count: how often a token must occur in
    the training lines to be among them; not for subwords, which are never rare. lowercase: whether all texts are, those
    that translations are compared with included; `words` always are. longest: pairs with more tokens on a side are left
    out, but for the test split.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    source: Files
    target: Files
    tokenizer: Tokenizer = "words"
    vocabulary_size: int = Field(default=10_000, ge=5, le=1 << 24)
    min_count: int = Field(default=1, ge=1)
    lowercase: bool = True
    longest: int = Field(default=100, ge=1, le=100_000)

    @model_validator(mode="after")
    def _suit_the_tokenizer(self) -> Self:
        if self.tokenizer == "words" and not self.lowercase:
            raise ValueError(
                "lowercase is false and tokenizer is words, which are; allowed: another tokenizer, or true"
            )
        if self.tokenizer == "subwords" and self.min_count > 1:
            raise ValueError(
                f"min_count is {self.min_count} and tokenizer is subwords; allowed: 1, as they are not rare"
            )
        return self


@dataclass(frozen=True)
class Side:
    """One side of all pairs: its texts and their tokens by split, and the model that made subwords of them."""

    texts: dict[str, list[str]]
    tokens: dict[str, list[Tokens]]
    subwords: str | None


def read(path: Path, parameters: Parameters) -> tuple[dict[str, Arrays], Description]:
    """Read the folder `path`: `x` [N, S] and `y` [N, T] indices of tokens, `length` and `y_length` [N] int32, and
    `reference` [N, R] uint8: the lines that are to be written, in UTF-8.

    Each split is as wide as it needs. Lines that are empty on both sides are left out. Files that are missing, not
    UTF-8 or of different numbers of lines, and lines that are empty on one side, are a `UserError` with file and line.
    """
    if not path.is_dir():
        raise UserError(f"{path}: no such folder; allowed: a folder with the files of both sides")
    lines = {split: list(_pairs(path, split, parameters)) for split in SPLITS}
    texts = {split: [pair for pair in found if all(pair)] for split, found in lines.items()}
    source, target = (
        _divided({split: [pair[side] for pair in found] for split, found in texts.items()}, parameters)
        for side in (0, 1)
    )
    kept = {split: _short_enough(split, (source, target), parameters) for split in SPLITS}
    for split in SPLITS:
        if not kept[split]:
            file = path / getattr(parameters.source, split)
            raise UserError(f"{file}: no line is a pair of 1 to {parameters.longest} tokens; allowed: some")
    read_as = _encoded(source, kept, RESERVED, parameters)
    written_as = _encoded(target, kept, ANSWER_RESERVED, parameters)
    splits: dict[str, Arrays] = {}
    for split, rows in kept.items():
        of_both: dict[str, Array] = {}
        for name, length, encoded in (("x", "length", read_as), ("y", "y_length", written_as)):
            of_both |= {name: encoded.x[split][:, : encoded.length[split].max()], length: encoded.length[split]}
        splits[split] = of_both | {"reference": in_utf8([target.texts[split][row] for row in rows])}
    empty, long = (
        sum(map(len, all_of.values())) - sum(map(len, some.values()))
        for all_of, some in ((lines, texts), (texts, kept))
    )
    return splits, Description(
        text=f"{sum(map(len, kept.values())):,} pairs of lines; {len(read_as.vocabulary):,} and "
        f"{len(written_as.vocabulary):,} tokens told apart"
        + (f"; {empty:,} pairs of empty lines left out" if empty else "")
        + (f"; {long:,} pairs of more than {parameters.longest} tokens left out" if long else ""),
        layout="texts",
        vocabulary=read_as.vocabulary,
        tokenizer=parameters.tokenizer,
        subwords=source.subwords,
        lowercase=parameters.lowercase,
        answers=TextAnswers(vocabulary=written_as.vocabulary, tokenizer=parameters.tokenizer, subwords=target.subwords),
        padded=True,
        disjoint=False,  # collected lines may be there twice
    )


def in_utf8(texts: Sequence[str]) -> Array:
    """Texts as rows of letters in UTF-8 [N, R] uint8, 0 after their end."""
    encoded = [np.frombuffer(text.encode(), np.uint8) for text in texts]
    rows = np.zeros((len(texts), max(map(len, encoded))), np.uint8)
    for row, letters in zip(rows, encoded, strict=True):
        row[: len(letters)] = letters
    return rows


def _pairs(path: Path, split: str, parameters: Parameters) -> Iterator[tuple[str, str]]:
    """The pairs of a split, empty ones among them."""
    source, target = (path / getattr(side, split) for side in (parameters.source, parameters.target))
    read_lines, written_lines = list(_lines(source)), list(_lines(target))
    if len(read_lines) != len(written_lines):
        raise UserError(
            f"{source} has {len(read_lines):,} lines and {target} has {len(written_lines):,}; allowed: as many, as "
            "each line belongs to the one of its number"
        )
    if not any(read_lines) and not any(written_lines):
        raise UserError(f"{source}: is empty; allowed: one text a line")
    for number, (read, written) in enumerate(zip(read_lines, written_lines, strict=True), start=1):
        for file, line, other in ((source, read, target), (target, written, source)):
            if not line and (read or written):
                raise UserError(
                    f"{file}:{number}: the line is empty and line {number} of {other.name} is not; allowed: text in "
                    "both, or in neither"
                )
        yield (read.lower(), written.lower()) if parameters.lowercase else (read, written)


def _lines(path: Path) -> Iterator[str]:
    """The lines of a file, white space being single spaces."""
    if not path.is_file():
        names = [entry.name for entry in path.parent.iterdir() if entry.is_file()]
        raise UserError(f"{path}: no such file; {choices(path.name, names)}")
    number = 0
    try:
        with gzip.open(path) if path.suffix == COMPRESSED else path.open("rb") as file:
            for number, raw in enumerate(file, start=1):
                yield " ".join(raw.decode("utf-8-sig" if number == 1 else "utf-8").split())
    except UnicodeDecodeError as error:
        raise UserError(f"{path}:{number}: not text in UTF-8: {error}; convert the file to UTF-8") from None
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise UserError(f"{path}: not a whole {COMPRESSED} file: {error}, after line {number}") from None


def _divided(texts: dict[str, list[str]], parameters: Parameters) -> Side:
    subwords = learn(texts["train"], parameters.vocabulary_size) if parameters.tokenizer == "subwords" else None
    tokens: dict[str, list[Tokens]] = {
        split: [tokenize(text, parameters.tokenizer, subwords) for text in found] for split, found in texts.items()
    }
    return Side(texts, tokens, subwords)


def _short_enough(split: str, sides: Sequence[Side], parameters: Parameters) -> list[int]:
    """The rows that are kept of a split."""
    both = zip(*(side.tokens[split] for side in sides), strict=True)
    limit = parameters.longest if split in LEARNED_FROM else np.inf
    return [row for row, pair in enumerate(both) if all(0 < len(tokens) <= limit for tokens in pair)]


def _encoded(side: Side, kept: dict[str, list[int]], reserved: tuple[str, ...], parameters: Parameters) -> Encoded:
    tokens = {split: [side.tokens[split][row] for row in rows] for split, rows in kept.items()}
    longest = max(len(text) for texts in tokens.values() for text in texts)
    return encode_splits(
        tokens,
        TextParameters(
            tokenizer=parameters.tokenizer,
            vocabulary_size=parameters.vocabulary_size,
            min_count=parameters.min_count,
            longest=longest,
        ),
        reserved,
        vocabulary_of(side.subwords) if side.subwords else None,
    )
