"""The same texts, and a vector for each word: trained on the texts themselves, or read from a file.

Trained where `start` is the dataset: word2vec (Mikolov et al. 2013, *Efficient Estimation of Word Representations in
Vector Space*) by gensim, in one thread and without Python's hashes, so that the same texts give the same vectors in
every process. Read where `start` is a file: the text form of word2vec and of GloVe (Pennington, Socher & Manning 2014),
a word and its numbers on each line.

Shape legend: V words, D numbers of a vector.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from pipeline.dataset import SPLITS, Array, Arrays, Dataset, Description
from pipeline.errors import UserError

STARTS_FROM_A_FILE = True
DIGITS = 6
HEADER = 2  # numbers in the line with which a file of word2vec begins: how many words, and how wide


class Parameters(BaseModel):
    """How vectors are trained. width: of a vector. window: words on each side. method: `skip_gram` or `cbow`. epochs:
    passes. seed: of the first vectors and of what is drawn on the way."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    width: int = Field(default=100, ge=1)
    window: int = Field(default=5, ge=1)
    method: Literal["skip_gram", "cbow"] = "skip_gram"
    epochs: int = Field(default=5, ge=1)
    seed: int = Field(default=1, ge=0)


def derive(origin: Dataset, start: Path, parameters: Parameters) -> tuple[dict[str, Arrays], Description]:
    """The origin's texts; a `UserError` where it has none, or where what can be set about training has no effect."""
    description = origin.card.as_description()
    if description.layout != "texts":
        raise UserError(
            f"{origin.folder}: holds {description.layout}; allowed for word_vectors: texts, as only words have vectors"
        )
    if start.is_file() and parameters.model_fields_set:
        given = ", ".join(sorted(parameters.model_fields_set))
        raise UserError(f"word_vectors: {given} given, but the vectors of {start} are trained; allowed: no parameters")
    if not start.is_file() and start.resolve() != origin.folder.resolve():
        raise UserError(f"word_vectors: start is {start}; allowed: {origin.folder}, or a file of vectors")
    kind = f"read from {start.name}" if start.is_file() else f"by word2vec, of {parameters.width} numbers"
    description = description.model_copy(update={"text": f"{description.text}; a vector for each word, {kind}"})
    return {split: origin.split(split) for split in SPLITS}, description


def vectors(origin: Dataset, start: Path, parameters: Parameters) -> Array:
    """A vector [V, D] float32 for each word of the origin's vocabulary.

    Zeros for the padding; the mean of all others for a word that has none.
    """
    vocabulary = origin.card.vocabulary or []
    found = read_vectors(start, vocabulary) if start.is_file() else trained(origin, parameters)
    table = np.tile(np.mean(list(found.values()), axis=0, dtype=np.float64), (len(vocabulary), 1))
    for word, vector in found.items():
        table[word] = vector
    table[0] = 0
    return np.round(table, DIGITS).astype(np.float32)


def trained(origin: Dataset, parameters: Parameters) -> dict[int, Array]:
    """word2vec's vectors of the words of the training texts, the unknown one included, by their index."""
    from gensim.models import Word2Vec

    arrays = origin.split("train")
    texts = [[str(word) for word in text[:length]] for text, length in zip(arrays["x"], arrays["length"], strict=True)]
    model = Word2Vec(
        texts,
        vector_size=parameters.width,
        window=parameters.window,
        sg=int(parameters.method == "skip_gram"),
        epochs=parameters.epochs,
        seed=parameters.seed,
        min_count=1,
        sorted_vocab=0,  # among words of equal count the order would be any
        workers=1,
        hashfxn=int,  # of what are numbers already
    )
    return {int(word): model.wv[word] for word in model.wv.index_to_key}


def read_vectors(path: Path, vocabulary: list[str]) -> dict[int, Array]:
    """The vectors of the vocabulary's words, by their index; a word that is not there has that of its small letters.

    Lines of unequal width, or with what is no number, are a `UserError` with their number.
    """
    wanted = {word: number for number, word in enumerate(vocabulary)}
    small = {word.lower() for word in vocabulary}
    as_written: dict[str, Array] = {}
    for word, numbers in _lines(path):
        if (word in wanted or word in small) and word not in as_written:
            as_written[word] = numbers
    spellings = {
        number: next((w for w in (word, word.lower()) if w in as_written), None) for word, number in wanted.items()
    }
    found = {number: as_written[word] for number, word in spellings.items() if word is not None}
    if not found:
        raise UserError(f"{path}: has no vector for any of the {len(vocabulary)} words of the dataset")
    return found


def _lines(path: Path) -> Iterator[tuple[str, Array]]:
    """Each word of a file and its vector."""
    width = None
    with path.open("rb") as file:
        for number, raw in enumerate(file, start=1):
            where = f"{path}:{number}"
            try:
                cells = raw.decode("utf-8").rstrip(" \r\n").split(" ")
            except UnicodeDecodeError as error:
                raise UserError(f"{where}: not text in UTF-8: {error}") from None
            if number == 1 and len(cells) == HEADER and all(cell.isdigit() for cell in cells):
                width = int(cells[1])
                continue
            width = width or len(cells) - 1
            # What stands before the numbers is the word, also where it has spaces, as some of GloVe's have.
            if width < 1 or len(cells) <= width or (len(cells) > width + 1 and _is_number(cells[-width - 1])):
                allowed = f"{width}, as in line 1" if width else "1 and more"
                raise UserError(f"{where}: a vector of {len(cells) - 1} numbers; allowed: {allowed}")
            yield " ".join(cells[:-width]), _numbers(cells[-width:], where)
    if width is None:
        raise UserError(f"{path}: is empty; allowed: a word and its numbers on each line, separated by spaces")


def _numbers(cells: list[str], where: str) -> Array:
    try:
        numbers = np.array(cells, dtype=np.float64)
    except ValueError:
        wrong = next(cell for cell in cells if not _is_number(cell))
        raise UserError(f"{where}: found {wrong!r}; allowed: a word and its numbers, separated by spaces") from None
    if not np.isfinite(numbers).all():
        raise UserError(f"{where}: found NaN or infinity; allowed: finite numbers")
    return numbers


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
