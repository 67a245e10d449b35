"""Cross-entropy of class indices with label smoothing, which Keras has for one-hot targets only.

With `label_smoothing` s the target is 1 - s on the right class plus s spread evenly over all (Szegedy et al. 2016,
*Rethinking the Inception Architecture*). The loss then has its minimum at finite logits, so the gradient does not die
out when all is right, and a rare hard example is no burst beside it.
"""

from typing import Any

import keras
from keras import ops

Tensor = Any


class ClassCrossEntropy(keras.losses.Loss):
    """Targets [B] or [B, 1] of class indices against probabilities [B, classes], or [B, 1] of the second of two."""

    def __init__(self, label_smoothing: float = 0.0) -> None:
        super().__init__(name="class_cross_entropy")
        self.label_smoothing = label_smoothing

    def call(self, targets: Tensor, probabilities: Tensor) -> Tensor:
        classes = probabilities.shape[-1]
        if classes == 1:
            targets = ops.reshape(targets, ops.shape(probabilities))
            return keras.losses.binary_crossentropy(targets, probabilities, label_smoothing=self.label_smoothing)
        one_hot = ops.one_hot(ops.cast(ops.reshape(targets, (-1,)), "int32"), classes)
        return keras.losses.categorical_crossentropy(one_hot, probabilities, label_smoothing=self.label_smoothing)
