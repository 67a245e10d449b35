"""Tokens as numbers: the vocabulary of the training texts, and texts as arrays.

Shape legend: N texts, T tokens, V vocabulary.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from pipeline.dataset import END, PADDING, START, UNKNOWN, Array, Tokenizer
from pipeline.errors import UserError

RESERVED = (PADDING, UNKNOWN)
ANSWER_RESERVED = (*RESERVED, START, END)  # of texts that are to be written
Tokens = Sequence[str]


class TextParameters(BaseModel):
    """How texts are stored.

    tokenizer: see `pipeline.text.tokenizers`. vocabulary_size: the most tokens that are told apart, the two for padding
    and for unknown ones included. min_count: how often a token must occur in the training texts to be among them.
    longest: tokens of a text; what follows is left out, and how many texts that was done to is counted.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    tokenizer: Tokenizer = "words"
    vocabulary_size: int = Field(default=20_000, ge=3, le=1 << 24)
    min_count: int = Field(default=1, ge=1)
    longest: int = Field(default=400, ge=1, le=100_000)


@dataclass(frozen=True)
class Encoded:
    """Texts as arrays, by split: `x` [N, T] indices into `vocabulary`, padded with 0, and `length` [N] int32.

    cut: how many texts had more tokens than T.
    """

    x: dict[str, Array]
    length: dict[str, Array]
    vocabulary: list[str]
    cut: dict[str, int]


def encode_splits(
    splits: Mapping[str, Iterable[Tokens]],
    parameters: TextParameters,
    reserved: Tokens = RESERVED,
    vocabulary: list[str] | None = None,
) -> Encoded:
    """Number the tokens of all texts, after the vocabulary of those of `train` alone; each is looked at once.

    reserved: how that begins. vocabulary: one that is there already, as of subwords.

    T is that of the longest text, or `longest` where that is less. Raises `UserError` where no token of the training
    texts occurs `min_count` times.
    """
    seen = _Seen()
    numbers = {split: [seen.numbers(tokens) for tokens in texts] for split, texts in splits.items()}
    if vocabulary is None:
        counts = np.bincount(np.concatenate(numbers["train"]), minlength=len(seen))
        vocabulary = most_frequent(dict(zip(seen, counts.tolist(), strict=True)), parameters, reserved)
    (known,) = indices_of([list(seen)], vocabulary)
    indices = known.astype(index_type(len(vocabulary)))
    longest = max(len(text) for texts in numbers.values() for text in texts)
    steps = min(parameters.longest, longest)
    return Encoded(
        x={split: padded([indices[text] for text in texts], steps) for split, texts in numbers.items()},
        length={split: np.array([min(len(t), steps) for t in texts], np.int32) for split, texts in numbers.items()},
        vocabulary=vocabulary,
        cut={split: sum(len(text) > steps for text in texts) for split, texts in numbers.items()},
    )


def most_frequent(counts: Mapping[str, int], parameters: TextParameters, reserved: Tokens = RESERVED) -> list[str]:
    """What is reserved and the most frequent tokens; of equally frequent ones those first that sort first."""
    known = [token for token, count in counts.items() if count >= parameters.min_count and token not in reserved]
    if not known:
        raise UserError(f"min_count is {parameters.min_count}, and no token of the training texts occurs so often")
    known.sort(key=lambda token: (-counts[token], token))
    return [*reserved, *known[: parameters.vocabulary_size - len(reserved)]]


def index_type(vocabulary_size: int) -> type[np.unsignedinteger]:
    """The smaller of the two types in which indices into a vocabulary are stored."""
    return np.uint16 if vocabulary_size <= 1 << 16 else np.uint32


def padded(texts: Sequence[Array], steps: int) -> Array:
    """Texts of indices as one array [N, steps]: longer ones are cut, shorter ones end in zeros."""
    x = np.zeros((len(texts), steps), dtype=texts[0].dtype)
    for row, text in zip(x, texts, strict=True):
        row[: len(text)] = text[:steps]
    return x


def indices_of(texts: Sequence[Tokens], vocabulary: list[str]) -> list[Array]:
    """The indices of the tokens of each text, int32; 1 for those that the vocabulary does not have."""
    known = _known(tuple(vocabulary))
    return [np.array([known.get(token, 1) for token in tokens], dtype=np.int32) for tokens in texts]


@lru_cache(maxsize=8)
def _known(vocabulary: tuple[str, ...]) -> dict[str, int]:
    """Padding is no token that a text could hold, nor are beginning and end where the vocabulary knows them."""
    reserved = {PADDING, *(ANSWER_RESERVED[2:] if vocabulary[:4] == ANSWER_RESERVED else ())}
    return {token: index for index, token in enumerate(vocabulary) if token not in reserved}


class _Seen(dict[str, int]):
    """A number for each token, in the order in which they are first seen."""

    def __missing__(self, token: str) -> int:
        self[token] = number = len(self)
        return number

    def numbers(self, tokens: Tokens) -> Array:
        return np.fromiter(map(self.__getitem__, tokens), dtype=np.int32, count=len(tokens))
