"""A 3D CNN: convolutions over space and time together, in the manner of C3D.

Tran et al., *Learning Spatiotemporal Features with 3D Convolutional Networks* (2015): kernels of 3 x 3 x 3; the first
pooling leaves time as it is, the others halve it. In place of C3D's two dense layers of 4,096 it ends in the largest
value of each map, so that it reads clips of any length. These are exported beside the answer, for others to read
(`pipeline/derivations/features.py`).
"""

from typing import TYPE_CHECKING

from pydantic import Field, PositiveInt

from pipeline.layers.image_input import PixelInput
from pipeline.views import ExampleSpec

if TYPE_CHECKING:
    import keras

READS = "a clip"


class Parameters(PixelInput):
    """filters: of each convolution, with a pooling of 2 after each. dropout: share of features dropped in training."""

    filters: list[PositiveInt] = Field(min_length=1)
    kernel_size: int = Field(default=3, ge=1)
    dropout: float = Field(default=0.0, ge=0.0, lt=1.0)

    def small(self) -> "Parameters":
        return self.model_copy(update={"filters": [4] * len(self.filters)})


def build(parameters: Parameters, spec: ExampleSpec) -> "keras.Model":
    """A network [B, T, H, W, C] -> [B, classes], T being free."""
    return _networks(parameters, spec)[0]


def loss(spec: ExampleSpec, label_smoothing: float = 0.0, value_loss: str = "mse") -> "keras.losses.Loss":
    """Cross-entropy of the right class."""
    from pipeline.layers.cross_entropy import ClassCrossEntropy

    return ClassCrossEntropy(label_smoothing)


def graphs(parameters: Parameters, spec: ExampleSpec, model: "keras.Model") -> dict[str, "keras.Model"]:
    """The graph to export: also with `features` [B, F], what the answer is made of."""
    _, with_features = _networks(parameters, spec)
    with_features.set_weights(model.get_weights())
    return {"model": with_features}


def _networks(parameters: Parameters, spec: ExampleSpec) -> tuple["keras.Model", "keras.Model"]:
    """The network, and the same with its features."""
    import keras

    from pipeline.layers.pooled_convolution_3d import PooledConvolution3D

    clip = keras.Input((None, *spec.input_shape[1:]), name="clip")
    maps = parameters.standardized(clip, spec)
    for place, filters in enumerate(parameters.filters):
        maps = PooledConvolution3D(filters, parameters.kernel_size, (2 if place else 1, 2, 2))(maps)
    features = keras.layers.GlobalMaxPooling3D()(maps)
    kept = keras.layers.Dropout(parameters.dropout)(features) if parameters.dropout else features
    probability = keras.layers.Dense(spec.num_outputs, activation="softmax")(kept)
    return keras.Model(clip, probability), keras.Model(clip, {"features": features, "probability": probability})
