"""A linear-chain conditional random field: a whole sequence of labels is scored, not each label by itself.

Lafferty, McCallum & Pereira, *Conditional Random Fields* (2001); at the end of a recurrent network: Lample et al.,
*Neural Architectures for Named Entity Recognition* (2016).

The network answers with the score of each pair of neighbouring labels, in which everything else is contained: what may
not follow scores `FORBIDDEN`, the first step has a score for beginning with a label and the last one for ending with
it, and beyond the end each label stays what it is and adds nothing. So one tensor is all that the loss here and the
decoding (`pipeline.viterbi`) need, without a mask. Both see the same distribution: what is forbidden has no
probability in training either, and the network need not learn it (Papay, Klinger & Pado 2022, *Constraining
Linear-chain CRFs to Regular Languages*).

Shape legend: B batch, T time steps, K labels.
"""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from pipeline.layers.compiled import compiled, compiled_way
from pipeline.layers.recurrent_loop import as_tuple, before, loop

Tensor = Any
# So low that exp of it is 0, and finite; a detour by labels that are allowed never costs as much.
FORBIDDEN = -1e4


@keras.saving.register_keras_serializable("cadence")
class PairScores(keras.layers.Layer):
    """Emissions [B, T, K] and their mask [B, T], a prefix of each row, become the scores [B, T, K, K] of pairs.

    [b, t, i, j] is the score of label j at step t after label i at the step before; at the first step it is the same
    for all i. first, last [K], pairs [K, K]: which labels may begin, end and follow each other; all, if none is given.
    fast: compiled as a whole, which cannot be exported.
    """

    def __init__(
        self,
        first: Sequence[bool] | None = None,
        pairs: Sequence[Sequence[bool]] | None = None,
        last: Sequence[bool] | None = None,
        fast: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.first, self.pairs, self.last, self.fast = first, pairs, last, fast
        self.supports_masking = True

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        labels = int(input_shape[-1] or 0)
        self.transitions = self.add_weight(shape=(labels, labels), initializer="zeros", name="transitions")
        self.beginning = self.add_weight(shape=(labels,), initializer="zeros", name="beginning")
        self.end = self.add_weight(shape=(labels,), initializer="zeros", name="end")
        rules = zip((self.first, self.pairs, self.last), ([labels], [labels, labels], [labels]), strict=True)
        self.allowed = [np.ones(shape, bool) if rule is None else np.array(rule, bool) for rule, shape in rules]

    def call(self, emissions: Tensor, mask: Tensor | None = None) -> Tensor:
        real = ops.ones_like(emissions[..., 0], dtype="bool") if mask is None else ops.cast(mask, "bool")
        weights = [weight.value for weight in (self.transitions, self.beginning, self.end)]
        return (compiled(_pair_scores) if self.fast else _pair_scores)(emissions, real, *weights, *self.allowed)

    def compute_mask(self, inputs: Tensor, mask: Tensor | None = None) -> None:
        """The mask has become part of the scores."""

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return (*input_shape, input_shape[-1])

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "first": self.first, "pairs": self.pairs, "last": self.last, "fast": self.fast}


def _pair_scores(
    emissions: Tensor,
    real: Tensor,
    transitions: Tensor,
    beginning: Tensor,
    end: Tensor,
    may_begin: Tensor,
    may_follow: Tensor,
    may_end: Tensor,
) -> Tensor:
    """Scores [B, T, K, K] of emissions [B, T, K], of which `real` [B, T] count."""
    goes_on = ops.concatenate([real[:, 1:], ops.zeros_like(real[:, :1])], axis=1)
    ends = ops.logical_and(real, ops.logical_not(goes_on))[..., None]
    emissions = emissions + ops.where(ends, end, 0.0)
    emissions = ops.where(ops.logical_or(ops.logical_not(ends), may_end), emissions, FORBIDDEN)
    first = _or_forbidden(emissions[:, :1] + beginning, may_begin)[:, :, None]
    scores = _or_forbidden(emissions[:, :, None] + transitions, may_follow)
    scores = ops.concatenate([first + ops.zeros_like(scores[:, :1]), scores[:, 1:]], axis=1)
    stays = (1 - ops.eye(emissions.shape[-1], dtype=scores.dtype)) * FORBIDDEN
    return ops.where(real[..., None, None], scores, stays)


def _or_forbidden(scores: Tensor, allowed: Tensor) -> Tensor:
    """Exactly `FORBIDDEN`, whatever was added to it, where something is not allowed."""
    return ops.where(ops.logical_and(scores > FORBIDDEN / 2, allowed), scores, FORBIDDEN)


