"""A residual network for small images: what two convolutions add to what they read, after each halving of the image.

He et al., *Deep Residual Learning for Image Recognition* (2016), in the short form of Page, *How to Train Your ResNet*
(2018): a convolution that widens, a pooling, and one residual block for each of a few sizes, each convolution followed
by batch normalisation (Ioffe & Szegedy 2015).
"""

from typing import TYPE_CHECKING

from pydantic import Field, PositiveInt

from pipeline.layers.image_input import ImageInput
from pipeline.views import ExampleSpec

if TYPE_CHECKING:
    import keras

READS = "an image"
KERNEL_SIZE = 3
MOMENTUM = 0.9  # of the running means that an answer is normalised with: Keras' 0.99 is late in a short training


class Parameters(ImageInput):
    """filters: of the first convolution, and of each part after it, before which the image is halved. dropout: share of
    what the answer is made from that is dropped in training."""

    filters: list[PositiveInt] = Field(min_length=2)
    dropout: float = Field(default=0.0, ge=0.0, lt=1.0)

    def small(self) -> "Parameters":
        return self.model_copy(update={"filters": [4] * len(self.filters)})


def build(parameters: Parameters, spec: ExampleSpec) -> "keras.Model":
    """A network [B, H, W, C] -> class probabilities [B, classes]."""
    import keras

    image = keras.Input(spec.input_shape, name="image")
    features = _activated(_convolution(parameters.prepared(image, spec), parameters.filters[0]))
    for filters in parameters.filters[1:]:
        features = keras.layers.MaxPooling2D(2)(_activated(_convolution(features, filters)))
        added = _convolution(_activated(_convolution(features, filters)), filters)
        features = _activated(keras.layers.Add()([features, added]))
    features = keras.layers.GlobalMaxPooling2D()(features)
    features = keras.layers.Dropout(parameters.dropout)(features)
    return keras.Model(image, keras.layers.Dense(spec.num_outputs, activation="softmax", name="probability")(features))


def _convolution(features: "keras.KerasTensor", filters: int) -> "keras.KerasTensor":
    """A convolution, whose bias the normalisation after it would take away again."""
    import keras

    convolution = keras.layers.Conv2D(
        filters, KERNEL_SIZE, padding="same", use_bias=False, kernel_initializer="he_normal"
    )
    return keras.layers.BatchNormalization(momentum=MOMENTUM)(convolution(features))


def _activated(features: "keras.KerasTensor") -> "keras.KerasTensor":
    import keras

    return keras.layers.ReLU()(features)


def loss(spec: ExampleSpec, label_smoothing: float = 0.0, value_loss: str = "mse") -> "keras.losses.Loss":
    """Cross-entropy of the right class."""
    from pipeline.layers.cross_entropy import ClassCrossEntropy

    return ClassCrossEntropy(label_smoothing)
