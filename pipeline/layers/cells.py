"""The recurrent layers by the name of their cell, as they are trained and as they are exported.

Trained with our loop where we have one for the cell; exported as what every ONNX runtime knows, as one node where ONNX
has one for the cell. Both have the same weights in the same order.
"""

from typing import Any, Literal

import keras

from pipeline.layers.fast_gru import FastGRU
from pipeline.layers.fast_lstm import FastLSTM
from pipeline.layers.initial_bias import ChronoBias, ChronoUpdateBias, OpenForgetGate
from pipeline.layers.onnx_recurrent import OnnxGRU, OnnxLSTM
from pipeline.layers.peephole_lstm import PeepholeLSTMCell

Cell = Literal["lstm", "gru", "simple_rnn", "peephole_lstm"]


def recurrent_layer(
    cell: Cell,
    units: int,
    *,
    fast: bool,
    longest_memory: int | None = None,
    recurrent_gain: float = 1.0,
    **options: Any,
) -> keras.layers.Layer:
    """A recurrent layer. longest_memory: chrono initialisation up to so many steps, of cells with gates.

    recurrent_gain: by which the orthogonal recurrent weights begin larger or smaller than those that keep every length.
    options: of `keras.layers.RNN`, such as `return_sequences`.
    """
    orthogonal = keras.initializers.Orthogonal(gain=recurrent_gain)
    if cell == "simple_rnn":
        return keras.layers.SimpleRNN(units, recurrent_initializer=orthogonal, **options)
    if cell == "gru":
        initial_bias = "zeros" if longest_memory is None else ChronoUpdateBias(longest_memory)
        gru = FastGRU if fast else OnnxGRU
        return gru(units, recurrent_initializer=orthogonal, bias_initializer=initial_bias, **options)
    bias = OpenForgetGate() if longest_memory is None else ChronoBias(longest_memory)
    initial = {"recurrent_initializer": orthogonal, "bias_initializer": bias}
    if cell == "peephole_lstm":
        return keras.layers.RNN(PeepholeLSTMCell(units, **initial), **options)
    lstm = FastLSTM if fast else OnnxLSTM
    return lstm(units, unit_forget_bias=False, **initial, **options)
