"""What a language model writes while it learns: a text at each temperature after every few rounds of its training."""

import math
from dataclasses import dataclass
from typing import Any, TypedDict

import numpy as np

from pipeline.dataset import UNKNOWN, Dataset

TEMPERATURES = (0.5, 1.0)
LENGTH = 600
TIMES = 5  # in a whole training, with the one after its last round


class Sample(TypedDict):
    """A text, the round after which it was written, and at which temperature it was drawn."""

    round: int
    temperature: float
    text: str


@dataclass(frozen=True)
class Samples:
    """The texts of one training, each going on with the beginning of the validation split.

    writer: of the network that is trained, see `pipeline.layers.writing`. Its numbers are drawn from (seed, round).
    """

    writer: Any
    dataset: Dataset
    seed: int

    def after(self, number: int, num_rounds: int) -> list[Sample]:
        """What is written after round `number`, counted from 1; nothing after most."""
        if number % math.ceil(num_rounds / TIMES) and number != num_rounds:
            return []
        vocabulary = self.dataset.card.vocabulary or []
        allowed = np.array([name != UNKNOWN for name in vocabulary])
        beginning = self.dataset.split("validation")["x"][0, :-1]
        written = self.writer.write(
            np.stack([beginning] * len(TEMPERATURES)),
            np.random.default_rng((self.seed, number)).random((LENGTH, len(TEMPERATURES))),
            np.array(TEMPERATURES),
            allowed,
        )
        texts = ["".join(vocabulary[symbol] for symbol in symbols) for symbols in written.T]
        return [
            Sample(round=number, temperature=temperature, text=text)
            for temperature, text in zip(TEMPERATURES, texts, strict=True)
        ]
