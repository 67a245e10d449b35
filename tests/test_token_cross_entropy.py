"""The loss of texts against its formula, in its value and in its gradient."""

import json
from typing import Any

import numpy as np
import pytest
from jax_process import run_on_jax

from pipeline.dataset import Array

TOKENS = np.array([[2, 0, 6, -1], [5, -1, -1, -1]], np.int32)
LOGITS = (3 * np.random.default_rng(1).normal(size=(2, 4, 7))).astype(np.float32)
smoothings = pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.5])


def value_and_gradient(smoothing: float, tokens: Array = TOKENS, logits: Array = LOGITS) -> tuple[float, Array]:
    import keras

    from pipeline.layers.token_cross_entropy import TokenCrossEntropy

    loss = TokenCrossEntropy(smoothing)
    if keras.backend.backend() == "jax":
        import jax

        value, gradient = jax.value_and_grad(lambda given: loss(tokens, given))(logits)
        return float(value), np.asarray(gradient)
    import tensorflow as tf

    given = tf.constant(logits)
    with tf.GradientTape() as tape:
        tape.watch(given)
        value = loss(tokens, given)
    return float(value), tape.gradient(value, given).numpy()


@smoothings
def test_it_is_the_formula_over_the_tokens_that_are_asked_for(keras: Any, smoothing: float) -> None:
    value, gradient = value_and_gradient(smoothing)
    asked = TOKENS >= 0
    target = (1 - smoothing) * np.eye(7)[TOKENS] + smoothing / 7
    logits = LOGITS.astype(np.float64)
    log_p = logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))
    assert value == pytest.approx(-(target * log_p).sum(axis=-1)[asked].mean(), abs=1e-6)
    expected = (np.exp(log_p) - target) * asked[..., None] / asked.sum()
    np.testing.assert_allclose(gradient, expected, atol=1e-7)


def test_large_logits_and_nothing_asked_give_numbers(keras: Any) -> None:
    value, gradient = value_and_gradient(0.1, logits=LOGITS * np.float32(1e4))
    assert np.isfinite(value) and np.isfinite(gradient).all()
    value, gradient = value_and_gradient(0.1, tokens=np.full_like(TOKENS, -1))
    assert value == 0 and not gradient.any()


def test_without_smoothing_it_is_keras_own(keras: Any) -> None:
    own = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    assert value_and_gradient(0.0, np.maximum(TOKENS, 0))[0] == pytest.approx(
        float(own(np.maximum(TOKENS, 0), LOGITS)), rel=1e-6
    )


@pytest.mark.slow
def test_jax_computes_the_same(keras: Any) -> None:
    found = "value, gradient = test_token_cross_entropy.value_and_gradient(0.1)"
    code = f"import json, test_token_cross_entropy; {found}; print(json.dumps([value, gradient.tolist()]))"
    value, gradient = json.loads(run_on_jax(code))
    expected = value_and_gradient(0.1)
    assert value == pytest.approx(expected[0], abs=1e-6)
    np.testing.assert_allclose(gradient, expected[1], atol=1e-7)


def test_the_accuracy_counts_real_tokens_alone(keras: Any) -> None:
    from pipeline.training import _metrics

    given = keras.Input((None, 7))
    model = keras.Model(given, keras.layers.Identity()(given))
    (accuracy,) = _metrics("a text", model)
    accuracy.update_state(TOKENS, LOGITS)
    right = (LOGITS.argmax(axis=-1) == TOKENS)[TOKENS >= 0]
    assert float(accuracy.result()) == pytest.approx(right.mean())
    accuracy.update_state(np.array([[-1, 3]]), np.eye(7, dtype=np.float32)[None, [1, 3]])
    assert float(accuracy.result()) == pytest.approx((right.sum() + 1) / (len(right) + 1))
