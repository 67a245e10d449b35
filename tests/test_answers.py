"""How networks answer and what an answer costs, worked out by hand; what is not asked for costs nothing."""

from typing import Any

import numpy as np
import pytest

from pipeline.views import ExampleSpec

NAN = np.nan
VALUES = ExampleSpec((None, 1), 2, "a value at each step")
TARGETS = np.array([[[1.0, 2.0], [NAN, 4.0]], [[0.0, NAN], [NAN, NAN]]], np.float32)
ANSWERS = np.array([[[2.0, 2.0], [9.0, 1.0]], [[-2.0, 9.0], [9.0, 9.0]]], np.float32)


@pytest.mark.parametrize(("value_loss", "expected"), [("mse", (1 + 0 + 9 + 4) / 4), ("mae", (1 + 0 + 3 + 2) / 4)])
def test_values_cost_the_mean_over_what_is_asked_for(keras: Any, value_loss: str, expected: float) -> None:
    from pipeline.layers.answers import AnswerLoss

    assert float(AnswerLoss(VALUES, value_loss=value_loss)(TARGETS, ANSWERS)) == pytest.approx(expected)


@pytest.mark.parametrize("smoothing", [0.0, 0.3])
@pytest.mark.parametrize("shape", [(6,), (2, 3)])
def test_labels_cost_their_cross_entropy(keras: Any, shape: tuple[int, ...], smoothing: float) -> None:
    from pipeline.layers.answers import AnswerLoss

    asks = "one label" if len(shape) == 1 else "a label at each step"
    labels = np.array([0, 2, 1, -1, 2, -1], np.int32).reshape(shape)
    logits = np.random.default_rng(0).normal(size=(*shape, 3))
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)
    costs = []
    for label, share in zip(labels.ravel(), probabilities.reshape(-1, 3), strict=True):
        if label >= 0:
            aim = (1 - smoothing) * np.eye(3)[label] + smoothing / 3
            costs.append(-(aim * np.log(share)).sum())
    loss = AnswerLoss(ExampleSpec((None, 1), 3, asks), smoothing)
    assert float(loss(labels, probabilities.astype(np.float32))) == pytest.approx(np.mean(costs), rel=1e-5)


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_two_labels_share_one_probability(keras: Any, smoothing: float) -> None:
    from pipeline.layers.answers import AnswerLoss

    labels, second = np.array([1, 0, -1], np.int32), np.array([[0.8], [0.3], [0.9]], np.float32)
    right, wrong = np.array([0.8, 0.7]), np.array([0.2, 0.3])
    expected = np.mean(-(1 - smoothing / 2) * np.log(right) - smoothing / 2 * np.log(wrong))
    loss = AnswerLoss(ExampleSpec((None, 1), 2, "one label"), smoothing)
    assert float(loss(labels, second)) == pytest.approx(expected, rel=1e-5)


def test_where_nothing_is_asked_for_there_is_neither_loss_nor_gradient(keras: Any) -> None:
    import tensorflow as tf

    from pipeline.layers.answers import AnswerLoss

    labels = ExampleSpec((None, 1), 3, "a label at each step")
    cases = [(VALUES, np.full((1, 2, 2), NAN, np.float32)), (labels, np.full((1, 2), -1, np.int32))]
    for spec, targets in cases:
        for answer in (np.full((1, 2, spec.num_outputs), 1 / 3, np.float32), np.eye(3, dtype=np.float32)[None, :2]):
            given = tf.constant(answer[..., : spec.num_outputs])
            with tf.GradientTape() as tape:
                tape.watch(given)
                loss = AnswerLoss(spec)(targets, given)
            assert float(loss) == 0.0
            assert not np.asarray(tape.gradient(loss, given)).any()


def test_a_target_that_is_not_asked_for_has_no_part_in_the_gradient(keras: Any) -> None:
    import tensorflow as tf

    from pipeline.layers.answers import AnswerLoss

    given = tf.constant(ANSWERS)
    with tf.GradientTape() as tape:
        tape.watch(given)
        loss = AnswerLoss(VALUES)(TARGETS, given)
    expected = np.where(np.isnan(TARGETS), 0, 2 * (ANSWERS - np.nan_to_num(TARGETS)) / 4)
    np.testing.assert_allclose(tape.gradient(loss, given), expected, atol=1e-6)


@pytest.mark.parametrize(
    ("spec", "width"),
    [
        (ExampleSpec((None, 1), 2, "one label"), 1),
        (ExampleSpec((None, 1), 5, "one label"), 5),
        (ExampleSpec((None, 1), 2, "one value"), 2),
        (ExampleSpec((None, 1), 1, "a value at each step"), 1),
    ],
)
def test_labels_are_answered_with_probabilities_and_values_as_they_are(
    keras: Any, spec: ExampleSpec, width: int
) -> None:
    from pipeline.layers import answers

    assert answers.width(spec) == width
    given = np.random.default_rng(0).normal(size=(4, width)).astype(np.float32) * 3
    found = np.asarray(answers.activate(given, spec))
    if "value" in spec.asks:
        np.testing.assert_array_equal(found, given)
    elif width == 1:
        np.testing.assert_allclose(found, 1 / (1 + np.exp(-given)), rtol=1e-5)
    else:
        np.testing.assert_allclose(found.sum(axis=-1), 1, rtol=1e-5)
        np.testing.assert_allclose(np.log(found[:, 1] / found[:, 0]), given[:, 1] - given[:, 0], rtol=1e-4)
