"""Reading given answers: how likely each token of them is, and where the decoder looks while it reads them.

Shape legend: N sources, T tokens, S steps of a source, V vocabulary.
"""

import numpy as np

from pipeline.dataset import Array
from pipeline.decoding.decoder import START_TOKEN, Decoder

NUMBERS_AT_ONCE = 1 << 24


def read(decoder: Decoder, inputs: Array, previous: Array, at_once: int | None = None) -> tuple[Array, Array | None]:
    """Log-probabilities [N, T, V] of what may follow each token of `previous` [N, T], and attention [N, T, S].

    at_once: how many tokens are read in a call; None for all of them.
    """
    state, found = decoder.begin(inputs), []
    for start in range(0, previous.shape[1], at_once or previous.shape[1]):
        some = np.ascontiguousarray(previous[:, start:][:, :at_once])
        log_probability, attention, state = decoder.advance(some, state)
        found.append((log_probability, attention))
    log_probabilities, attentions = zip(*found, strict=True)
    looked = None if attentions[0] is None else np.concatenate(attentions, axis=1)
    return np.concatenate(log_probabilities, axis=1), looked


def nats(decoder: Decoder, inputs: Array, previous: Array, targets: Array) -> Array:
    """[N, 2]: the sum of -log p of the tokens that are asked for in `targets` [N, T], and how many they are.

    previous: the tokens before them. A target of -1 is not asked for. Done a few steps at a time, that the
    probabilities of a large vocabulary need not lie in memory for all of them.
    """
    state, found, start = decoder.begin(inputs), np.zeros((len(targets), 2)), 0
    steps = 1
    while start < targets.shape[1]:
        part = slice(start, start + steps)
        log_probability, _, state = decoder.advance(np.ascontiguousarray(previous[:, part]), state)
        asked = targets[:, part] >= 0
        true = np.take_along_axis(log_probability, np.maximum(targets[:, part], 0)[..., None], axis=2)[..., 0]
        found += np.stack([np.where(asked, -true.astype(np.float64), 0).sum(axis=1), asked.sum(axis=1)], axis=1)
        start += steps
        steps = max(1, NUMBERS_AT_ONCE // (len(targets) * log_probability.shape[2]))
    return found


def attention_to(decoder: Decoder, inputs: Array, tokens: Array) -> Array | None:
    """Where the decoder looks [N, T + 1, S] while it writes `tokens` [N, T] and, at last, their end."""
    start = np.full((len(tokens), 1), START_TOKEN, np.int32)
    return read(decoder, inputs, np.concatenate([start, tokens], axis=1))[1]
