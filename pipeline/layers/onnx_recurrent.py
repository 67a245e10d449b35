"""LSTM and GRU that are exported as one ONNX node each, whose loop an ONNX runtime walks in one call.

tf2onnx finds this node in the loop of `keras.layers.LSTM` only where nothing is masked; a masked LSTM and every GRU
would be a loop of single operations, 9 to 30 times slower.

Shape legend: B batch, T time steps, D features, U units, G gates.
"""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from pipeline.layers.onnx_node import onnx_node
from pipeline.layers.recurrent_loop import is_usual

Tensor = Any


@keras.saving.register_keras_serializable("cadence")
class OnnxLSTM(keras.layers.LSTM):
    """`keras.layers.LSTM` in all it takes and gives, traced as one ONNX node; called directly, the loop is Keras'.

    The node is given lengths, so a mask may only end a sequence, as that of `RealSteps` does: the view `Sequences` puts
    NaN at the end of stored sequences alone and refuses, of those that users give, any that go on after it. A mask with
    holes would be read as another one; `check_export` finds that where the test split has such masks.
    """

    def inner_loop(self, sequences: Tensor, initial_state: Any, mask: Any, training: bool = False) -> Any:
        if not _is_exported(self):
            return super().inner_loop(sequences, initial_state, mask, training)
        order = (0, 3, 1, 2)  # ONNX' i, o, f, g of Keras' i, f, g, o
        bias = ops.concatenate([_gates(self.cell.bias, order), ops.zeros_like(self.cell.bias)])
        return _run(self, "LSTM", order, bias, sequences, initial_state, mask)


@keras.saving.register_keras_serializable("cadence")
class OnnxGRU(keras.layers.GRU):
    """`keras.layers.GRU` as `OnnxLSTM` is `keras.layers.LSTM`, with the reset gate after the product."""

    def inner_loop(self, sequences: Tensor, initial_state: Any, mask: Any, training: bool = False) -> Any:
        if not (_is_exported(self) and self.cell.reset_after):
            return super().inner_loop(sequences, initial_state, mask, training)
        state = initial_state if isinstance(initial_state, list) else [initial_state]
        bias = ops.reshape(self.cell.bias, (-1,))
        return _run(self, "GRU", (0, 1, 2), bias, sequences, state, mask, linear_before_reset=1)


def _is_exported(layer: Any) -> bool:
    """Whether this is the tracing of a graph, of a cell that ONNX knows."""
    if keras.backend.backend() != "tensorflow" or not is_usual(layer):
        return False
    import tensorflow as tf

    return not tf.executing_eagerly()


def _run(
    layer: Any,
    kind: str,
    order: Sequence[int],
    bias: Tensor,
    sequences: Tensor,
    state: Sequence[Tensor],
    mask: Any,
    **attributes: Any,
) -> tuple[Tensor, Tensor, list[Tensor]]:
    """Last output [B, U], all outputs [B, T, U] and the states after them, as the `inner_loop` of Keras' layers.

    order: where Keras has the gates of ONNX. bias: [2GU] in ONNX' order, of inputs and of states.
    """
    mask = mask[0] if isinstance(mask, list) else mask
    lengths = None if mask is None else ops.sum(ops.cast(mask, "int32"), axis=1)
    kernels = [_gates(kernel, order) for kernel in (layer.cell.kernel, layer.cell.recurrent_kernel)]
    weights = [*map(ops.transpose, kernels), bias]
    batch, steps = sequences.shape[:2]
    found = onnx_node(
        kind,
        [ops.swapaxes(sequences, 0, 1), *map(_one, weights), lengths, *map(_one, state)],
        [(steps, 1, batch, layer.units), *[(1, batch, layer.units)] * len(state)],
        hidden_size=layer.units,
        direction="reverse" if layer.go_backwards else "forward",
        **attributes,
    )
    outputs, last = ops.swapaxes(ops.squeeze(found[0], 1), 0, 1), ops.squeeze(found[1], 0)
    states = [ops.squeeze(each, 0) for each in found[1:]]
    if lengths is not None:
        # After the end ONNX answers zeros, Keras what it answered last; where nothing is read ONNX forgets the state.
        states = [ops.where(lengths[:, None] > 0, after, before) for after, before in zip(states, state, strict=True)]
        if layer.zero_output_for_mask:
            last = last if layer.go_backwards else outputs[:, -1]
        elif not layer.go_backwards:
            ended = ops.cast(ops.logical_not(mask), outputs.dtype)
            outputs = outputs + ended[..., None] * last[:, None]
    return last, ops.flip(outputs, axis=1) if layer.go_backwards else outputs, states


def _one(tensor: Tensor) -> Tensor:
    """For the one direction that the node reads in: ONNX' node could read in two."""
    return ops.expand_dims(tensor, 0)


def _gates(weights: Tensor, order: Sequence[int]) -> Tensor:
    """Weights [..., GU] with their gates in another order."""
    gates = ops.split(weights, len(order), axis=-1)
    return ops.concatenate([gates[place] for place in order], axis=-1)
