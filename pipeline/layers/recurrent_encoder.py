"""Recurrent layers that read a sequence whole: what they answered at each step, and the states that they ended in.

Shape legend: B batch, S steps, D features, U units, M width of the last layer's outputs: U, or 2U of both directions.
"""

from typing import Any

import keras
from keras import ops

from pipeline.layers.cells import recurrent_layer
from pipeline.layers.decoder_parameters import DecoderParameters

Tensor = Any


class RecurrentEncoder:
    """The layers of an encoder, in a form to be trained (`fast`) or exported.

    Where they read both ways, what a layer of the decoder begins with is made of the last states of both directions:
    tanh of one dense layer for the hidden state (Bahdanau et al. 2015, A.2.2), another one's output for the cell's.
    """

    def __init__(self, parameters: DecoderParameters, bidirectional: bool, fast: bool) -> None:
        def one(units: int, **options: Any) -> keras.layers.Layer:
            given = {"fast": fast, "return_sequences": True, "return_state": True}
            return recurrent_layer(parameters.cell, units, **given, **options)

        def both(units: int) -> keras.layers.Layer:
            return keras.layers.Bidirectional(one(units), backward_layer=one(units, go_backwards=True))

        self.layers = [(both if bidirectional else one)(units) for units in parameters.units]
        self.dropouts = [keras.layers.Dropout(parameters.dropout) for _ in parameters.units[1:]]
        self.bridges = [
            [keras.layers.Dense(units, activation=activation) for activation in state_activations(parameters.cell)]
            for units in parameters.units
            if bidirectional
        ]

    def __call__(self, features: Tensor, mask: Tensor | None = None) -> tuple[Tensor, list[Tensor]]:
        """Outputs [B, S, M] for features [B, S, D], and the states [B, U] that a decoder begins with, layer by layer.

        mask: [B, S], true before the end of each sequence.
        """
        states: list[Tensor] = []
        for place, layer in enumerate(self.layers):
            if place:
                features = self.dropouts[place - 1](features)
            features, *reached = layer(features, mask=mask)
            states += self._bridged(place, reached)
        return features, states

    def _bridged(self, place: int, reached: list[Tensor]) -> list[Tensor]:
        if not self.bridges:
            return reached
        half = len(reached) // 2
        directions = zip(reached[:half], reached[half:], strict=True)
        joined = [ops.concatenate(pair, axis=-1) for pair in directions]
        return [bridge(state) for bridge, state in zip(self.bridges[place], joined, strict=True)]


def state_activations(cell: str) -> tuple[str, ...]:
    """Of what makes the states of a layer: hidden ones lie between -1 and 1, those of an LSTM's cell anywhere."""
    return ("tanh", "linear") if cell == "lstm" else ("tanh",)
