"""A convolutional network for texts: windows of words, of which the strongest answer of each filter counts.

Kim, *Convolutional Neural Networks for Sentence Classification* (2014): word vectors, filters over windows of several
widths side by side, the largest value of each over the whole text, dropout, one dense layer. `wide` sets beside it a
second answer, from the mean of the vectors of words, pairs and triples, as in Joulin et al., *Bag of Tricks for
Efficient Text Classification* (2017); both are learnt apart and given together.
"""

from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveInt

from pipeline.views import ExampleSpec

if TYPE_CHECKING:
    import keras

READS = "a text"


class Wide(BaseModel):
    """An answer from the mean of vectors, beside that of the convolutions.

    longest: of the sequences of words that have a vector. buckets: how many vectors those of two and more words share,
    by a hash. units: width of a vector. dropout: share of the vectors left out of the mean in training.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    longest: Literal[1, 2, 3] = 2
    buckets: int = Field(default=1 << 17, ge=1, le=1 << 20)
    units: int = Field(default=16, ge=1)
    dropout: float = Field(default=0.0, ge=0, lt=1)


class Parameters(BaseModel):
    """embedding: width of a word's vector. filters: for each of the `widths` of windows. dropout: share of the largest
    values dropped in training; embedding_dropout: share of the words whose vector is. l2: of the convolutions'
    kernels. wide: what stands beside the convolutions, if anything."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    embedding: int = Field(default=128, ge=1)
    filters: int = Field(default=128, ge=1)
    widths: list[PositiveInt] = Field(default=[3, 4, 5], min_length=1)
    dropout: float = Field(default=0.5, ge=0, lt=1)
    embedding_dropout: float = Field(default=0.0, ge=0, lt=1)
    l2: float = Field(default=0.0, ge=0)
    wide: Wide | None = None

    def small(self) -> "Parameters":
        wide = self.wide and self.wide.model_copy(update={"buckets": 64, "units": 4})
        return self.model_copy(update={"embedding": 6, "filters": 4, "wide": wide})


def build(parameters: Parameters, spec: ExampleSpec) -> "keras.Model":
    """A network of tokens [B, T], int32 and 0 beyond the end of each text -> probabilities [B, labels]."""
    import keras

    from pipeline.layers.either import EitherAnswer
    from pipeline.layers.words import MeanOfWords, StrongestWindow

    if spec.asks != "one label":
        raise ValueError(f"{spec.asks} is asked for, and windows over a text answer but once; allowed: one label")
    tokens = keras.Input(spec.input_shape, dtype="int32", name="tokens")
    # Padded here, and not by what stores texts: the shortest text has one window of each width.
    padded = keras.ops.pad(tokens, ((0, 0), (0, max(parameters.widths) - 1)))
    vectors = keras.layers.Embedding(spec.vocabulary_size or 0, parameters.embedding)(padded)
    if parameters.embedding_dropout:
        vectors = keras.layers.Dropout(parameters.embedding_dropout, noise_shape=(None, None, 1))(vectors)
    strongest = [
        StrongestWindow(parameters.filters, width, parameters.l2)(vectors, padded) for width in parameters.widths
    ]
    features: Any = keras.layers.Concatenate()(strongest) if len(strongest) > 1 else strongest[0]
    features = keras.layers.Dropout(parameters.dropout)(features)
    answer = keras.layers.Dense(spec.num_outputs)(features)
    if wide := parameters.wide:
        mean = MeanOfWords(spec.vocabulary_size or 0, **wide.model_dump())(tokens)
        answer = EitherAnswer()(answer, keras.layers.Dense(spec.num_outputs)(mean))
    return keras.Model(tokens, keras.ops.softmax(answer))


def loss(spec: ExampleSpec, label_smoothing: float = 0.0, value_loss: str = "mse") -> "keras.losses.Loss":
    """Cross-entropy of the right class."""
    from pipeline.layers.cross_entropy import ClassCrossEntropy

    return ClassCrossEntropy(label_smoothing)
