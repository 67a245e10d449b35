"""Adam in one operation against Keras' own, number for number, and what fits around it."""

from typing import Any

import numpy as np
import pytest

NUM_UPDATES = 20


def updated(keras: Any, optimizer: Any, sparse: bool) -> tuple[np.ndarray, list[np.ndarray]]:
    """A weight after some updates, and the state of its optimizer."""
    import tensorflow as tf

    rng = np.random.default_rng(2)
    weight = keras.Variable(rng.normal(size=(7, 3)).astype(np.float32))
    optimizer.build([weight])
    apply = tf.function(lambda gradient: optimizer.apply([gradient], [weight]))
    for _ in range(NUM_UPDATES):
        values = rng.normal(size=(5, 3)).astype(np.float32)
        rows = rng.integers(0, 7, 5)  # some of them twice
        slices = tf.IndexedSlices(tf.constant(values), tf.constant(rows), tf.constant([7, 3], tf.int64))
        apply(slices if sparse else tf.convert_to_tensor(slices))
    return np.asarray(weight), [np.asarray(variable) for variable in optimizer.variables]


def same(found: tuple[np.ndarray, list[np.ndarray]], expected: tuple[np.ndarray, list[np.ndarray]]) -> None:
    for one, other in zip([found[0], *found[1]], [expected[0], *expected[1]], strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "options",
    [{}, {"global_clipnorm": 0.1}, {"clipvalue": 0.05}, {"beta_1": 0.5, "beta_2": 0.9, "epsilon": 1e-3}],
    ids=["plain", "clip_norm", "clip_value", "own"],
)
def test_the_weights_and_the_state_are_those_of_keras(keras: Any, options: dict[str, float]) -> None:
    from pipeline.fused_adam import FusedAdam

    rate = keras.optimizers.schedules.CosineDecay(0.01, 2 * NUM_UPDATES)
    ours, theirs = FusedAdam(rate, **options), keras.optimizers.Adam(rate, **options)
    same(updated(keras, ours, sparse=False), updated(keras, theirs, sparse=False))


def test_gradients_of_one_row_are_added_before_they_are_squared(keras: Any) -> None:
    from pipeline.fused_adam import FusedAdam

    same(updated(keras, FusedAdam(0.01), sparse=True), updated(keras, FusedAdam(0.01), sparse=False))


def scaled(keras: Any, optimizer: Any) -> np.ndarray:
    """A weight after updates of a scaled loss, of which one overflows."""
    import tensorflow as tf

    weight = keras.Variable(np.ones(4, np.float32))
    scaling = keras.optimizers.LossScaleOptimizer(optimizer, initial_scale=8.0)
    scaling.build([weight])
    apply = tf.function(lambda gradient: scaling.apply([gradient], [weight]))
    for gradient in ([8.0, -16.0, 0.0, 4.0], [np.inf, 0.0, 0.0, 0.0], [1.0, 1.0, 1.0, 1.0]):
        apply(tf.constant(gradient))
    return np.asarray(weight)


def test_a_loss_that_is_scaled_for_half_precision_gives_the_same_weights(keras: Any) -> None:
    from pipeline.fused_adam import FusedAdam

    found = scaled(keras, FusedAdam(0.1))
    np.testing.assert_allclose(found, scaled(keras, keras.optimizers.Adam(0.1)), rtol=1e-5)
    assert np.isfinite(found).all()
