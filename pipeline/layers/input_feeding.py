"""Recurrent layers that read, beside each input, what attention made of the step before.

Luong et al., *Effective Approaches to Attention-based Neural Machine Translation* (2015), section 3.3. As no step can
be computed before the one before it was attended, this is a loop of single steps, several times slower than attention
after all of them.

Shape legend: B batch, T steps, D features, U units of the last layer, W width of the attention vector.
"""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from pipeline.layers.attention import Attention

Tensor = Any


@keras.saving.register_keras_serializable("cadence")
class InputFeeding(keras.layers.Layer):
    """Features [B, T, D] -> outputs of the last layer [B, T, U], to which the attention vectors belong that were fed.

    layers: recurrent ones, whose cells are used. states: of all layers at first, and the vector [B, W] that is fed to
    the first step. dropout: between the layers, drawn anew for each step.
    """

    def __init__(
        self, layers: Sequence[keras.layers.Layer], attention: Attention, dropout: float = 0.0, **options: Any
    ) -> None:
        super().__init__(**options)
        self.layers = list(layers)
        self.attention = attention
        self.dropout = dropout
        self.seeds = keras.random.SeedGenerator()

    def build(
        self, features_shape: Any, memory_shape: Any, keys_shape: Any, places_shape: Any, states_shape: Any
    ) -> None:
        width = features_shape[-1] + self.attention.width
        for layer in self.layers:
            layer.build((None, None, width))
            width = layer.units
        self.attention.build((None, None, width), memory_shape, keys_shape, places_shape)

    def call(
        self,
        features: Tensor,
        memory: Tensor,
        keys: Tensor,
        places: Tensor,
        states: Sequence[Tensor],
        training: bool = False,
    ) -> Tensor:
        def step(carried: Sequence[Tensor], given: Sequence[Tensor]) -> Any:
            feature, *kept = given
            *before, fed = carried
            output = ops.concatenate([feature, fed], axis=-1)
            after: list[Tensor] = []
            for place, layer in enumerate(self.layers):
                if place and kept:
                    output = output * kept[place - 1]
                count = len(before) // len(self.layers)
                output, state = layer.cell(output, before[place * count : (place + 1) * count])
                after += state
            vector, _ = self.attention(output[:, None], memory, keys, places)
            # What a loop records has the shapes of what it carries, so the output is found among the states.
            found = [*after, vector[:, 0]]
            return found, found

        batch = ops.shape(features)[0]
        first = [ops.reshape(state, (batch, state.shape[-1])) for state in states]
        _, reached = ops.scan(step, first, [ops.swapaxes(features, 0, 1), *self._kept(features, training)])
        per_layer = (len(reached) - 1) // len(self.layers)
        return ops.swapaxes(reached[-1 - per_layer], 0, 1)

    def _kept(self, features: Tensor, training: bool) -> list[Tensor]:
        """For each layer but the last [T, B, U]: 0 for what is dropped of its outputs, drawn before the loop."""
        if not (training and self.dropout):
            return []
        batch, steps = ops.shape(features)[:2]
        ones = [ops.ones((steps, batch, layer.units), features.dtype) for layer in self.layers[:-1]]
        return [keras.random.dropout(each, self.dropout, seed=self.seeds) for each in ones]

    def compute_output_shape(
        self, features_shape: Any, memory_shape: Any, keys_shape: Any, places_shape: Any, states_shape: Any
    ) -> Any:
        return (*features_shape[:2], self.layers[-1].units)
