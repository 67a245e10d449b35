"""A text whose next letter depends on the few before it and on chance, by a table that is known: a Markov chain.

After Shannon, *A Mathematical Theory of Communication* (1948), section 3. Whole numbers weigh what may follow, and the
letters are drawn with whole numbers alone, so the probability of every letter of the text is known exactly.

Shape legend: N examples, T steps, C contexts (the last `order` letters), A letters.
"""

import math
from string import ascii_lowercase
from typing import Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from pipeline.dataset import Array, Arrays, Description
from pipeline.noise import DIGITS

LETTERS = f" {ascii_lowercase}"
# Readers of none of the letters before, and of one: both in vain where the next depends on more.
FEWER = ("letters by their frequency", "letters by the one before")
RUN_IN = 32  # letters drawn and thrown away: the first context is drawn evenly, later ones as the chain visits them


class Parameters(BaseModel):
    """letters: how many there are. order: how many letters back the next one depends on. length: steps of an example,
    which holds a letter more. likely: how many letters often follow each context; all others seldom do. language: the
    seed of the table, which all splits share."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    letters: int = Field(ge=3, le=len(LETTERS))
    order: int = Field(ge=1, le=3)
    length: int = Field(ge=4, le=100_000)
    likely: int = Field(default=3, ge=1, le=len(LETTERS))
    language: int = Field(default=0, ge=0)

    @classmethod
    def small(cls) -> Self:
        """Parameters that tests and smoke runs shrink with."""
        return cls(letters=4, order=2, length=10, likely=2)


def draw_split(parameters: Parameters, num_examples: int, rng: np.random.Generator) -> Arrays:
    """`x` [N, length + 1] uint8: letters of one text each, from the middle of it."""
    cumulative = np.cumsum(weights(parameters), axis=1)
    contexts = rng.integers(0, len(cumulative), num_examples)
    x = np.empty((num_examples, parameters.length + 1), dtype=np.uint8)
    for step in range(-RUN_IN, x.shape[1]):
        drawn = rng.integers(0, cumulative[contexts, -1])
        letters = (drawn[:, None] >= cumulative[contexts]).sum(axis=1)
        contexts = (contexts * parameters.letters + letters) % len(cumulative)
        if step >= 0:
            x[:, step] = letters
    return {"x": x}


def weights(parameters: Parameters) -> Array:
    """How often each letter follows each context, in whole numbers: [C, A], a context being its letters as digits."""
    rng = np.random.default_rng(parameters.language)
    num_contexts = parameters.letters**parameters.order
    table = rng.integers(1, 3, (num_contexts, parameters.letters))
    for _ in range(parameters.likely):
        table[np.arange(num_contexts), rng.integers(0, parameters.letters, num_contexts)] += rng.integers(
            10, 101, num_contexts
        )
    return table


def describe(parameters: Parameters, test: Arrays) -> Description:
    """Ceilings: what the table itself reaches on those letters of the test split that have a whole context."""
    counts = count_followers(test["x"], parameters.letters, parameters.order)
    return Description(
        text=f"letters that depend on the {parameters.order} before them and on chance",
        layout="symbols",
        vocabulary=list(LETTERS[: parameters.letters]),
        first_answer=parameters.order - 1,
        ceilings=scores(counts, weights(parameters)),
        references={
            name: _best_by_fewer(counts, parameters.letters, order)
            for order, name in enumerate(FEWER[: parameters.order])
        },
        disjoint=parameters.length >= 50,  # of short ones some come twice
    )


def count_followers(x: Array, letters: int, order: int) -> Array:
    """How often each letter follows each context in examples [N, T + 1]: [C, A]."""
    contexts = np.zeros((len(x), x.shape[1] - order), dtype=np.int64)
    for back in range(order):
        contexts = contexts * letters + x[:, back : x.shape[1] - order + back]
    pairs = contexts * letters + x[:, order:]
    return np.bincount(pairs.ravel(), minlength=letters ** (order + 1)).reshape(-1, letters)


def scores(counts: Array, table: Array) -> dict[str, float]:
    """What a reader of `table` [C, A] reaches, where letters followed contexts as often as `counts` [C, A] says.

    Summed exactly: `math.fsum` gives the same whatever the order.
    """
    total = int(counts.sum())
    nats = math.fsum(
        int(count) * math.log(int(row.sum()) / int(weight))
        for row, counted in zip(table, counts, strict=True)
        for weight, count in zip(row, counted, strict=True)
        if count
    )
    right = int(counts[np.arange(len(table)), table.argmax(axis=1)].sum())
    cross_entropy = nats / total
    return {
        "cross_entropy": round(cross_entropy, DIGITS),
        "bits_per_character": round(cross_entropy / math.log(2), DIGITS),
        "perplexity": round(math.exp(cross_entropy), DIGITS),
        "next_character_accuracy": round(right / total, DIGITS),
    }


def _best_by_fewer(counts: Array, letters: int, order: int) -> dict[str, float]:
    """What a reader of the last `order` letters reaches at best, one that had counted these very examples."""
    fewer = counts.reshape(-1, letters**order, letters).sum(axis=0)
    return scores(fewer, fewer)
