"""One token after another, none of them ever taken back: greedy decoding, and drawing by chance.

Shape legend: R rows (a source each), V vocabulary, K tokens that may be drawn.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.dataset import Array
from pipeline.decoding.decoder import END_TOKEN, NEVER_WRITTEN, START_TOKEN, Decoder
from pipeline.decoding.hypotheses import Hypothesis, length_penalty

# Of the log-probabilities [R, V] of what may come next, the rows' sources [R] and the number of the step: a token each.
Choice = Callable[[Array, Array, int], Array]
SHARE_KEPT = 0.5  # rows that have ended are computed in vain until no more than this share of them has not


@dataclass(frozen=True)
class Sampling:
    """How tokens are drawn: a probability p becomes p^(1 / temperature), 0 taking the likeliest token; then only the
    `top_k` likeliest may be drawn, and of those the fewest that hold `top_p` of the probability (Holtzman et al., *The
    Curious Case of Neural Text Degeneration*, 2020). None: no bound. The text of source n is drawn from (seed, n)."""

    temperature: float = 1.0
    top_k: int | None = None
    top_p: float | None = None
    seed: int = 1


def greedy(decoder: Decoder, inputs: Array, limits: Array, alpha: float = 0.0) -> list[Hypothesis]:
    """The likeliest token at each step: an answer to each source of `inputs` [R, ...], of at most `limits` [R] tokens.

    alpha: of the length penalty in their scores.
    """
    return _follow(decoder, inputs, limits, lambda log_probability, *_: log_probability.argmax(axis=1), alpha)


def sample(
    decoder: Decoder, inputs: Array, limits: Array, sampling: Sampling, numbers: Sequence[int] | None = None
) -> list[Hypothesis]:
    """An answer to each source, drawn by chance; the sources' numbers are 0, 1, ... where they are not given.

    Their scores are their log-probabilities, at temperature 1.
    """
    if not sampling.temperature:
        return greedy(decoder, inputs, limits)
    drawn_from = range(len(limits)) if numbers is None else numbers
    generators = (np.random.default_rng((sampling.seed, number)) for number in drawn_from)
    uniforms = [generator.random(limit) for generator, limit in zip(generators, limits, strict=True)]

    def draw(log_probability: Array, sources: Array, step: int) -> Array:
        return drawn(log_probability, sampling, np.array([uniforms[source][step] for source in sources]))

    return _follow(decoder, inputs, limits, draw, alpha=0.0)


def drawn(log_probability: Array, sampling: Sampling, uniforms: Array) -> Array:
    """A token of each row [R, V], by a number from 0 to below 1 [R]."""
    order = np.argsort(-log_probability, axis=1, kind="stable")[:, : sampling.top_k]
    ordered = np.take_along_axis(log_probability, order, axis=1).astype(np.float64)
    shares = np.exp((ordered - ordered[:, :1]) / sampling.temperature)
    ends = shares.cumsum(axis=1)
    if sampling.top_p is not None:
        allowed = ends - shares < sampling.top_p * ends[:, -1:]  # what is likelier does not yet hold so much
        ends = (shares * allowed).cumsum(axis=1)
    places = (ends <= uniforms[:, None] * ends[:, -1:]).sum(axis=1)
    return np.take_along_axis(order, places[:, None], axis=1)[:, 0]


def _follow(decoder: Decoder, inputs: Array, limits: Array, choose: Choice, alpha: float) -> list[Hypothesis]:
    """The answers in which each token is the one that was chosen."""
    limits = np.asarray(limits)
    totals, lengths = np.zeros(len(limits)), np.zeros(len(limits), np.intp)
    written = np.zeros((len(limits), int(limits.max())), np.int32)
    state, sources = decoder.begin(inputs), np.arange(len(limits))
    tokens = np.full(len(limits), START_TOKEN, np.int32)
    going = np.ones(len(limits), bool)
    for step in range(written.shape[1]):
        log_probability, _, state = decoder.advance(tokens[:, None], state)
        log_probability = log_probability[:, -1]
        log_probability[:, NEVER_WRITTEN] = -np.inf
        tokens = choose(log_probability, sources, step).astype(np.int32)
        now = sources[going]
        totals[now] += log_probability[going, tokens[going]]
        lengths[now] += 1
        going &= tokens != END_TOKEN
        written[sources[going], step] = tokens[going]
        going &= limits[sources] > step + 1
        if not going.any():
            break
        if going.mean() <= SHARE_KEPT:
            state, sources, tokens = state.take(np.flatnonzero(going)), sources[going], tokens[going]
            going = going[going]
    scores = totals / length_penalty(lengths, alpha)
    return [
        Hypothesis(row[row > 0], float(total), float(score))
        for row, total, score in zip(written, totals, scores, strict=True)
    ]
