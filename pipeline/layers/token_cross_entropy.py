"""The cross-entropy of the tokens of a text against logits: over its real tokens, with label smoothing.

With a vocabulary of ten thousand the logits of a batch are most of what a training computes, and each pass over them
costs: the smoothed targets are never written down, and loss and gradient are one compiled pass each.

Shape legend: B batch, T tokens, N = B * T, V tokens of the vocabulary.
"""

from collections.abc import Callable
from functools import cache
from typing import Any

import keras
from keras import ops

from pipeline.layers.compiled import compiled

Tensor = Any


class TokenCrossEntropy(keras.losses.Loss):
    """Targets [B, T], -1 where nothing is asked, against logits [B, T, V]: the mean over all tokens of the batch.

    label_smoothing: the share of each target that is spread evenly over the vocabulary (Szegedy et al. 2016).
    """

    def __init__(self, label_smoothing: float = 0.0) -> None:
        super().__init__(name="token_cross_entropy")
        self.label_smoothing = label_smoothing

    def call(self, targets: Tensor, logits: Tensor) -> Tensor:
        tokens = ops.reshape(ops.cast(targets, "int32"), (-1,))
        asked = ops.cast(tokens >= 0, logits.dtype)
        of_rows = compiled(cross_entropy(self.label_smoothing))
        rows = ops.reshape(logits, (-1, logits.shape[-1]))
        losses = of_rows(rows, ops.cast(ops.maximum(tokens, 0), logits.dtype))
        return ops.sum(losses * asked) / ops.maximum(ops.sum(asked), 1.0)


@cache
def cross_entropy(label_smoothing: float) -> Callable[[Tensor, Tensor], Tensor]:
    """A function of logits [N, V] and tokens [N], as floats like all that has a gradient, here 0.

    It gives -sum of target * log softmax(logits), [N]. The target is 1 - s at the token plus s / V everywhere, s being
    the smoothing; so the gradient in the logits is softmax(logits) - target.
    """

    @ops.custom_gradient
    def of_rows(logits: Tensor, tokens: Tensor) -> Any:
        total = ops.logsumexp(logits, axis=-1)
        right = ops.sum(ops.where(_chosen(tokens, logits), logits, 0.0), axis=-1)
        losses = total - (1 - label_smoothing) * right - label_smoothing * ops.mean(logits, axis=-1)

        def gradient(*arguments: Tensor, upstream: Tensor | None = None) -> tuple[Tensor, Tensor]:
            above = arguments[0] if upstream is None else upstream
            even = label_smoothing / logits.shape[-1]
            target = ops.where(_chosen(tokens, logits), 1 - label_smoothing + even, even)
            return above[:, None] * (ops.exp(logits - total[:, None]) - target), ops.zeros_like(tokens)

        return losses, gradient

    return of_rows


def _chosen(tokens: Tensor, logits: Tensor) -> Tensor:
    """Where the token stands among the logits: [N, V]."""
    return ops.arange(logits.shape[-1], dtype="int32")[None] == ops.cast(tokens, "int32")[:, None]
