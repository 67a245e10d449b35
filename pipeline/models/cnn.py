"""A convolutional network for small images: convolutions and pooling in turn, then a wide dense layer.

The network of the TensorFlow cookbooks for MNIST, after LeCun et al., *Gradient-Based Learning* (1998), and, with two
convolutions before the second pooling, TFLearn's example for CIFAR-10.
"""

from itertools import repeat
from typing import TYPE_CHECKING, Self

from pydantic import Field, PositiveInt, model_validator

from pipeline.layers.image_input import ImageInput
from pipeline.views import ExampleSpec

if TYPE_CHECKING:
    import keras

READS = "an image"


class Parameters(ImageInput):
    """filters: of the convolutions before each 2 x 2 pooling. convolutions: how many there are before each; by default
    one. dense: width of the dense layer. dropout: share of its outputs dropped in training."""

    filters: list[PositiveInt] = Field(min_length=1)
    convolutions: list[PositiveInt] | None = None
    kernel_size: int = Field(ge=1)
    dense: int = Field(ge=1)
    dropout: float = Field(ge=0.0, lt=1.0)

    @model_validator(mode="after")
    def _one_for_each(self) -> Self:
        if self.convolutions is not None and len(self.convolutions) != len(self.filters):
            raise ValueError(
                f"convolutions are given for {len(self.convolutions)} poolings, filters for {len(self.filters)}; "
                "allowed: for as many"
            )
        return self

    def small(self) -> Self:
        return self.model_copy(update={"filters": [4] * len(self.filters), "dense": 16})


def build(parameters: Parameters, spec: ExampleSpec) -> "keras.Model":
    """A network [B, H, W, C] -> class probabilities [B, classes]."""
    import keras

    image = keras.Input(spec.input_shape, name="image")
    features = parameters.prepared(image, spec)
    for filters, number in zip(parameters.filters, parameters.convolutions or repeat(1), strict=False):
        for _ in range(number):
            features = keras.layers.Conv2D(filters, parameters.kernel_size, padding="same", activation="relu")(features)
        features = keras.layers.MaxPooling2D(2)(features)
    features = keras.layers.Flatten()(features)
    features = keras.layers.Dense(parameters.dense, activation="relu")(features)
    features = keras.layers.Dropout(parameters.dropout)(features)
    return keras.Model(image, keras.layers.Dense(spec.num_outputs, activation="softmax", name="probability")(features))


def loss(spec: ExampleSpec, label_smoothing: float = 0.0, value_loss: str = "mse") -> "keras.losses.Loss":
    """Cross-entropy of the right class."""
    from pipeline.layers.cross_entropy import ClassCrossEntropy

    return ClassCrossEntropy(label_smoothing)
