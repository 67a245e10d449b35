"""A network that goes on with sequences by itself, in one loop: draw a symbol, read it, draw the next.

Shape legend: B sequences, L symbols of their beginnings, T symbols that are written, V symbols of the vocabulary.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from keras import ops

from pipeline.dataset import Array
from pipeline.layers.compiled import traced
from pipeline.layers.recurrent_loop import loop

Tensor = Any
SMALLEST = 1e-30  # below every probability that comes out of a softmax of float32


class Writer:
    """Writes with a network.

    read: of symbols [B, any number] and the states before them, the probability [B, V] of what follows, and the states
    after them. begin: the states before the beginnings [B, L].
    """

    def __init__(self, read: Callable[..., Sequence[Tensor]], begin: Callable[[Tensor], Sequence[Tensor]]) -> None:
        self.read = read
        self.begin = begin
        self.write_all = traced(self._write)  # not compiled by XLA, which does not know cuDNN's layers

    def write(self, beginnings: Array, uniforms: Array, temperatures: Array, allowed: Array) -> Array:
        """Symbols [T, B] that go on with `beginnings` [B, L], drawn with numbers between 0 and 1 [T, B].

        temperatures [B]: the probability p of a symbol becomes p^(1 / temperature), of those `allowed` [V].
        """
        seen = ops.convert_to_tensor(beginnings, "int32")
        numbers = [ops.convert_to_tensor(each, "float32") for each in (uniforms, temperatures[:, None], allowed)]
        return np.asarray(ops.convert_to_numpy(self.write_all(seen, *numbers, *self.begin(seen))))

    def _write(
        self, beginnings: Tensor, uniforms: Tensor, temperatures: Tensor, allowed: Tensor, *states: Tensor
    ) -> Tensor:
        def step(t: Tensor, carried: Sequence[Tensor]) -> tuple[Sequence[Tensor], tuple[Tensor]]:
            probabilities, *before = carried
            symbols = draw(probabilities * allowed, temperatures, uniforms[t])[:, None]
            return self.read(symbols, before), (symbols,)

        steps, batch = uniforms.shape
        written = ops.zeros((steps, batch, 1), "int32")
        return loop(step, self.read(beginnings, states), [written], steps)[1][0][:, :, 0]


def draw(probabilities: Tensor, temperatures: Tensor, uniforms: Tensor) -> Tensor:
    """A symbol of each row of `probabilities` [B, V], at its temperature [B, 1], by a number between 0 and 1 [B]."""
    logits = ops.log(probabilities + SMALLEST) / temperatures
    shares = ops.cumsum(ops.softmax(logits), axis=-1)
    below = ops.cast(shares <= uniforms[:, None] * shares[:, -1:], "int32")
    return ops.minimum(ops.sum(below, axis=-1), shares.shape[-1] - 1)
