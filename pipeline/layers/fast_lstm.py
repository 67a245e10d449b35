"""An LSTM that trains faster than `keras.layers.LSTM` on CPUs and computes the same thing with the same weights.

The input projection is done once for all steps, the gradient is written by hand (the weight gradient is one product
after the backward loop, not one per step), and on TensorFlow the recurrent core alone is compiled by XLA. Equations:
Hochreiter & Schmidhuber (1997) with the forget gate of Gers et al. (2000), gates in Keras' order i, f, g, o.

Shape legend: B batch, T time steps, D features, U units.
"""

from typing import Any

import keras
from keras import ops

from pipeline.layers.compiled import compiled

Tensor = Any


@keras.saving.register_keras_serializable("cadence")
class FastLSTM(keras.layers.Layer):
    """Last hidden state [B, U], or all of them [B, T, U] with `return_sequences`, of inputs [B, T, D].

    Weights are those of `keras.layers.LSTM`, in its order: kernel [D, 4U], recurrent_kernel [U, 4U], bias [4U].
    """

    def __init__(self, units: int, return_sequences: bool = False, **options: Any) -> None:
        super().__init__(**options)
        self.units = units
        self.return_sequences = return_sequences

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        units = self.units
        self.kernel = self.add_weight(shape=(input_shape[-1], 4 * units), name="kernel")
        self.recurrent_kernel = self.add_weight(
            shape=(units, 4 * units), initializer="orthogonal", name="recurrent_kernel"
        )
        self.bias = self.add_weight(shape=(4 * units,), initializer=_forget_gate_open, name="bias")

    def call(self, inputs: Tensor) -> Tensor:
        batch, steps = ops.shape(inputs)[:2]
        flat = ops.reshape(inputs, (batch * steps, inputs.shape[-1]))
        projected = ops.reshape(ops.matmul(flat, self.kernel) + self.bias, (batch, steps, 4 * self.units))
        hidden = compiled(lstm_core)(ops.swapaxes(projected, 0, 1), self.recurrent_kernel.value)
        return ops.swapaxes(hidden, 0, 1) if self.return_sequences else hidden[-1]

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return (*input_shape[:2], self.units) if self.return_sequences else (input_shape[0], self.units)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "units": self.units, "return_sequences": self.return_sequences}


def _forget_gate_open(shape: tuple[int], dtype: str | None = None) -> Tensor:
    """Zeros, but ones for the forget gate: remember until taught otherwise (Jozefowicz et al., 2015)."""
    units = shape[0] // 4
    return ops.concatenate([ops.zeros(units, dtype), ops.ones(units, dtype), ops.zeros(2 * units, dtype)])


@ops.custom_gradient
def lstm_core(projected: Tensor, recurrent: Tensor) -> Tensor:
    """All hidden states [T, B, U] from projected inputs [T, B, 4U] and the recurrent kernel [U, 4U]."""
    hidden, cell, gates = _forward(projected, recurrent)

    def gradient(*arguments: Tensor, upstream: Tensor | None = None) -> tuple[Tensor, Tensor]:
        return _backward(arguments[0] if upstream is None else upstream, hidden, cell, gates, recurrent)

    return hidden, gradient


def _forward(projected: Tensor, recurrent: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    steps, batch = ops.shape(projected)[:2]
    units, dtype = recurrent.shape[0], projected.dtype

    def step(t: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        h, c, hidden, cell, gates = state
        z = projected[t] + ops.matmul(h, recurrent)
        i, f = ops.sigmoid(z[:, :units]), ops.sigmoid(z[:, units : 2 * units])
        g, o = ops.tanh(z[:, 2 * units : 3 * units]), ops.sigmoid(z[:, 3 * units :])
        c = f * c + i * g
        h = o * ops.tanh(c)
        return (
            h,
            c,
            ops.slice_update(hidden, (t, 0, 0), h[None]),
            ops.slice_update(cell, (t, 0, 0), c[None]),
            ops.slice_update(gates, (t, 0, 0), ops.concatenate([i, f, g, o], axis=-1)[None]),
        )

    start = ops.zeros((batch, units), dtype)
    history = ops.zeros((steps, batch, units), dtype)
    state = (start, start, history, history, ops.zeros((steps, batch, 4 * units), dtype))
    return ops.fori_loop(0, steps, step, state)[2:]


def _backward(
    upstream: Tensor, hidden: Tensor, cell: Tensor, gates: Tensor, recurrent: Tensor
) -> tuple[Tensor, Tensor]:
    """Gradients for `projected` and `recurrent` (equations: Graves 2012, *Supervised Sequence Labelling*, 4.5)."""
    steps, batch, units = ops.shape(hidden)[0], ops.shape(hidden)[1], recurrent.shape[0]
    start = ops.zeros((1, batch, units), hidden.dtype)
    hidden_before = ops.concatenate([start, hidden[:-1]], axis=0)
    cell_before = ops.concatenate([start, cell[:-1]], axis=0)
    transposed = ops.transpose(recurrent)

    def step(k: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        dh, dc, dz_history = state
        t = steps - 1 - k
        gate = gates[t]
        i, f = gate[:, :units], gate[:, units : 2 * units]
        g, o = gate[:, 2 * units : 3 * units], gate[:, 3 * units :]
        squashed = ops.tanh(cell[t])
        dh = dh + upstream[t]
        dc = dc + dh * o * (1 - squashed * squashed)
        dz = ops.concatenate(
            [
                dc * g * i * (1 - i),
                dc * cell_before[t] * f * (1 - f),
                dc * i * (1 - g * g),
                dh * squashed * o * (1 - o),
            ],
            axis=-1,
        )
        return ops.matmul(dz, transposed), dc * f, ops.slice_update(dz_history, (t, 0, 0), dz[None])

    dz_history = ops.zeros((steps, batch, 4 * units), hidden.dtype)
    dz_history = ops.fori_loop(0, steps, step, (start[0], start[0], dz_history))[2]
    flat_before = ops.reshape(hidden_before, (steps * batch, units))
    d_recurrent = ops.matmul(ops.transpose(flat_before), ops.reshape(dz_history, (steps * batch, 4 * units)))
    return dz_history, d_recurrent
