"""What is learned of each place by itself, added to what was found there: attention alone does not know where it looks.

Gehring et al., *Convolutional Sequence to Sequence Learning* (2017), section 3.1. Shape legend: B batch, S places, F
features.
"""

from typing import Any

import keras

Tensor = Any


@keras.saving.register_keras_serializable("cadence")
class Positions(keras.layers.Layer):
    """Features [B, S, F] of a known number of places, and a learned vector [F] of each added to them."""

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        self.vectors = self.add_weight(shape=input_shape[1:], initializer="uniform", name="vectors")

    def call(self, inputs: Tensor) -> Tensor:
        return inputs + self.vectors

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return input_shape
