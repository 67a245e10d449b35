"""Attention against the papers' equations, written out in NumPy, and against cases that can be done by hand."""

import json
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jax_process import run_on_jax

from pipeline.dataset import Array
from pipeline.layers.decoder_parameters import Score

SCORES = get_args(Score)[1:]  # without `none`
BATCH, STATES, PLACES, UNITS, WIDTH = 3, 4, 5, 3, 2
LENGTHS = (5, 3, 1)
every_score = pytest.mark.parametrize("score", SCORES)


def drawn(score: str, seed: int = 1) -> tuple[Array, Array, Array, Array]:
    """States, memory, keys and mask; the memory is as wide as the states where it is compared itself."""
    rng = np.random.default_rng(seed)
    states = rng.normal(size=(BATCH, STATES, UNITS)).astype(np.float32)
    memory = rng.normal(size=(BATCH, PLACES, UNITS if score == "dot" else 4)).astype(np.float32)
    keys = memory if score == "dot" else rng.normal(size=(BATCH, PLACES, UNITS)).astype(np.float32)
    mask = (np.arange(PLACES)[None] < np.array(LENGTHS)[:, None]).astype(np.float32)
    return states, memory, keys, mask


def attention(score: str, given: tuple[Array, ...], fast: bool = True) -> Any:
    from pipeline.layers.attention import Attention

    layer = Attention(score, WIDTH, fast)
    layer(*given)
    rng = np.random.default_rng(2)
    layer.set_weights([rng.normal(size=weight.shape).astype(np.float32) for weight in layer.weights])
    return layer


def by_equations(score: str, layer: Any, states: Array, memory: Array, keys: Array, mask: Array) -> tuple[Array, Array]:
    """Attention vectors and weights, example by example and state by state, in float64."""
    own = {weight.name: np.asarray(weight, dtype=np.float64) for weight in layer.weights}
    vectors, weights = np.zeros((BATCH, STATES, WIDTH)), np.zeros((BATCH, STATES, PLACES))
    for row, length in enumerate(mask.sum(axis=1).astype(int)):
        for step in range(STATES):
            h = states[row, step].astype(np.float64)
            if score == "bahdanau":
                scores = [own["direction"][:, 0] @ np.tanh(h @ own["query_kernel"] + key) for key in keys[row, :length]]
            else:
                scores = [own.get("scale", 1.0) * (h @ key) for key in keys[row, :length]]
            shares = np.exp(scores - np.max(scores)) / np.exp(scores - np.max(scores)).sum()
            context = shares @ memory[row, :length]
            weights[row, step, :length] = shares
            vectors[row, step] = np.tanh(np.concatenate([context, h]) @ own["kernel"])
    return vectors, weights


@every_score
@pytest.mark.parametrize("fast", [True, False])
def test_it_is_the_papers_equations(keras: Any, score: str, fast: bool) -> None:
    given = drawn(score)
    layer = attention(score, given, fast)
    expected = by_equations(score, layer, *given)
    for found, wanted in zip(layer(*given), expected, strict=True):
        np.testing.assert_allclose(np.asarray(found), wanted, atol=1e-6)


def test_a_case_done_by_hand(keras: Any) -> None:
    from pipeline.layers.attention import Attention

    states = np.array([[[1.0, 0.0]]], np.float32)
    memory = np.array([[[np.log(3), 5.0], [0.0, 1.0], [9.0, 9.0]]], np.float32)
    layer = Attention("dot", 1)
    given = (states, memory, memory, np.array([[1, 1, 0]], np.float32))
    layer(*given)
    layer.set_weights([np.array([[0.0], [0.5], [0.25], [0.0]], np.float32)])
    vector, weights = layer(*given)
    np.testing.assert_allclose(weights, [[[0.75, 0.25, 0.0]]], atol=1e-7)  # exp(log 3) : exp(0)
    context = 0.75 * 5 + 0.25 * 1
    np.testing.assert_allclose(vector, [[[np.tanh(0.5 * context + 0.25 * 1.0)]]], atol=1e-7)


