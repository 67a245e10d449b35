"""What the fast recurrent layers share: when they may stand in for Keras' own loop, and how they walk through time.

`keras.layers.LSTM` and `GRU` go through their loop one operation at a time on a CPU. Here the input projection is done
once for all steps, the gradient is written by hand (the weight gradient is one product after the backward loop, not one
a step; what does not depend on the loop is computed before it), and on TensorFlow the loop alone is compiled by XLA.

Shape legend: B batch, T time steps, D features, U units, G gates.
"""

from collections.abc import Callable, Sequence
from typing import Any

import keras
from keras import ops

Tensor = Any
Core = Callable[..., tuple[Tensor, ...]]
MOST_UNROLLED = 16


def suits(layer: Any, activation: str = "tanh", recurrent_activation: str = "sigmoid") -> bool:
    """Whether the fast loop computes what `layer` is: the usual cell, on a CPU. A GPU has cuDNN."""
    on_cpu = keras.distribution.list_devices()[0].startswith("cpu")  # asked for "gpu", JAX raises where there is none
    return is_usual(layer, activation, recurrent_activation) and on_cpu


def is_usual(layer: Any, activation: str = "tanh", recurrent_activation: str = "sigmoid") -> bool:
    """Whether the cell has these activations and biases, is not unrolled and drops nothing between its steps."""
    return (
        layer.cell.activation.__name__ == activation
        and layer.cell.recurrent_activation.__name__ == recurrent_activation
        and layer.cell.use_bias
        and not layer.recurrent_dropout
        and not layer.unroll
    )


def run(
    layer: Any, core: Core, sequences: Tensor, weights: Sequence[Tensor], state: Sequence[Tensor], mask: Tensor | None
) -> tuple[Tensor, Tensor, list[Tensor]]:
    """Last output [B, U], all outputs [B, T, U] and the states after them, as the `inner_loop` of Keras' layers.

    core: walks through projected inputs [T, B, G * U] with `weights` and `state`, and the mask [T, B, 1] if there is
        one; returns the hidden states [T, B, U], then the last of each further state.
    """
    given = [sequences] if mask is None else [sequences, ops.expand_dims(ops.cast(mask, sequences.dtype), -1)]
    given = [ops.swapaxes(each, 0, 1) for each in given]  # before the projection, which makes them larger
    if layer.go_backwards:
        given = [ops.flip(each, axis=0) for each in given]
    steps, batch = ops.shape(given[0])[:2]
    batch = next((each.shape[0] for each in state if each.shape[0] is not None), batch)
    flat = ops.reshape(given[0], (steps * batch, sequences.shape[-1]))
    projected = ops.reshape(ops.matmul(flat, layer.cell.kernel), (steps, batch, layer.cell.kernel.shape[-1]))
    # A loop keeps the shape of what it carries: the batch of states, sequences and mask is known, or unknown, alike.
    state = [ops.reshape(each, (batch, each.shape[-1])) for each in state]
    given[1:] = [ops.reshape(each, (steps, batch, 1)) for each in given[1:]]
    hidden, *last = core(projected, *weights, *state, *given[1:])
    states = [hidden[-1], *last]
    if mask is not None:  # until its first step that counts, a sequence answers with zeros, not its initial state
        answers = given[1] if layer.zero_output_for_mask else ops.cast(ops.cumsum(given[1], axis=0) > 0, hidden.dtype)
        hidden = hidden * answers
    return hidden[-1], ops.swapaxes(hidden, 0, 1), states


def dropped(layer: Any, sequences: Tensor, training: bool) -> Tensor:
    """Inputs [B, T, D] with the cell's dropout: one draw for all steps of a sequence, as cuDNN's path in Keras."""
    if not (training and layer.dropout):
        return sequences
    kept = layer.cell.get_dropout_mask(sequences[:, 0])
    return sequences * (kept[0] if isinstance(kept, list) else kept)[:, None]


def loop(
    step: Callable[..., Any], carried: Sequence[Tensor], records: Sequence[Tensor], steps: Any, backwards: bool = False
) -> Any:
    """`step(t, carried)` gives the next carried values and what to record at t; returns carried values and records."""
    if isinstance(steps, int) and steps <= MOST_UNROLLED:
        return _unrolled(step, carried, steps, backwards)
    num_carried = len(carried)

    def body(k: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        t = steps - 1 - k if backwards else k
        after, made = step(t, state[:num_carried])
        kept = [
            ops.slice_update(record, (t, 0, 0), value[None])
            for record, value in zip(state[num_carried:], made, strict=True)
        ]
        return (*after, *kept)

    found = ops.fori_loop(0, steps, body, (*carried, *records))
    return found[:num_carried], found[num_carried:]


def _unrolled(step: Callable[..., Any], carried: Sequence[Tensor], steps: int, backwards: bool) -> Any:
    """The same without a loop, whose turns cost more than short sequences do."""
    made: list[Any] = [()] * steps
    for t in reversed(range(steps)) if backwards else range(steps):
        carried, made[t] = step(t, carried)
    return carried, [ops.stack(records) for records in zip(*made, strict=True)]


def before(initial: Tensor, states: Tensor) -> Tensor:
    """The states [T, B, U] before each step, from those after each."""
    return ops.concatenate([initial[None], states[:-1]], axis=0)


def outer(left: Tensor, right: Tensor) -> Tensor:
    """The sum over steps and batch of left^T right: [T, B, L], [T, B, R] -> [L, R]."""
    return ops.matmul(ops.transpose(ops.reshape(left, (-1, left.shape[-1]))), ops.reshape(right, (-1, right.shape[-1])))


def as_tuple(upstream: tuple[Any, ...]) -> tuple[Tensor, ...]:
    """The gradients that come from above: TensorFlow hands out one argument each, JAX one tuple of them."""
    return tuple(upstream[0]) if len(upstream) == 1 and isinstance(upstream[0], tuple | list) else upstream
