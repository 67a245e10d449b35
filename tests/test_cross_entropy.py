"""The cross-entropy of classes against its formula, and against what Keras has of it."""

from typing import Any

import numpy as np
import pytest

TARGETS = np.array([0, 1, 1], np.uint8)
TWO = np.array([[0.2], [0.7], [0.9]], np.float32)  # probability of the second class
THREE = np.array([[0.7, 0.2, 0.1], [0.3, 0.6, 0.1], [0.1, 0.1, 0.8]], np.float32)


def loss(keras: Any, probabilities: Any, smoothing: float) -> float:
    from pipeline.layers.cross_entropy import ClassCrossEntropy

    return float(ClassCrossEntropy(smoothing)(TARGETS, probabilities))


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.5])
@pytest.mark.parametrize("probabilities", [TWO, THREE], ids=["one_output", "three_outputs"])
def test_it_is_the_formula(keras: Any, probabilities: Any, smoothing: float) -> None:
    share = np.hstack([1 - TWO, TWO]) if probabilities is TWO else THREE
    target = (1 - smoothing) * np.eye(share.shape[1])[TARGETS] + smoothing / share.shape[1]
    assert loss(keras, probabilities, smoothing) == pytest.approx(
        -(target * np.log(share)).sum(axis=1).mean(), abs=1e-5
    )


def test_without_smoothing_it_is_keras_own(keras: Any) -> None:
    binary, sparse = keras.losses.BinaryCrossentropy(), keras.losses.SparseCategoricalCrossentropy()
    assert loss(keras, TWO, 0.0) == pytest.approx(float(binary(TARGETS[:, None], TWO)))
    assert loss(keras, THREE, 0.0) == pytest.approx(float(sparse(TARGETS, THREE)))


@pytest.mark.parametrize(("smoothing", "best"), [(0.1, 0.95), (0.02, 0.99)])
def test_its_minimum_is_at_the_smoothed_target(keras: Any, smoothing: float, best: float) -> None:
    def at(probability: float) -> float:
        return loss(keras, np.array([[1 - probability], [probability], [probability]], np.float32), smoothing)

    assert at(best) < min(at(best - 0.005), at(best + 0.005))
