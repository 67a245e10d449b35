"""An LSTM cell whose gates look at the cell state: Gers & Schmidhuber, *Recurrent Nets that Time and Count* (2000).

    i = sigmoid(x W_i + h R_i + p_i * c + b_i)         f = sigmoid(x W_f + h R_f + p_f * c + b_f)
    g = tanh(x W_g + h R_g + b_g)                      c' = f * c + i * g
    o = sigmoid(x W_o + h R_o + p_o * c' + b_o)        h' = o * tanh(c')

The output gate sees the new cell state (Graves 2013, *Generating Sequences*, equations 7 to 11).
Shape legend: B batch, D features, U units.
"""

from typing import Any

import keras
from keras import ops

Tensor = Any


@keras.saving.register_keras_serializable("cadence")
class PeepholeLSTMCell(keras.layers.Layer):
    """One step, for `keras.layers.RNN`: inputs [B, D], hidden and cell state [B, U].

    Weights: kernel [D, 4U], recurrent_kernel [U, 4U] and bias [4U] in Keras' order i, f, g, o; peephole [3, U] of i,
    f, o.
    """

    def __init__(
        self,
        units: int,
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.units = units
        self.state_size = [units, units]
        self.output_size = units
        self.recurrent_initializer = keras.initializers.get(recurrent_initializer)
        self.bias_initializer = keras.initializers.get(bias_initializer)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        units = self.units
        self.kernel = self.add_weight(shape=(input_shape[-1], 4 * units), name="kernel")
        self.recurrent_kernel = self.add_weight(
            shape=(units, 4 * units), initializer=self.recurrent_initializer, name="recurrent_kernel"
        )
        self.peephole = self.add_weight(shape=(3, units), initializer="zeros", name="peephole")
        self.bias = self.add_weight(shape=(4 * units,), initializer=self.bias_initializer, name="bias")

    def call(self, inputs: Tensor, states: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        hidden, cell = states
        units = self.units
        z = ops.matmul(inputs, self.kernel) + ops.matmul(hidden, self.recurrent_kernel) + self.bias
        of_i, of_f, of_o = self.peephole[0], self.peephole[1], self.peephole[2]
        i = ops.sigmoid(z[:, :units] + of_i * cell)
        f = ops.sigmoid(z[:, units : 2 * units] + of_f * cell)
        g = ops.tanh(z[:, 2 * units : 3 * units])
        new_cell = f * cell + i * g
        o = ops.sigmoid(z[:, 3 * units :] + of_o * new_cell)
        output = o * ops.tanh(new_cell)
        return output, [output, new_cell]

    def get_config(self) -> dict[str, Any]:
        initial = {
            name: keras.initializers.serialize(getattr(self, name))
            for name in ("recurrent_initializer", "bias_initializer")
        }
        return {**super().get_config(), "units": self.units, **initial}
