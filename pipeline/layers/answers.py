"""How a network of sequences answers, by what it is asked: the activation of its last layer, and its loss.

Labels are answered with probabilities (one, of the second, where there are two labels), values as they are. A target
of -1 (labels) or NaN (values) is not asked for: it has no part in the loss, nor in the gradient.

Shape legend: B batch, T time steps, V labels, K values.
"""

from typing import Any

import keras
from keras import ops

from pipeline.views import ExampleSpec

Tensor = Any


def width(spec: ExampleSpec) -> int:
    """How many numbers an answer has at each place."""
    return 1 if "label" in spec.asks and spec.num_outputs == 2 else spec.num_outputs


def activate(answer: Tensor, spec: ExampleSpec) -> Tensor:
    """Probabilities from [.., width] numbers, or the numbers as values; whatever mask they had ends here."""
    if "value" in spec.asks:
        return ops.multiply(answer, 1.0)
    return ops.sigmoid(answer) if spec.num_outputs == 2 else ops.softmax(answer)


class AnswerLoss(keras.losses.Loss):
    """The mean loss over all that is asked of a batch: cross-entropy of labels, `value_loss` (mse or mae) of values."""

    def __init__(self, spec: ExampleSpec, label_smoothing: float = 0.0, value_loss: str = "mse") -> None:
        super().__init__(name="answer_loss")
        self.spec = spec
        self.label_smoothing = label_smoothing
        self.value_loss = value_loss

    def call(self, targets: Tensor, answers: Tensor) -> Tensor:
        losses, asked = (self._of_labels if "label" in self.spec.asks else self._of_values)(targets, answers)
        counts = ops.cast(asked, losses.dtype)
        return ops.sum(losses * counts) / ops.maximum(ops.sum(counts), 1.0)

    def _of_labels(self, targets: Tensor, probabilities: Tensor) -> tuple[Tensor, Tensor]:
        labels = ops.cast(ops.reshape(targets, ops.shape(probabilities)[:-1]), "int32")
        if self.spec.num_outputs == 2:
            probabilities = ops.concatenate([1 - probabilities, probabilities], axis=-1)
        one_hot = ops.one_hot(ops.maximum(labels, 0), self.spec.num_outputs)
        smoothing = self.label_smoothing
        losses = keras.losses.categorical_crossentropy(one_hot, probabilities, label_smoothing=smoothing)
        return losses, labels >= 0

    def _of_values(self, targets: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        asked = ops.logical_not(ops.isnan(targets))
        difference = values - ops.where(asked, targets, 0.0)  # no NaN may come near the gradient
        return (ops.square(difference) if self.value_loss == "mse" else ops.abs(difference)), asked
