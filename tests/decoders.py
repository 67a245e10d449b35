"""Decoders that are tables: whatever was written, what comes next is looked up, so that every search can be checked."""

import itertools
from collections.abc import Iterator

import numpy as np

from pipeline.dataset import Array
from pipeline.decoding.decoder import END_TOKEN, START_TOKEN, Advanced, State

NUM_STATES = 997


class TableDecoder:
    """Knows sources by their number; what follows depends on the source and on all that was written.

    sharpness: how much likelier some tokens are than others. calls: the rows of every call.
    """

    def __init__(self, num_sources: int, vocabulary_size: int, seed: int, sharpness: float = 1.5) -> None:
        rng = np.random.default_rng(seed)
        logits = rng.normal(size=(num_sources, NUM_STATES, vocabulary_size)) * sharpness
        self.table = (logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))).astype(np.float32)
        self.calls: list[int] = []

    def begin(self, inputs: Array) -> State:
        return State({"source": inputs[:, :1].copy()}, {"seen": np.zeros((len(inputs), 1), np.int64)})

    def advance(self, tokens: Array, state: State) -> Advanced:
        self.calls.append(len(tokens))
        seen, found = state.carried["seen"], []
        for step in range(tokens.shape[1]):
            seen = (seen * 31 + tokens[:, step : step + 1] + 1) % NUM_STATES
            found.append(self.table[state.constants["source"], seen])
        return np.concatenate(found, axis=1), None, State(state.constants, {"seen": seen})

    def log_probability(self, source: int, text: tuple[int, ...]) -> float:
        """Of all tokens of a text, one after another, as searches add them up."""
        seen, total = (START_TOKEN + 1) % NUM_STATES, 0.0
        for token in text:
            total += self.table[source, seen, token]
            seen = (seen * 31 + token + 1) % NUM_STATES
        return float(total)


def all_texts(vocabulary_size: int, limit: int) -> Iterator[tuple[int, ...]]:
    """Every text that can be written: one that ends within `limit` tokens, its end included, or is cut there."""
    words = [token for token in range(1, vocabulary_size) if token not in (START_TOKEN, END_TOKEN)]
    for length in range(limit):
        yield from ((*text, END_TOKEN) for text in itertools.product(words, repeat=length))
    yield from itertools.product(words, repeat=limit)


def sources(number: int) -> Array:
    """The inputs [N, 1] of so many sources."""
    return np.arange(number)[:, None]