def test_additive_scores_of_nothing_but_the_direction_are_its_hyperbolic_tangents(keras: Any) -> None:
    from pipeline.layers.attention import additive_scores

    queries, keys = np.array([[[0.5], [1.0]]], np.float32), np.array([[[0.0], [-1.0]]], np.float32)
    found = np.asarray(additive_scores(queries, keys, np.array([[2.0]], np.float32)))
    np.testing.assert_allclose(found, 2 * np.tanh([[[0.5, -0.5], [1.0, 0.0]]]), atol=1e-6)


def test_the_scaled_score_begins_as_the_general_one_and_its_scale_is_one_number(keras: Any) -> None:
    from pipeline.layers.attention import Attention

    given = drawn("scaled")
    scaled, general = Attention("scaled", WIDTH), Attention("general", WIDTH)
    general(*given)
    scaled(*given)
    assert scaled.count_params() == general.count_params() + 1
    scaled.kernel.assign(general.kernel)
    np.testing.assert_array_equal(scaled(*given)[1], general(*given)[1])
    scaled.scale.assign(0.0)
    np.testing.assert_allclose(scaled(*given)[1][0], 1 / PLACES, atol=1e-7)


@every_score
def test_what_is_masked_has_no_weight_and_no_gradient_whatever_lies_there(keras: Any, score: str) -> None:
    import tensorflow as tf

    states, memory, keys, mask = drawn(score)
    layer = attention(score, (states, memory, keys, mask))
    vectors, weights = layer(states, memory, keys, mask)
    assert not np.asarray(weights)[np.broadcast_to(mask[:, None] == 0, weights.shape)].any()
    np.testing.assert_allclose(np.asarray(weights).sum(axis=-1), 1, atol=1e-6)
    beyond = mask[..., None] == 0
    other = [np.where(beyond, 1e6, each).astype(np.float32) for each in (memory, keys)]
    again, of_others = layer(states, *other, mask)
    np.testing.assert_array_equal(again, vectors)
    np.testing.assert_array_equal(of_others, weights)
    given = [tf.constant(each) for each in other]
    with tf.GradientTape() as tape:
        tape.watch(given)
        total = tf.reduce_sum(layer(states, *given, mask)[0] ** 2)
    for gradient in tape.gradient(total, given):
        assert gradient is None or (np.isfinite(gradient).all() and not gradient.numpy()[beyond[..., 0]].any())


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(-1e38, 1e38), min_size=1, max_size=6), st.integers(0, 2**6 - 1))
def test_scores_however_large_give_shares(keras: Any, scores: list[float], places: int) -> None:
    from pipeline.layers.attention import masked_softmax

    mask = np.array([places >> place & 1 for place in range(len(scores))], np.float32)
    found = np.asarray(masked_softmax(np.array(scores, np.float32), mask))
    assert np.isfinite(found).all() and not found[mask == 0].any()
    assert found.sum() == (pytest.approx(1, abs=1e-6) if mask.any() else 0)


def on_this_backend(score: str) -> list[list[float]]:
    """Vectors, and the gradient of their sum of squares in the states."""
    import keras

    given = drawn(score)
    layer = attention(score, given)
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        states = tf.constant(given[0])
        with tf.GradientTape() as tape:
            tape.watch(states)
            vectors = layer(states, *given[1:])[0]
            total = tf.reduce_sum(vectors**2)
        gradient = tape.gradient(total, states)
    else:
        import jax

        def total_of(states: Any) -> Any:
            return (layer(states, *given[1:])[0] ** 2).sum()

        vectors, gradient = layer(*given)[0], jax.grad(total_of)(given[0])
    return [np.asarray(each).ravel().tolist() for each in (vectors, gradient)]


@pytest.mark.slow
def test_jax_computes_the_same(keras: Any) -> None:
    code = f"import json, test_attention as t; print(json.dumps([t.on_this_backend(s) for s in {SCORES!r}]))"
    for score, found in zip(SCORES, json.loads(run_on_jax(code)), strict=True):
        for one, expected in zip(found, on_this_backend(score), strict=True):
            np.testing.assert_allclose(one, expected, atol=1e-5)
