"""A convolutional LSTM that trains faster than `keras.layers.ConvLSTM2D` on CPUs, with the same weights.

Shi et al., *Convolutional LSTM Network* (2015), without peepholes, as Keras has it; gates in its order i, f, g, o. The
convolution of the inputs is done once for all frames, and so is the gradient of the recurrent kernel, after the loop.

Shape legend: B batch, T frames, H height, W width, C channels, U filters, K kernel size.
"""

from functools import cache
from typing import Any

import keras
from keras import ops

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
        in_order = ops.reshape(ops.swapaxes(sequences, 0, 1), (-1, *frame))  # before the gates make them larger
        projected = ops.conv(in_order, self.cell.kernel, padding="same") + self.cell.bias
        projected = ops.reshape(projected, (steps, -1, *frame[:2], 4 * self.cell.filters))
        return last_state(steps)(projected, self.cell.recurrent_kernel.value)


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
