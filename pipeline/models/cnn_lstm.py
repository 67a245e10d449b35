"""CNN-LSTM: a convolutional network reads each frame, an LSTM reads what it saw, frame after frame.

Donahue et al., *Long-term Recurrent Convolutional Networks* (2015); in the small form of Brownlee (2017), chapter 8,
240,661 parameters at 50 x 50. `formulation` says how the frames are put through the network; all compute the same:
`folded` (time in the batch, the fast layers), `layers` (each layer in its own TimeDistributed) and `whole` (the whole
CNN in one TimeDistributed), the two ways of the book. The export is folded, in layers of Keras but for
the LSTM.
"""

from typing import TYPE_CHECKING, Literal

from pydantic import Field, PositiveInt

from pipeline.layers.image_input import PixelInput
from pipeline.views import ExampleSpec

if TYPE_CHECKING:
    import keras

READS = "a clip"


class Parameters(PixelInput):
    """filters: of each convolution. pool_after: whether the one pooling comes after the last of them, or one after
    each. units: of the LSTM. dense: widths of layers between the LSTM and the answer, with `dense_activation`. dropout:
    share of features dropped before the LSTM."""

    filters: list[PositiveInt] = Field(min_length=1)
    kernel_size: int = Field(ge=1)
    pool_size: int = Field(ge=1)
    pool_after: Literal["last", "each"] = "last"
    dropout: float = Field(default=0.0, ge=0.0, lt=1.0)
    units: int = Field(ge=1)
    dense: list[PositiveInt] = Field(default=[])
    dense_activation: Literal["linear", "relu"] = "linear"
    formulation: Literal["folded", "layers", "whole"] = "folded"

    def small(self) -> "Parameters":
        return self.model_copy(update={"filters": [2] * len(self.filters), "units": 6, "dense": [5] * len(self.dense)})


def build(parameters: Parameters, spec: ExampleSpec) -> "keras.Model":
    """A network [B, T, H, W, C] -> [B, classes], or [B, 1] (the second class' probability) where there are two."""
    import keras

    from pipeline.layers.fast_lstm import FastLSTM
    from pipeline.layers.per_frame import PerFrame

    steps, *frame = spec.input_shape
    if parameters.formulation == "folded":
        clip = keras.Input((None, *frame), name="clip")
        features = PerFrame(_frame_layers(parameters, fast=True))(parameters.standardized(clip, spec))
        return _answer(parameters, spec, clip, features, FastLSTM(parameters.units))

    clip = keras.Input((steps, *frame), name="clip")
    features = parameters.standardized(clip, spec)
    if parameters.formulation == "layers":
        for layer in _frame_layers(parameters):
            features = keras.layers.TimeDistributed(layer)(features)
    else:
        cnn = keras.Sequential([keras.Input(tuple(frame)), *_frame_layers(parameters)])
        features = keras.layers.TimeDistributed(cnn)(features)
    return _answer(parameters, spec, clip, features, keras.layers.LSTM(parameters.units))


def loss(spec: ExampleSpec, label_smoothing: float = 0.0, value_loss: str = "mse") -> "keras.losses.Loss":
    """Cross-entropy of the right class."""
    from pipeline.layers.cross_entropy import ClassCrossEntropy

    return ClassCrossEntropy(label_smoothing)


def graphs(parameters: Parameters, spec: ExampleSpec, model: "keras.Model") -> dict[str, "keras.Model"]:
    """The graph to export: the same weights in layers that every ONNX runtime knows, any number of frames."""
    import keras

    from pipeline.layers.onnx_recurrent import OnnxLSTM
    from pipeline.layers.per_frame import PerFrame

    clip = keras.Input((None, *spec.input_shape[1:]), name="clip")
    features = PerFrame(_frame_layers(parameters))(parameters.standardized(clip, spec))
    exported = _answer(parameters, spec, clip, features, OnnxLSTM(parameters.units))
    exported.set_weights(model.get_weights())
    return {"model": exported}


def _frame_layers(parameters: Parameters, fast: bool = False) -> list["keras.layers.Layer"]:
    """What reads a frame; if fast, each convolution that is followed by a pooling in one with it."""
    import keras

    from pipeline.layers.pooled_convolution import pooled_convolutions

    num_pooled = 1 if parameters.pool_after == "last" else len(parameters.filters)
    before, pooled = parameters.filters[:-num_pooled], parameters.filters[-num_pooled:]
    layers = [keras.layers.Conv2D(number, parameters.kernel_size, activation="relu") for number in before]
    layers += pooled_convolutions(pooled, parameters.kernel_size, parameters.pool_size, fast)
    return [*layers, *_features(parameters)]


def _features(parameters: Parameters) -> list["keras.layers.Layer"]:
    import keras

    flat = keras.layers.Flatten()
    return [flat, keras.layers.Dropout(parameters.dropout)] if parameters.dropout else [flat]


def _answer(
    parameters: Parameters,
    spec: ExampleSpec,
    clip: "keras.KerasTensor",
    features: "keras.KerasTensor",
    lstm: "keras.layers.Layer",
) -> "keras.Model":
    import keras

    summary = lstm(features)
    for width in parameters.dense:
        summary = keras.layers.Dense(width, activation=parameters.dense_activation)(summary)
    if spec.num_outputs == 2:
        answer = keras.layers.Dense(1, activation="sigmoid", name="probability")(summary)
    else:
        answer = keras.layers.Dense(spec.num_outputs, activation="softmax", name="probability")(summary)
    return keras.Model(clip, answer)
