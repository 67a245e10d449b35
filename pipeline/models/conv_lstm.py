"""Convolutions on each frame, a convolutional LSTM over what they saw, and an answer from its last state.

Shi et al., *Convolutional LSTM Network* (2015): an LSTM whose state is a picture, and whose products are convolutions.
"""

from typing import TYPE_CHECKING

from pydantic import Field, PositiveInt

from pipeline.layers.image_input import PixelInput
from pipeline.views import ExampleSpec

if TYPE_CHECKING:
    import keras

READS = "a clip"


class Parameters(PixelInput):
    """filters: of each convolution on a frame, with a pooling after each. units: filters of the convolutional LSTM.
    dropout: share of features dropped in training."""

    filters: list[PositiveInt] = Field(min_length=1)
    kernel_size: int = Field(default=3, ge=1)
    pool_size: int = Field(default=2, ge=1)
    units: int = Field(ge=1)
    dropout: float = Field(default=0.0, ge=0.0, lt=1.0)

    def small(self) -> "Parameters":
        return self.model_copy(update={"filters": [4] * len(self.filters[:2]), "units": 4})


def build(parameters: Parameters, spec: ExampleSpec) -> "keras.Model":
    """A network [B, T, H, W, C] -> [B, classes]."""
    return _network(parameters, spec, fast=True)


def loss(spec: ExampleSpec, label_smoothing: float = 0.0, value_loss: str = "mse") -> "keras.losses.Loss":
    """Cross-entropy of the right class."""
    from pipeline.layers.cross_entropy import ClassCrossEntropy

    return ClassCrossEntropy(label_smoothing)


def graphs(parameters: Parameters, spec: ExampleSpec, model: "keras.Model") -> dict[str, "keras.Model"]:
    """The graph to export: the same weights in layers of Keras, for any number of frames."""
    exported = _network(parameters, spec, fast=False)
    exported.set_weights(model.get_weights())
    return {"model": exported}


def _network(parameters: Parameters, spec: ExampleSpec, fast: bool) -> "keras.Model":
    import keras

    from pipeline.layers.fast_conv_lstm import FastConvLSTM
    from pipeline.layers.per_frame import PerFrame
    from pipeline.layers.pooled_convolution import pooled_convolutions

    clip = keras.Input((spec.input_shape[0] if fast else None, *spec.input_shape[1:]), name="clip")
    layers = pooled_convolutions(parameters.filters, parameters.kernel_size, parameters.pool_size, fast)
    maps = PerFrame(layers)(parameters.standardized(clip, spec))
    if fast:
        state = FastConvLSTM(parameters.units, parameters.kernel_size)(maps)
    else:
        state = keras.layers.ConvLSTM2D(parameters.units, parameters.kernel_size, padding="same")(maps)
    features = keras.layers.GlobalMaxPooling2D()(state)
    if parameters.dropout:
        features = keras.layers.Dropout(parameters.dropout)(features)
    return keras.Model(clip, keras.layers.Dense(spec.num_outputs, activation="softmax", name="probability")(features))
