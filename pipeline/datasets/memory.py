"""Sequences that can only be finished by remembering how they began: the first symbol comes back at the end.

After Hochreiter & Schmidhuber, *Long Short-Term Memory* (1997), experiment 2, in the form of Brownlee's demonstration:
3,0,1,2,3 and 4,0,1,2,4. In general: a cue, then counting through the other symbols, then the cue again.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from pipeline.dataset import Array, Arrays, Description


class Parameters(BaseModel):
    """alphabet: number of symbols. length: symbols in a sequence. num_sequences: how many sequences, each with its own
    cue (the last `num_sequences` symbols of the alphabet). random: whether the symbols between are drawn anew each time
    instead of counted."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    alphabet: int = Field(ge=3, le=256)
    length: int = Field(ge=3, le=100_000)
    num_sequences: int = Field(ge=2)
    random: bool = False

    @model_validator(mode="after")
    def _leave_symbols_to_count_with(self) -> Self:
        if self.num_sequences >= self.alphabet:
            raise ValueError(
                f"num_sequences is {self.num_sequences}; allowed: 2 to {self.alphabet - 1}, one less than the alphabet"
            )
        return self

    @classmethod
    def small(cls) -> Self:
        """Parameters that tests and smoke runs shrink with."""
        return cls(alphabet=5, length=5, num_sequences=2)


def draw_split(parameters: Parameters, num_examples: int, rng: np.random.Generator) -> Arrays:
    """`x` [N, length] uint8: the cues in turn. Unless the symbols between are random, all splits hold the same."""
    sequences = all_sequences(parameters)
    x = sequences[np.arange(num_examples) % len(sequences)]
    if parameters.random:
        num_fillers = parameters.alphabet - parameters.num_sequences
        x[:, 1:-1] = rng.integers(0, num_fillers, (num_examples, parameters.length - 2), dtype=np.uint8)
    return {"x": x}


def all_sequences(parameters: Parameters) -> Array:
    """The sequences [num_sequences, length]."""
    num_fillers = parameters.alphabet - parameters.num_sequences
    cues = np.arange(num_fillers, parameters.alphabet)
    fillers = np.arange(parameters.length - 2) % num_fillers
    filled = np.broadcast_to(fillers, (len(cues), len(fillers)))
    return np.concatenate([cues[:, None], filled, cues[:, None]], axis=1).astype(np.uint8)


def describe(parameters: Parameters, test: Arrays) -> Description:
    """Vocabulary and ceilings of the sequences."""
    accuracy, sequence_accuracy = random_accuracies(parameters) if parameters.random else bayes_accuracies(test["x"])
    return Description(
        text=f"{parameters.num_sequences} sequences of {parameters.length} symbols whose last symbol is their first",
        layout="symbols",
        vocabulary=[str(symbol) for symbol in range(parameters.alphabet)],
        ceilings={"accuracy": accuracy, "sequence_accuracy": sequence_accuracy},
        disjoint=False,
    )


def random_accuracies(parameters: Parameters) -> tuple[float, float]:
    """The same, as expected values, where the symbols between are random: each is guessed, only the last is known.

    A guesser's luck on the examples that were drawn lies a little above or below.
    """
    luck = 1 / (parameters.alphabet - parameters.num_sequences)
    guessed = parameters.length - 2
    chance = 1.0
    for _ in range(guessed):
        chance *= luck
    return (guessed * luck + 1) / (guessed + 1), chance


def bayes_accuracies(sequences: Array) -> tuple[float, float]:
    """Best reachable share of right steps, and of sequences right in all steps, for a reader of everything before.

    For steps, the best answer to each prefix is the symbol that follows it most often. For sequences it is to finish
    each first symbol, which is seen and not answered, as the most frequent sequence that begins with it goes on.
    """
    followers: dict[bytes, Counter[int]] = defaultdict(Counter)
    wholes: dict[int, Counter[bytes]] = defaultdict(Counter)
    for sequence in sequences:
        wholes[int(sequence[0])][sequence.tobytes()] += 1
        for step in range(1, len(sequence)):
            followers[sequence[:step].tobytes()][int(sequence[step])] += 1
    return _share_of_most_frequent(followers), _share_of_most_frequent(wholes)


def _share_of_most_frequent(counters: Mapping[Any, Counter[Any]]) -> float:
    right = sum(max(counter.values()) for counter in counters.values())
    return right / sum(counter.total() for counter in counters.values())
