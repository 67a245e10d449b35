"""A tag for each token: word vectors, a recurrent layer in both directions, and a conditional random field on top.

Lample et al., *Neural Architectures for Named Entity Recognition* (2016), without its characters; Huang, Xu & Yu,
*Bidirectional LSTM-CRF Models for Sequence Tagging* (2015). Without the field (`crf: false`) each token's tag is
chosen by itself.
"""

from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from pipeline.text.tagging import PAIR_SCORES, allowed_pairs, scheme_of
from pipeline.views import ExampleSpec

if TYPE_CHECKING:
    import keras

READS = "a text"


class Parameters(BaseModel):
    """embedding: width of a word's vector; None where the dataset brings vectors (`derive@` word_vectors), which are
    then `frozen` or go on learning. dropout: share of the vectors', and of the recurrent outputs' numbers dropped in
    training. cell, units: of the recurrent layer, in each direction. crf: whether tags are chosen together."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    embedding: int | None = Field(default=None, ge=1)
    frozen: bool = True
    dropout: float = Field(default=0.0, ge=0.0, lt=1.0)
    cell: Literal["lstm", "gru"] = "lstm"
    units: int = Field(ge=1)
    crf: bool = True

    def small(self) -> Self:
        return self.model_copy(update={"embedding": self.embedding and min(self.embedding, 8), "units": 6})


def build(parameters: Parameters, spec: ExampleSpec, fast: bool = True) -> "keras.Model":
    """A network of words [B, T], 0 from the end of each text on, -> scores of pairs of tags [B, T, K, K].

    Without `crf`: -> the probability of each tag [B, T, K].
    """
    import keras

    from pipeline.layers.answers import activate, width
    from pipeline.layers.cells import recurrent_layer
    from pipeline.layers.crf import PairScores

    if spec.asks != "a label at each step":
        raise ValueError(f"{spec.asks} is asked for; allowed: a label at each step, as view tokens_to_labels asks")
    if spec.later_steps_answer:
        raise ValueError("a tagger reads the answers to each step in the steps after it; allowed: model language_model")
    words = keras.Input(spec.input_shape, dtype="int32", name="words")
    features = _embedding(parameters, spec)(words)
    if parameters.dropout:
        features = keras.layers.Dropout(parameters.dropout)(features)

    def one(**options: Any) -> "keras.layers.Layer":
        return recurrent_layer(parameters.cell, parameters.units, fast=fast, return_sequences=True, **options)

    features = keras.layers.Bidirectional(one(), backward_layer=one(go_backwards=True))(features)
    if parameters.dropout:
        features = keras.layers.Dropout(parameters.dropout)(features)
    if not parameters.crf:
        return keras.Model(words, activate(keras.layers.Dense(width(spec))(features), spec))
    emissions = keras.layers.Dense(spec.num_outputs)(features)
    scheme = scheme_of(spec.classes)
    rules = vars(allowed_pairs(spec.classes, scheme)) if scheme else {}
    return keras.Model(words, PairScores(**rules, fast=fast, dtype="float32")(emissions))


def _embedding(parameters: Parameters, spec: ExampleSpec) -> "keras.layers.Layer":
    import keras

    if spec.vectors is None:
        if parameters.embedding is None:
            raise ValueError("embedding is not given, and the dataset has no word vectors; allowed: a width")
        return keras.layers.Embedding(spec.vocabulary_size, parameters.embedding, mask_zero=True)
    if parameters.embedding is not None:
        raise ValueError(
            f"embedding is {parameters.embedding}, but the dataset has word vectors of {spec.vectors.shape[1]}; "
            "allowed: null"
        )
    given = keras.initializers.Constant(spec.vectors)
    return keras.layers.Embedding(
        *spec.vectors.shape, embeddings_initializer=given, trainable=not parameters.frozen, mask_zero=True
    )


def loss(spec: ExampleSpec, label_smoothing: float = 0.0, value_loss: str = "mse") -> Any:
    """-log p of all tags of a text, or without the field of each, both over the number of tokens."""
    from pipeline.layers.answers import AnswerLoss
    from pipeline.layers.crf import SequenceLoss

    together, apart = SequenceLoss(), AnswerLoss(spec, label_smoothing)

    def of_answers(targets: Any, answers: Any) -> Any:
        pairs = len(answers.shape) == len(targets.shape) + 2
        if pairs and label_smoothing:
            raise ValueError(f"label_smoothing is {label_smoothing}; allowed with crf: 0")
        return (together if pairs else apart)(targets, answers)

    return of_answers


def graphs(parameters: Parameters, spec: ExampleSpec, model: "keras.Model") -> dict[str, "keras.Model"]:
    """The graph to export: the same weights in layers that every ONNX runtime knows."""
    import keras

    exported = build(parameters, spec, fast=False)
    exported.set_weights(model.get_weights())
    if parameters.crf:
        exported = keras.Model(exported.input, {PAIR_SCORES: exported.output})
    return {"model": exported}
