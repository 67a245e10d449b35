"""A convolutional LSTM that trains faster than `keras.layers.ConvLSTM2D` on CPUs, with the same weights.

Shi et al., *Convolutional LSTM Network* (2015), without peepholes, as Keras has it; gates in its order i, f, g, o. The
convolution of the inputs is done once for all frames, and so is the gradient of the recurrent kernel, after the loop.
Where a kernel covers a whole map, there is little to slide: all places together are then one LSTM.

Shape legend: B batch, T frames, H height, W width, P = H * W places, C channels, U filters, K kernel size.
"""

from functools import cache
from typing import Any

import keras
import numpy as np
from keras import ops

from pipeline.layers.fast_lstm import lstm_core
from pipeline.layers.recurrent_loop import outer

Tensor = Any
State = tuple[Tensor, Tensor]


@keras.saving.register_keras_serializable("cadence")
class FastConvLSTM(keras.layers.ConvLSTM2D):
    """`keras.layers.ConvLSTM2D(filters, kernel_size, padding="same")`: [B, T, H, W, C] -> the last state [B, H, W, U].

    The number of frames is fixed.
    """

    def __init__(self, filters: int, kernel_size: int, **options: Any) -> None:
        super().__init__(filters, kernel_size, **{**options, "padding": "same"})

    def call(self, sequences: Tensor, initial_state: Any = None, mask: Any = None, training: bool = False) -> Tensor:
        steps, *frame = sequences.shape[1:]
        kernel, recurrent, bias = self.cell.kernel.value, self.cell.recurrent_kernel.value, self.cell.bias.value
        if frame[0] * frame[1] <= kernel.shape[0] * kernel.shape[1]:
            return last_state_of_all_places(sequences, kernel, recurrent, bias)
        in_order = ops.reshape(ops.swapaxes(sequences, 0, 1), (-1, *frame))  # before the gates make them larger
        projected = ops.conv(in_order, kernel, padding="same") + bias
        projected = ops.reshape(projected, (steps, -1, *frame[:2], 4 * self.cell.filters))
        return last_state(steps)(projected, recurrent)


def last_state_of_all_places(sequences: Tensor, kernel: Tensor, recurrent: Tensor, bias: Tensor) -> Tensor:
    """Frames [B, T, H, W, C] -> hidden state [B, H, W, U], by an LSTM of P * U units, those of all places."""
    steps, height, width, channels = sequences.shape[1:]
    places, units = height * width, recurrent.shape[2]
    in_order = ops.reshape(ops.swapaxes(sequences, 0, 1), (-1, places * channels))
    projected = ops.matmul(in_order, taps_between(height, width, kernel))
    projected = ops.reshape(projected, (steps, -1, 4 * places * units))
    of_all_places = ops.reshape(ops.tile(ops.reshape(bias, (4, 1, units)), (1, places, 1)), (-1,))
    zeros = ops.zeros_like(projected[0, :, : places * units])
    hidden, _ = lstm_core(False)(projected, taps_between(height, width, recurrent), of_all_places, zeros, zeros)
    return ops.reshape(hidden[-1], (-1, height, width, units))


def taps_between(height: int, width: int, kernel: Tensor) -> Tensor:
    """The kernel [K, K, C, 4U] as the matrix [P * C, 4 * P * U] that maps all places to all places' gates."""
    taps, places = np.indices(kernel.shape[:2]).reshape(2, -1), np.indices((height, width)).reshape(2, -1)
    before = (np.array(kernel.shape[:2]) - 1) // 2  # how far a kernel begins before the place it is for
    tap = places[:, :, None] - places[:, None] + before[:, None, None]  # [2, P, P]: where one place sees another
    meet = (tap[..., None] == taps[:, None, None]).all(axis=0).reshape(-1, taps.shape[1])  # [P * P, K * K]
    found = ops.matmul(ops.cast(meet, kernel.dtype), ops.reshape(kernel, (taps.shape[1], -1)))
    num_places, (channels, gates) = places.shape[1], kernel.shape[2:]
    found = ops.reshape(found, (num_places, num_places, channels, 4, gates // 4))
    return ops.reshape(ops.transpose(found, (0, 2, 3, 1, 4)), (num_places * channels, -1))


@cache
def last_state(steps: int) -> Any:
    """A function of convolved inputs [T, B, H, W, 4U] and recurrent kernel [K, K, U, 4U]: hidden state [B, H, W, U]."""

    @ops.custom_gradient
    def last(projected: Tensor, recurrent: Tensor) -> Any:
        cell = hidden = ops.zeros_like(projected[0][..., : recurrent.shape[2]])
        states, gates = [(hidden, cell)], []
        for step in range(steps):
            before = projected[step] + ops.conv(hidden, recurrent, padding="same") if step else projected[step]
            i, f, g, o = ops.split(before, 4, axis=-1)
            i, f, g, o = ops.sigmoid(i), ops.sigmoid(f), ops.tanh(g), ops.sigmoid(o)
            cell = f * cell + i * g
            hidden = o * ops.tanh(cell)
            states.append((hidden, cell))
            gates.append((i, f, g, o))

        def gradient(*arguments: Tensor, upstream: Tensor | None = None) -> tuple[Tensor, Tensor]:
            above = arguments[0] if upstream is None else upstream
            return _backward(above, states, gates, recurrent)

        return hidden, gradient

    return last


def _backward(dh: Tensor, states: list[State], gates: list[tuple[Tensor, ...]], recurrent: Tensor) -> State:
    """Gradients for the convolved inputs and the recurrent kernel, from that of the last hidden state."""
    backwards = ops.transpose(ops.flip(recurrent, axis=(0, 1)), (0, 1, 3, 2))
    around = [(size // 2, (size - 1) // 2) for size in recurrent.shape[:2]]  # even sizes: other than forwards
    dc, found = ops.zeros_like(dh), []
    for step in reversed(range(len(gates))):
        (i, f, g, o), (_, cell_before) = gates[step], states[step]
        squashed = ops.tanh(states[step + 1][1])
        through = dc + dh * o * (1 - squashed * squashed)
        dz = [through * g * i * (1 - i), through * cell_before * f * (1 - f), through * i * (1 - g * g)]
        found.append(ops.concatenate([*dz, dh * squashed * o * (1 - o)], axis=-1))
        dc = through * f
        if step:
            dh = ops.conv(ops.pad(found[-1], ((0, 0), *around, (0, 0))), backwards, padding="valid")
    dz = ops.stack(found[::-1])
    return dz, _kernel_gradient(ops.stack([hidden for hidden, _ in states[:-1]]), dz, recurrent.shape[:2])


def _kernel_gradient(hidden: Tensor, dz: Tensor, kernel: tuple[int, int]) -> Tensor:
    """[K, K, U, 4U], from hidden states before each step [T, B, H, W, U] and what their convolution adds to."""
    height, width = dz.shape[2:4]
    around = [((size - 1) // 2, size // 2) for size in kernel]
    padded = ops.pad(hidden, ((0, 0), (0, 0), *around, (0, 0)))
    rows = [
        [outer(padded[:, :, row : row + height, column : column + width], dz) for column in range(kernel[1])]
        for row in range(kernel[0])
    ]
    return ops.stack([ops.stack(row) for row in rows])
