"""Many answers become one: each frame of a clip has a vote, and learns by itself.

Shape legend: B clips, T frames, K classes.
"""

from typing import Any

import keras
from keras import ops

Tensor = Any
SMALLEST_SHARE = 1e-7


@keras.saving.register_keras_serializable("cadence")
class FrameVote(keras.layers.Layer):
    """Log-probabilities of each frame [B, T, K] -> the shares of the votes [B, K], which add up to 1.

    Each frame has a vote for its likeliest class, and all frames together one more, shared out as their mean
    probability, which decides between classes with equally many. No gradient passes a vote, so in training the answer
    is the geometric mean of the probabilities: its logarithm, of the right class, is the mean of what the frames would
    each have as a loss alone (`VoteCrossEntropy`). So no frame learns anything from another. The loss of votes, in
    validation, is another quantity, not to be compared with that of training.
    """

    def call(self, inputs: Tensor, training: bool = False) -> Tensor:
        if training:
            return ops.exp(ops.mean(inputs, axis=1))
        classes = inputs.shape[-1]
        _, likeliest = ops.top_k(inputs, 1)  # argmax has no ONNX form
        votes = ops.one_hot(likeliest[..., 0], classes, dtype=inputs.dtype)
        together = ops.sum(votes, axis=1) + ops.mean(ops.exp(inputs), axis=1)
        return together / ops.sum(together, axis=-1, keepdims=True)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return (input_shape[0], input_shape[2])


@keras.saving.register_keras_serializable("cadence")
class VoteCrossEntropy(keras.losses.Loss):
    """-log of the answer [B, K] for the right class, as it is: what the geometric mean lacks to 1 is part of it."""

    def __init__(self, label_smoothing: float = 0.0, **options: Any) -> None:
        super().__init__(**options)
        self.label_smoothing = label_smoothing

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        classes = y_pred.shape[-1]
        targets = ops.one_hot(ops.reshape(ops.cast(y_true, "int32"), (-1,)), classes, dtype=y_pred.dtype)
        targets = targets * (1 - self.label_smoothing) + self.label_smoothing / classes
        return -ops.sum(targets * ops.log(ops.maximum(y_pred, SMALLEST_SHARE)), axis=-1)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "label_smoothing": self.label_smoothing}
