"""Apply layers to every frame of a clip at once, time folded into the batch.

`keras.layers.TimeDistributed` with a known number of steps is a Python loop over them; this computes the same thing in
one go, for any number of steps, and can be exported.
"""

from typing import Any

import keras
from keras import ops

Tensor = Any


@keras.saving.register_keras_serializable("cadence")
class PerFrame(keras.layers.Layer):
    """`layers` one after the other on each frame: [B, T, ...] -> [B, T, ...], as the last of them leaves it."""

    def __init__(self, layers: list[keras.layers.Layer], **options: Any) -> None:
        super().__init__(**options)
        self.layers = layers

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        shape = (None, *input_shape[2:])
        for layer in self.layers:
            if not layer.built:  # read from a file, it is
                layer.build(shape)
            shape = layer.compute_output_shape(shape)

    def call(self, inputs: Tensor, training: bool = False) -> Tensor:
        batch, steps = ops.shape(inputs)[:2]
        frames = ops.reshape(inputs, (-1, *inputs.shape[2:]))
        for layer in self.layers:
            frames = layer(frames, training=training) if isinstance(layer, keras.layers.Dropout) else layer(frames)
        return ops.reshape(frames, (batch, steps, *self.compute_output_shape(inputs.shape)[2:]))

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        shape = (None, *input_shape[2:])
        for layer in self.layers:
            shape = layer.compute_output_shape(shape)
        return (*input_shape[:2], *shape[1:])

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "layers": [keras.saving.serialize_keras_object(layer) for layer in self.layers]}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "PerFrame":
        layers = [keras.saving.deserialize_keras_object(layer) for layer in config.pop("layers")]
        return cls(layers, **config)
