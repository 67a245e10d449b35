"""An LSTM that trains faster than `keras.layers.LSTM` on CPUs and computes the same thing with the same weights.

Equations: Hochreiter & Schmidhuber (1997) with the forget gate of Gers et al. (2000); gradients: Graves, *Supervised
Sequence Labelling with Recurrent Neural Networks* (2012), section 4.5. Gates in Keras' order i, f, g, o.

Shape legend: B batch, T time steps, U units.
"""

from functools import cache
from typing import Any

import keras
import numpy as np
from keras import ops

from pipeline.layers.compiled import compiled_way
from pipeline.layers.recurrent_loop import Core, as_tuple, before, dropped, loop, outer, run, suits

Tensor = Any
GATE_SCALES = (0.5, 0.5, 1.0, 0.5)


@keras.saving.register_keras_serializable("cadence")
class FastLSTM(keras.layers.LSTM):
    """`keras.layers.LSTM` in all it takes and gives; where the cell is the usual one on a CPU, the loop is ours."""

    def inner_loop(self, sequences: Tensor, initial_state: Any, mask: Any, training: bool = False) -> Any:
        if not suits(self):
            return super().inner_loop(sequences, initial_state, mask, training)
        mask = mask[0] if isinstance(mask, list) else mask
        sequences = dropped(self, sequences, training)
        weights = [self.cell.recurrent_kernel.value, self.cell.bias.value]
        return run(self, lstm_core(mask is not None), sequences, weights, initial_state, mask)


@cache
def lstm_core(masked: bool) -> Core:
    """A function of projected inputs [T, B, 4U], recurrent kernel [U, 4U], bias [4U], hidden and cell state [B, U].

    It gives all hidden states [T, B, U] and the last cell state [B, U]. Where the mask [T, B, 1] is 0 the state stays.
    """

    @ops.custom_gradient
    def core(projected: Tensor, recurrent: Tensor, bias: Tensor, hidden: Tensor, cell: Tensor, *mask: Tensor) -> Any:
        hiddens, cells, gates = compiled_way(_forward)(projected, recurrent, bias, hidden, cell, *mask)

        def gradient(*upstream: Any) -> tuple[Tensor, ...]:
            above = as_tuple(upstream)
            found = compiled_way(_backward)(*above, hiddens, cells, gates, recurrent, hidden, cell, *mask)
            return (*found, *(ops.zeros_like(each) for each in mask))

        return (hiddens, cells[-1]), gradient

    return core


def _forward(projected: Tensor, recurrent: Tensor, bias: Tensor, hidden: Tensor, cell: Tensor, *mask: Tensor) -> Any:
    """Hidden states, cell states [T, B, U] and gates [T, B, 4U] after their activation."""
    steps, batch = ops.shape(projected)[:2]
    units, dtype = recurrent.shape[0], projected.dtype
    # sigmoid(z) = tanh(z / 2) / 2 + 1 / 2: one tanh for all gates; halving is exact, so it is done before the loop.
    half = ops.convert_to_tensor(np.repeat(GATE_SCALES, units), dtype)
    shift = 1.0 - half
    recurrent, bias = recurrent * half, bias * half

    def step(t: Tensor, state: tuple[Tensor, ...]) -> Any:
        h, c = state
        gate = ops.tanh(projected[t] * half + ops.matmul(h, recurrent) + bias) * half + shift
        i, f = gate[:, :units], gate[:, units : 2 * units]
        g, o = gate[:, 2 * units : 3 * units], gate[:, 3 * units :]
        new_c = f * c + i * g
        new_h = o * ops.tanh(new_c)
        if mask:
            new_c = ops.where(mask[0][t] > 0, new_c, c)
            new_h = ops.where(mask[0][t] > 0, new_h, h)
        return (new_h, new_c), (new_h, new_c, gate)

    history = ops.zeros((steps, batch, units), dtype)
    records = (history, history, ops.zeros((steps, batch, 4 * units), dtype))
    return loop(step, (hidden, cell), records, steps)[1]


def _backward(
    upstream: Tensor,
    upstream_cell: Tensor,
    hiddens: Tensor,
    cells: Tensor,
    gates: Tensor,
    recurrent: Tensor,
    hidden: Tensor,
    cell: Tensor,
    *mask: Tensor,
) -> tuple[Tensor, ...]:
    """Gradients for the projected inputs, the recurrent kernel, the bias, and the first hidden and cell state."""
    steps, batch = ops.shape(hiddens)[:2]
    units = recurrent.shape[0]
    i, f, g, o = (gates[:, :, k * units : (k + 1) * units] for k in range(4))
    squashed = ops.tanh(cells)
    to_cell = o * (1 - squashed * squashed)
    cells_before = before(cell, cells)
    # What a gate's input gets is the gradient of the cell (of the hidden state for the last gate) times these.
    factors = ops.concatenate(
        [g * i * (1 - i), cells_before * f * (1 - f), i * (1 - g * g), squashed * o * (1 - o)], axis=-1
    )
    transposed = ops.transpose(recurrent)

    def step(t: Tensor, state: tuple[Tensor, ...]) -> Any:
        dh, dc = state
        dh = dh + upstream[t]
        through = dc + dh * to_cell[t]
        dz = ops.concatenate([through, through, through, dh], axis=-1) * factors[t]
        dh_before, dc_before = ops.matmul(dz, transposed), through * f[t]
        if mask:
            counts = mask[0][t] > 0
            dz = ops.where(counts, dz, 0)
            dh_before = ops.where(counts, dh_before, dh)
            dc_before = ops.where(counts, dc_before, dc)
        return (dh_before, dc_before), (dz,)

    start = (ops.zeros_like(hidden), upstream_cell)
    records = (ops.zeros((steps, batch, 4 * units), hiddens.dtype),)
    (dh, dc), (dz,) = loop(step, start, records, steps, backwards=True)
    return dz, outer(before(hidden, hiddens), dz), ops.sum(dz, axis=(0, 1)), dh, dc
