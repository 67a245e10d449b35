"""Words of texts in windows, of which the strongest counts, and the mean of their vectors over a text.

Tokens are int32 and 0 beyond the end of a text. How far a text is padded changes no answer.

Shape legend: B texts, T tokens, E width of a vector, F filters, W words of a window, U units of a mean.
"""

from typing import Any

import keras
from keras import ops

Tensor = Any
FAR_BELOW = -1e4  # any value of a window; half-precision numbers hold it as well
FACTOR = 1031  # of the hash; times 2^20 buckets, as many as there may be, it stays below 2^31


@keras.saving.register_keras_serializable("cadence")
class StrongestWindow(keras.layers.Layer):
    """`Conv1D(filters, width, activation="relu")` and each filter's largest value over a text: [B, T, E] -> [B, F].

    Only windows of words count, or the first one, where a text is shorter. Weights are those of `keras.layers.Conv1D`:
    kernel [W, E, F], bias [F]. Bias and ReLU keep the order of numbers, so they come after the largest was found.
    """

    def __init__(self, filters: int, width: int, l2: float = 0.0, **options: Any) -> None:
        super().__init__(**options)
        self.filters = filters
        self.width = width
        self.l2 = l2

    def build(self, vectors_shape: tuple[int | None, ...], tokens_shape: tuple[int | None, ...]) -> None:
        regularizer = keras.regularizers.L2(self.l2) if self.l2 else None
        shape = (self.width, vectors_shape[-1], self.filters)
        self.kernel = self.add_weight(shape=shape, regularizer=regularizer, name="kernel")
        self.bias = self.add_weight(shape=(self.filters,), initializer="zeros", name="bias")

    def call(self, vectors: Tensor, tokens: Tensor) -> Tensor:
        """`tokens` [B, T] are those whose `vectors` [B, T, E] these are."""
        convolved = ops.conv(vectors, self.kernel, padding="valid")
        last = tokens[:, self.width - 1 :]
        counts = ops.logical_or(last != 0, (ops.arange(ops.shape(last)[1]) == 0)[None])
        handicap = ops.cast(ops.where(counts, 0.0, FAR_BELOW), convolved.dtype)
        return ops.relu(ops.max(convolved + handicap[..., None], axis=1) + self.bias)

    def compute_output_shape(
        self, vectors_shape: tuple[int | None, ...], tokens_shape: tuple[int | None, ...]
    ) -> tuple[int | None, ...]:
        return (vectors_shape[0], self.filters)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "filters": self.filters, "width": self.width, "l2": self.l2}


@keras.saving.register_keras_serializable("cadence")
class MeanOfWords(keras.layers.Layer):
    """Tokens [B, T] -> the mean vector [B, U] of all words of a text and of its sequences of up to `longest` words.

    Each word has a vector of its own; sequences share `buckets` of them, by a hash. In training each is left out with
    chance `dropout`, and the mean is of the others.
    """

    def __init__(
        self, vocabulary_size: int, longest: int, buckets: int, units: int, dropout: float = 0.0, **options: Any
    ) -> None:
        super().__init__(**options)
        self.vocabulary_size = vocabulary_size
        self.longest = longest
        self.buckets = buckets
        self.units = units
        self.dropout = dropout
        self.seeds = keras.random.SeedGenerator()

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        self.words = self.add_weight(
            shape=(self.vocabulary_size, self.units), initializer=keras.initializers.RandomUniform(), name="words"
        )
        if self.longest > 1:
            self.sequences = self.add_weight(
                shape=(self.buckets, self.units), initializer=keras.initializers.RandomUniform(), name="sequences"
            )

    def call(self, inputs: Tensor, training: bool = False) -> Tensor:
        total, count = self._summed(self.words, inputs, inputs != 0, training)
        hashed = ops.mod(inputs, self.buckets)
        for length in range(2, self.longest + 1):
            following = inputs[:, length - 1 :]
            hashed = ops.mod(hashed[:, :-1] * FACTOR + following, self.buckets)
            more, number = self._summed(self.sequences, hashed, following != 0, training)
            total, count = total + more, count + number
        return total / ops.maximum(count, 1)

    def _summed(self, table: Tensor, indices: Tensor, counted: Tensor, training: bool) -> tuple[Tensor, Tensor]:
        """The sum [B, U] of the vectors that count, and how many these are [B, 1]."""
        vectors = ops.take(table, indices, axis=0)
        if training and self.dropout:
            kept = keras.random.uniform(ops.shape(indices), seed=self.seeds) >= self.dropout
            counted = ops.logical_and(counted, kept)
        counts = ops.cast(counted, vectors.dtype)
        return ops.sum(vectors * counts[..., None], axis=1), ops.sum(counts, axis=1, keepdims=True)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return (input_shape[0], self.units)

    def get_config(self) -> dict[str, Any]:
        sizes: dict[str, Any] = {"vocabulary_size": self.vocabulary_size, "longest": self.longest}
        sizes |= {"buckets": self.buckets, "units": self.units}
        return {**super().get_config(), **sizes, "dropout": self.dropout}
