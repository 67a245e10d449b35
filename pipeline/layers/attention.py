"""Attention: which places of a memory a decoder looks at in each of its states, and what it takes from there.

`dot`, `general` and the attention vector: Luong, Pham & Manning, *Effective Approaches to Attention-based Neural
Machine Translation* (2015), equations 5, 7 and 8. `scaled`: the general score with a learned scale, as TensorFlow's NMT
tutorial has it (2017). `bahdanau`: Bahdanau, Cho & Bengio, *Neural Machine Translation by Jointly Learning to Align and
Translate* (2015), appendix A.1.2.

Shape legend: B batch, T states of the decoder, S places of the memory, U units of the decoder, M width of the memory,
A width of the keys, W width of the attention vector.
"""

from typing import Any

import keras
from keras import ops

from pipeline.layers.compiled import compiled
from pipeline.layers.decoder_parameters import Score

Tensor = Any
LOWEST = -3e38  # of numbers of 32 bits; infinity minus infinity would be none
SMALLEST = 1e-30  # below every sum of which the largest part is 1


@keras.saving.register_keras_serializable("cadence")
class Attention(keras.layers.Layer):
    """States h [B, T, U] -> attention vectors tanh(W [c; h]) [B, T, W], and the weights [B, T, S] that make c.

    c is the mean of the memory [B, S, M] by these weights: the softmax of the scores of h against the keys [B, S, A] of
    the places that are real (mask [B, S], 1 there and 0 elsewhere). Weights of other places are 0. The score is

        dot        h . s                    keys are the memory s itself, as wide as h
        general    h . W s                  keys are W s, made once for all states by `key_layer`
        scaled     g h . W s                g one learned number, 1 at first
        bahdanau   v . tanh(Q h + W s)

    fast: as it is trained; else in operations that every ONNX runtime knows.
    """

    def __init__(self, score: Score, width: int, fast: bool = True, **options: Any) -> None:
        super().__init__(**options)
        self.score = score
        self.width = width
        self.fast = fast

    def build(self, states_shape: Any, memory_shape: Any, keys_shape: Any, places_shape: Any) -> None:
        units, key_width = states_shape[-1], keys_shape[-1]
        if self.score == "bahdanau":
            self.query_kernel = self.add_weight(shape=(units, key_width), name="query_kernel")
            self.direction = self.add_weight(shape=(key_width, 1), name="direction")
        if self.score == "scaled":
            self.scale = self.add_weight(shape=(), initializer="ones", name="scale")
        self.kernel = self.add_weight(shape=(memory_shape[-1] + units, self.width), name="kernel")

    def call(self, states: Tensor, memory: Tensor, keys: Tensor, places: Tensor) -> tuple[Tensor, Tensor]:
        """`places` [B, S] is the mask; were it called so, Keras would fill it in."""
        weights = masked_softmax(self.scores(states, keys), places[:, None])
        context = ops.matmul(ops.cast(weights, memory.dtype), memory)
        return ops.tanh(ops.matmul(ops.concatenate([context, states], axis=-1), self.kernel)), weights

    def scores(self, states: Tensor, keys: Tensor) -> Tensor:
        """The score [B, T, S] of each place for each state."""
        if self.score == "bahdanau":
            queries = ops.matmul(states, self.query_kernel)
            additive = compiled(additive_scores) if self.fast else additive_scores
            return additive(queries, keys, self.direction.value)
        scores = ops.matmul(states, ops.swapaxes(keys, 1, 2))
        return scores * self.scale if self.score == "scaled" else scores

    def compute_output_shape(self, states_shape: Any, memory_shape: Any, keys_shape: Any, places_shape: Any) -> Any:
        return (*states_shape[:2], self.width), (*states_shape[:2], memory_shape[1])

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "score": self.score, "width": self.width, "fast": self.fast}


def key_layer(score: Score, units: int) -> keras.layers.Layer | None:
    """The layer that makes keys [B, S, units] of a memory; None where the memory itself is compared."""
    return None if score == "dot" else keras.layers.Dense(units, use_bias=False, name="keys")


def masked_softmax(scores: Tensor, mask: Tensor) -> Tensor:
    """Shares [..., S] that add up to 1, in float32: 0 exactly where the mask is 0, however large the scores are.

    All are 0 where nothing is real.
    """
    mask = ops.cast(mask, "float32")
    scores = ops.where(mask > 0, ops.cast(scores, "float32"), LOWEST)
    shares = ops.exp(scores - ops.stop_gradient(ops.max(scores, axis=-1, keepdims=True))) * mask
    return shares / ops.maximum(ops.sum(shares, axis=-1, keepdims=True), SMALLEST)


def additive_scores(queries: Tensor, keys: Tensor, direction: Tensor) -> Tensor:
    """v . tanh(q + k) [B, T, S] of queries [B, T, A], keys [B, S, A] and the direction v [A, 1]."""
    return ops.squeeze(ops.matmul(ops.tanh(queries[:, :, None] + keys[:, None]), direction), -1)
