"""An LSTM that carries its state from one call to the next: the field's stateful LSTM, with the reset as an input.

Gradients end where the call begins (truncated backpropagation through time, Williams & Peng 1990), the state does not.
That the reset is data, not a method to be called between batches, lets many updates run as one compiled step.

Shape legend: B batch, T time steps of one call, D features, U units.
"""

from typing import Any

import keras

Tensor = Any
STATE_NAMES = ("carried_hidden", "carried_cell")


@keras.saving.register_keras_serializable("cadence")
class CarriedLSTM(keras.layers.Layer):
    """All hidden states [B, T, U] of inputs [B, T, D] and `first` [B, 1], which is 1 where a new sequence begins."""

    def __init__(self, units: int, batch_size: int, **options: Any) -> None:
        super().__init__(**options)
        self.units = units
        self.batch_size = batch_size
        self.lstm = keras.layers.LSTM(units, return_sequences=True, return_state=True)

    def build(self, input_shape: list[tuple[int | None, ...]]) -> None:
        self.lstm.build((self.batch_size, *input_shape[0][1:]))
        self.carried = [
            self.add_weight(shape=(self.batch_size, self.units), initializer="zeros", trainable=False, name=name)
            for name in STATE_NAMES
        ]

    def call(self, inputs: list[Tensor]) -> Tensor:
        features, first = inputs
        state = [(1.0 - first) * carried for carried in self.carried]
        if features.shape[1] == 1:  # a loop over one step costs more than the step
            output, state = self.lstm.cell(features[:, 0], state)
            outputs = output[:, None]
        else:
            outputs, *state = self.lstm(features, initial_state=state)
        for carried, value in zip(self.carried, state, strict=True):
            carried.assign(value)
        return outputs

    def compute_output_shape(self, input_shape: list[tuple[int | None, ...]]) -> tuple[int | None, ...]:
        return (*input_shape[0][:2], self.units)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "units": self.units, "batch_size": self.batch_size}
