"""A convolutional network that sees one frame at a time, and a vote of all frames of a clip.

The simplest way to read a video (Karpathy et al., *Large-scale Video Classification*, 2014, "single frame"): what no
frame shows by itself, it cannot know. What its frames look like to the last layer is exported beside the answer, for
others to read (`pipeline/derivations/features.py`).
"""

from typing import TYPE_CHECKING

from pydantic import Field, PositiveInt

from pipeline.layers.image_input import PixelInput
from pipeline.views import ExampleSpec

if TYPE_CHECKING:
    import keras

READS = "a clip"


class Parameters(PixelInput):
    """filters: of each convolution, with a pooling after each. dropout: share of features dropped in training."""

    filters: list[PositiveInt] = Field(min_length=1)
    kernel_size: int = Field(default=3, ge=1)
    pool_size: int = Field(default=2, ge=1)
    dropout: float = Field(default=0.0, ge=0.0, lt=1.0)

    def small(self) -> "Parameters":
        return self.model_copy(update={"filters": [4] * len(self.filters[:2])})


def build(parameters: Parameters, spec: ExampleSpec) -> "keras.Model":
    """A network [B, T, H, W, C] -> [B, classes], T being free."""
    return _networks(parameters, spec, fast=True)[0]


def loss(spec: ExampleSpec, label_smoothing: float = 0.0, value_loss: str = "mse") -> "keras.losses.Loss":
    """The mean cross-entropy of the frames."""
    from pipeline.layers.frame_vote import VoteCrossEntropy

    return VoteCrossEntropy(label_smoothing)


def graphs(parameters: Parameters, spec: ExampleSpec, model: "keras.Model") -> dict[str, "keras.Model"]:
    """The graph to export: also with `features` [B, T, F], what the answer is made of in each frame."""
    exported, with_features = _networks(parameters, spec, fast=False)
    exported.set_weights(model.get_weights())
    return {"model": with_features}


def _networks(parameters: Parameters, spec: ExampleSpec, fast: bool) -> tuple["keras.Model", "keras.Model"]:
    """The network, and the same with its features."""
    import keras

    from pipeline.layers.frame_vote import FrameVote
    from pipeline.layers.per_frame import PerFrame
    from pipeline.layers.pooled_convolution import pooled_convolutions

    clip = keras.Input((None, *spec.input_shape[1:]), name="clip")
    layers = pooled_convolutions(parameters.filters, parameters.kernel_size, parameters.pool_size, fast)
    features = PerFrame([*layers, keras.layers.Flatten()])(parameters.standardized(clip, spec))
    kept = keras.layers.Dropout(parameters.dropout)(features) if parameters.dropout else features
    answers = keras.layers.Dense(spec.num_outputs, activation="log_softmax")(kept)
    probability = FrameVote()(answers)
    return keras.Model(clip, probability), keras.Model(clip, {"features": features, "probability": probability})
