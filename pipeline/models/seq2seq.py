"""Recurrent layers read a sentence, others write one from it: sequence to sequence, with and without attention.

Sutskever et al. (2014); Luong et al. (2015); Bahdanau et al. (2015). In the size of TensorFlow's NMT tutorial (2017),
2 x LSTM(128) on each side with a dropout of .2, it has 2,495,489 parameters with scaled attention and vocabularies of
5,000 tokens.

Shape legend: B batch, S tokens of the source, T tokens of the target, V tokens of the target's vocabulary.
"""

from typing import TYPE_CHECKING, Any, Self

from pydantic import model_validator

from pipeline.layers.decoder_parameters import DecoderParameters
from pipeline.views import ExampleSpec

if TYPE_CHECKING:
    import keras

READS = "a text"


class Parameters(DecoderParameters):
    """bidirectional: whether the encoder also reads backwards, in layers of as many units again."""

    bidirectional: bool = False

    @model_validator(mode="after")
    def _as_wide(self) -> Self:
        if self.bidirectional and self.attention == "dot":
            raise ValueError(
                "attention 'dot' compares states with what was read in one direction, and bidirectional is true; "
                "allowed: general, scaled, bahdanau"
            )
        return self


def build(parameters: Parameters, spec: ExampleSpec, fast: bool = True) -> "keras.Model":
    """A network of the source [B, S] and the target so far [B, T], 0 after their ends -> logits [B, T, V]."""
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

    from pipeline.layers.recurrent_encoder import RecurrentEncoder
    from pipeline.layers.text_decoder import TextDecoder

    if spec.asks != "a text" or spec.vocabulary_size is None:
        raise ValueError(f"{spec.asks} is asked for; allowed: a text, as view text_to_text asks")
    source = keras.Input((None,), dtype="int32", name="source")
    previous = keras.Input((None,), dtype="int32", name="previous")
    words = ops.not_equal(source, 0)
    vectors = keras.layers.Embedding(spec.vocabulary_size, parameters.embedding)(source)
    vectors = keras.layers.Dropout(parameters.dropout)(vectors)
    memory, states = RecurrentEncoder(parameters, parameters.bidirectional, fast)(vectors, words)
    decoder = TextDecoder(parameters, spec.num_outputs, fast)
    encoded = decoder.encoded(states, memory, ops.cast(words, "float32"))
    return keras.Model([source, previous], decoder.logits(previous, encoded)), encoded, decoder
