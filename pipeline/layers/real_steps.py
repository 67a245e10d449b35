"""Where sequences of different lengths end: padding comes as NaN, and leaves as zeros and a mask.

Unlike `keras.layers.Masking(0)`, no step that counts is taken for padding because all it measured happens to be zero.
Shape legend: B batch, T time steps, F features.
"""

from typing import Any

import keras
from keras import ops

Tensor = Any


@keras.saving.register_keras_serializable("cadence")
class RealSteps(keras.layers.Layer):
    """Steps [B, T, F] with zeros where all is NaN; the layers that follow are given a mask [B, T] of the others."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.supports_masking = True

    def call(self, inputs: Tensor) -> Tensor:
        return ops.where(ops.isnan(inputs), ops.zeros_like(inputs), inputs)

    def compute_mask(self, inputs: Tensor, mask: Tensor | None = None) -> Tensor:
        return ops.logical_not(ops.isnan(inputs[..., 0]))

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return input_shape
