"""Two answers to one question, learnt apart and given together.

Two parts of a network that answer with their sum learn to correct each other, and the one that learns by heart faster
leaves the other nothing to learn. Here each example is answered by one of them in training, by lot, as if the other
were not there; afterwards both answer, and the mean of their logits counts: the average of two networks that
*Dropout* (Srivastava et al. 2014) makes of many.
"""

from typing import Any

import keras
from keras import ops

Tensor = Any


@keras.saving.register_keras_serializable("cadence")
class EitherAnswer(keras.layers.Layer):
    """Logits [B, V] and logits [B, V] -> those of one of them for each example in training, else their mean."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.seeds = keras.random.SeedGenerator()

    def call(self, first: Tensor, second: Tensor, training: bool = False) -> Tensor:
        if not training:
            return (first + second) / 2
        lot = keras.random.uniform((ops.shape(first)[0], 1), seed=self.seeds)
        return ops.where(lot < 0.5, first, second)

    def compute_output_shape(
        self, first_shape: tuple[int | None, ...], second_shape: tuple[int | None, ...]
    ) -> tuple[int | None, ...]:
        return first_shape
