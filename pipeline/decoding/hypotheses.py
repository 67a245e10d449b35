"""Answers that a search has found, and how they are ranked."""

from dataclasses import dataclass, field

import numpy as np

from pipeline.dataset import Array

SHORTEST = 5  # of GNMT's penalty: texts of a few tokens more or less than this are much alike


@dataclass(frozen=True)
class Hypothesis:
    """One answer to a source.

    tokens: [L] int32, without start and end. log_probability: of all of them, the end included where it was reached.
    score: by which answers are ranked: the log-probability over the length penalty.
    """

    tokens: Array
    log_probability: float
    score: float


def length_penalty(length: Array | int, alpha: float) -> Array:
    """What log-probabilities of texts of `length` tokens, the end included, are divided by: ((5 + length) / 6) ^ alpha.

    Wu et al., *Google's Neural Machine Translation System* (2016), eq. 14. With 0 shorter texts win, having fewer
    factors.
    """
    return np.asarray(((SHORTEST + np.asarray(length, np.float64)) / (SHORTEST + 1)) ** alpha)


@dataclass
class Best:
    """The best `most` answers to one source, the best first; of equally good ones, those that were found first."""

    most: int
    found: list[Hypothesis] = field(default_factory=list)

    def add(self, hypothesis: Hypothesis) -> None:
        """Keep an answer if it is one of the best."""
        if hypothesis.score > self.least:
            self.found.append(hypothesis)
            self.found.sort(key=lambda each: -each.score)
            del self.found[self.most :]

    @property
    def least(self) -> float:
        """What an answer must be better than to be kept."""
        return self.found[-1].score if len(self.found) == self.most else -np.inf


def as_rows(texts: list[Array]) -> Array:
    """Texts as one array [N, L] int32, 0 after the end of each."""
    rows = np.zeros((len(texts), max(map(len, texts), default=0)), np.int32)
    for row, text in zip(rows, texts, strict=True):
        row[: len(text)] = text
    return rows
