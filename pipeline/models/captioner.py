"""A caption of an image or of a clip: a convolutional network looks, recurrent layers write, attention between them.

Vinyals et al., *Show and Tell* (2015); with attention over the grid of an image Xu et al., *Show, Attend and Tell*
(2015): each place of the grid is a feature vector, to which what is learned of its position is added, and the decoder
begins with a dense layer's answer to their mean. Of a clip each frame becomes one vector, which an LSTM reads, frame
after frame (Donahue et al., *Long-term Recurrent Convolutional Networks*, 2015); the decoder begins where it has ended.

Shape legend: B batch, H height, W width, C channels, S places of the grid or frames, T tokens, V tokens of the
vocabulary.
"""

from typing import TYPE_CHECKING, Any, Self

from pydantic import Field, PositiveInt

from pipeline.layers.decoder_parameters import DecoderParameters
from pipeline.views import ExampleSpec

if TYPE_CHECKING:
    import keras

READS = ("an image", "a clip")
FRAME_AXES = 3  # height, width, channels; a clip has one more


class Parameters(DecoderParameters):
    """filters: of each convolution, after which the largest of each pool_size x pool_size places are kept."""

    filters: list[PositiveInt] = Field(min_length=1)
    kernel_size: int = Field(default=3, ge=1)
    pool_size: int = Field(default=2, ge=1)

    def small(self) -> Self:
        return super().small().model_copy(update={"filters": [4] * len(self.filters)})


def build(parameters: Parameters, spec: ExampleSpec, fast: bool = True) -> "keras.Model":
    """A network of images [B, H, W, C] or clips [B, S, H, W, C] and the caption so far [B, T] -> logits [B, T, V]."""
    return _parts(parameters, spec, fast)[0]


def loss(spec: ExampleSpec, label_smoothing: float = 0.0, value_loss: str = "mse") -> "keras.losses.Loss":
    """Cross-entropy of each next token."""
    from pipeline.layers.token_cross_entropy import TokenCrossEntropy

    return TokenCrossEntropy(label_smoothing)


def graphs(parameters: Parameters, spec: ExampleSpec, model: "keras.Model") -> dict[str, "keras.Model"]:
    """The graphs to export, `encoder` and `decoder`: the same weights in layers that every ONNX runtime knows."""
    from pipeline.layers.text_decoder import exported_graphs

    exported, encoded, decoder = _parts(parameters, spec, fast=False)
    exported.set_weights(model.get_weights())
    return exported_graphs(exported.inputs[0], encoded, decoder)


def _parts(parameters: Parameters, spec: ExampleSpec, fast: bool) -> tuple["keras.Model", dict[str, Any], Any]:
    """The network, what its encoder gives, by name, and its decoder."""
    import keras
    from keras import ops

    from pipeline.layers.pooled_convolution import pooled_convolutions
    from pipeline.layers.recurrent_encoder import RecurrentEncoder
    from pipeline.layers.text_decoder import TextDecoder

    if spec.asks != "a text":
        raise ValueError(f"{spec.asks} is asked for; allowed: a text, as view image_to_text or clip_to_text asks")
    previous = keras.Input((None,), dtype="int32", name="previous")
    decoder = TextDecoder(parameters, spec.num_outputs, fast)
    convolutions = pooled_convolutions(parameters.filters, parameters.kernel_size, parameters.pool_size, fast)
    if len(spec.input_shape) > FRAME_AXES:
        from pipeline.layers.per_frame import PerFrame

        seen = keras.Input((None, *spec.input_shape[1:]), name="clip")
        frames = PerFrame([*convolutions, keras.layers.Flatten()])(seen)
        memory, states = RecurrentEncoder(parameters, bidirectional=False, fast=fast)(frames)
    else:
        seen = keras.Input(spec.input_shape, name="image")
        memory, states = _grid(parameters, seen, convolutions)
    encoded = decoder.encoded(states, memory, ops.ones_like(memory[:, :, 0]))
    return keras.Model([seen, previous], decoder.logits(previous, encoded)), encoded, decoder


def _grid(parameters: Parameters, image: Any, convolutions: list["keras.layers.Layer"]) -> tuple[Any, list[Any]]:
    """The places of an image as a memory [B, S, F], and the states that a decoder begins with."""
    import keras

    from pipeline.layers.positions import Positions
    from pipeline.layers.recurrent_encoder import state_activations

    features = image
    for layer in convolutions:
        features = layer(features)
    memory = Positions()(keras.layers.Reshape((-1, features.shape[-1]))(features))
    mean = keras.layers.GlobalAveragePooling1D()(memory)
    activations = state_activations(parameters.cell)
    return memory, [
        keras.layers.Dense(units, activation=activation)(mean)
        for units in parameters.units
        for activation in activations
    ]