class SequenceLoss(keras.losses.Loss):
    """-log p(labels | inputs) of whole sequences, over the number of their steps: [B, T] against pair scores.

    Labels end where they are -1, as the mask of the scores does.
    """

    def __init__(self) -> None:
        super().__init__(name="sequence_loss")

    def call(self, targets: Tensor, scores: Tensor) -> Tensor:
        labels = ops.cast(targets, "int32")
        steps = ops.sum(ops.cast(labels >= 0, scores.dtype))
        return ops.sum(negative_log_likelihood(scores, labels)) / ops.maximum(steps, 1.0)


def negative_log_likelihood(scores: Tensor, labels: Tensor) -> Tensor:
    """-log p [B] of labels [B, T], -1 from the end on, by pair scores [B, T, K, K].

    The forward algorithm in log space. What a step adds to log Z and what the labels score there are subtracted step
    by step, as over 10,000 of them both sums are large and their difference is not.
    """
    return _likelihood(ops.moveaxis(scores, 1, 0), ops.moveaxis(score_of(scores, labels), 1, 0))


def log_partition(scores: Tensor) -> Tensor:
    """The logarithm [B] of the sum over all sequences of labels of exp of their score."""
    by_step = ops.moveaxis(scores, 1, 0)
    return _likelihood(by_step, ops.zeros_like(by_step[:, :, 0, 0]))


def score_of(scores: Tensor, labels: Tensor) -> Tensor:
    """What labels [B, T] score at each step [B, T]; 0 where they have ended, in -1."""
    size = scores.shape[-1]
    chosen = ops.cast(ops.one_hot(labels, size), scores.dtype)  # nothing for -1
    first = ops.zeros_like(labels[:, :1])  # any: the first step's scores are the same for all
    previous = ops.cast(ops.one_hot(ops.concatenate([first, labels[:, :-1]], axis=1), size), scores.dtype)
    return ops.sum(scores * previous[..., None] * chosen[..., None, :], axis=(-2, -1))


@ops.custom_gradient
def _likelihood(scores: Tensor, chosen: Tensor) -> Any:
    """log Z - sum of `chosen` [B], of scores [T, B, K, K] and those of some labels [T, B].

    The gradient of log Z is the probability of each pair, found by the backward algorithm.
    """
    reached, added = compiled_way(_forward)(scores)
    result = ops.sum(added - chosen, axis=0)

    def gradient(*upstream: Any) -> tuple[Tensor, Tensor]:
        (above,) = as_tuple(upstream)
        pairs = compiled_way(_pair_probabilities)(scores, reached)
        return pairs * above[None, :, None, None], -above[None] * ops.ones_like(chosen)

    return result, gradient


def _certain_first(scores: Tensor) -> Tensor:
    """log p [B, K] of the label before the first step: the first one, though any would do."""
    size = scores.shape[-1]
    return ops.zeros_like(scores[0, :, 0]) + FORBIDDEN * (1 - ops.one_hot(0, size, dtype=scores.dtype))


def _forward(scores: Tensor) -> tuple[Tensor, Tensor]:
    """log p of each label given everything up to its step [T, B, K], and what the step adds to log Z [T, B]."""
    steps, batch, labels = ops.shape(scores)[:3]

    def step(t: Tensor, state: tuple[Tensor, ...]) -> Any:
        (known,) = state
        totals = ops.logsumexp(known[:, :, None] + scores[t], axis=1)
        added = ops.logsumexp(totals, axis=1, keepdims=True)
        after = totals - added
        return (after,), (after, added)

    records = (ops.zeros((steps, batch, labels), scores.dtype), ops.zeros((steps, batch, 1), scores.dtype))
    (reached, added) = loop(step, (_certain_first(scores),), records, steps)[1]
    return reached, added[..., 0]


def _pair_probabilities(scores: Tensor, reached: Tensor) -> Tensor:
    """The probability [T, B, K, K] of each pair of labels at each step, given everything."""
    steps, batch, labels = ops.shape(scores)[:3]

    def step(t: Tensor, state: tuple[Tensor, ...]) -> Any:
        (ahead,) = state
        totals = ops.logsumexp(scores[t] + ahead[:, None], axis=2)
        return (totals - ops.max(totals, axis=1, keepdims=True),), (ahead,)

    record = ops.zeros((steps, batch, labels), scores.dtype)
    (ahead,) = loop(step, (ops.zeros_like(reached[0]),), (record,), steps, backwards=True)[1]
    joint = before(_certain_first(scores), reached)[..., None] + scores + ahead[:, :, None]
    return ops.reshape(ops.softmax(ops.reshape(joint, (steps, batch, labels * labels))), ops.shape(scores))
