"""A convolutional network for small images: convolution and pooling in turn, then a wide dense layer.

The network of the TensorFlow cookbooks for MNIST, after LeCun et al., *Gradient-Based Learning* (1998).
"""

from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field, PositiveInt

from pipeline.views import ExampleSpec

if TYPE_CHECKING:
    import keras

READS = "an image"


class Parameters(BaseModel):
    """filters: of each convolution, with a 2 x 2 pooling after each. dense: width of the dense layer.
    dropout: share of its outputs dropped in training."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    filters: list[PositiveInt] = Field(min_length=1)
    kernel_size: int = Field(ge=1)
    dense: int = Field(ge=1)
    dropout: float = Field(ge=0.0, lt=1.0)

    def small(self) -> "Parameters":
        return self.model_copy(update={"filters": [4] * len(self.filters), "dense": 16})


def build(parameters: Parameters, spec: ExampleSpec) -> "keras.Model":
    """A network [B, H, W, C] -> class probabilities [B, classes]."""
    import keras

    image = keras.Input(spec.input_shape, name="image")
    features = image
    for filters in parameters.filters:
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
