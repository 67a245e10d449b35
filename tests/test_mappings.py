"""Sources whose answers are a rule and noise: the rule on numbers written out by hand, the noise as the ceiling."""

from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from pipeline.dataset import Array
from pipeline.datasets import adding, cumulative_sum, line, mappings, variable_lengths
from pipeline.noise import normal, smallest_errors, uniform

BY_HAND: dict[str, tuple[list[float], list[float]]] = {
    "one_to_one": ([0.25], [-0.5]),
    "one_to_many": ([0.6], [0.15, 0.3, 0.45, 0.6]),
    "many_to_one": ([0.25, 0.5, 0.75, 1.0], [0.625]),
    "many_to_many": ([0.25, 0.75, 0.5, 1.0], [0.25, 0.75, 0.75, 1.0]),
    "encoder_decoder": ([0.25, 0.75, 0.5, 1.0], [1.0, 0.5, 0.75, 0.25]),
}


def column(numbers: list[float]) -> Array:
    return np.array(numbers, np.float64)[None, :, None]


def errors(y: Array, best: Array) -> dict[str, float]:
    difference = y.astype(np.float64).ravel() - np.asarray(best, np.float64).ravel()
    mse = float(np.mean(difference**2))
    return {"mse": mse, "rmse": mse**0.5, "mae": float(np.abs(difference).mean())}


@pytest.mark.parametrize("shape", BY_HAND)
def test_each_mapping_is_its_rule_and_noise(shape: Any) -> None:
    parameters = mappings.Parameters(shape=shape, steps=4, noise=0.2)
    read, answered = BY_HAND[shape]
    found = mappings.without_noise(parameters, column(read))
    assert found.shape == ((1, 1) if shape in ("one_to_one", "many_to_one") else (1, len(answered), 1))
    np.testing.assert_allclose(found.ravel(), answered, atol=1e-12)
    drawn = mappings.draw_split(parameters, 4000, np.random.default_rng(0))
    best = mappings.without_noise(parameters, drawn["x"])
    assert drawn["x"].shape == (4000, len(read), 1) and drawn["y"].shape == (4000, *found.shape[1:])
    assert drawn["x"].dtype == drawn["y"].dtype == np.float32
    assert drawn["x"].min() >= 0 and drawn["x"].max() <= 1
    described = mappings.describe(parameters, drawn)
    assert described.ceilings == pytest.approx(errors(drawn["y"], best), rel=1e-6)
    assert described.ceilings["rmse"] == pytest.approx(0.2, rel=0.05)
    assert described.output_steps == (4 if shape in ("one_to_many", "encoder_decoder") else None)


def test_the_label_of_the_cumulative_sum_by_a_loop() -> None:
    parameters = cumulative_sum.Parameters(steps=7)
    drawn = cumulative_sum.draw_split(parameters, 200, np.random.default_rng(0))
    thousandths = np.rint(drawn["x"][..., 0].astype(np.float64) * 1000).astype(int)
    for row, labels in zip(thousandths.tolist(), drawn["y"].tolist(), strict=True):
        total = 0
        for number, label in zip(row, labels, strict=True):
            total += number
            assert label == (total > 1750)
    assert set(np.unique(drawn["y"])) == {0, 1}
    # Exactly a quarter of the number of steps is not above it.
    exact = cumulative_sum.draw_split(cumulative_sum.Parameters(steps=2), 100_000, np.random.default_rng(0))
    half = exact["x"][:, 0, 0] == 0.5
    assert half.any() and not exact["y"][half, 0].any()
    assert cumulative_sum.describe(parameters, drawn).ceilings == {"accuracy": 1.0, "sequence_accuracy": 1.0}


def test_points_lie_on_the_line_but_for_the_noise() -> None:
    parameters = line.Parameters(slope=3.0, intercept=-2.0, noise=0.5)
    np.testing.assert_allclose(line.on_the_line(parameters, np.array([[[1.5]], [[-1.0]]])), [[2.5], [-5.0]])
    drawn = line.draw_split(parameters, 5000, np.random.default_rng(0))
    x, y = drawn["x"][:, 0, 0].astype(np.float64), drawn["y"][:, 0].astype(np.float64)
    assert -1 <= x.min() < -0.9 and 1.9 < x.max() <= 2
    ceilings = line.describe(parameters, drawn).ceilings
    assert ceilings == pytest.approx(errors(y, 3 * x - 2), rel=1e-6)
    # Least squares on these very points can be better by its two parameters only.
    slope, intercept = np.polyfit(x, y, 1)
    assert np.mean((y - slope * x - intercept) ** 2) == pytest.approx(ceilings["mse"], rel=2e-3)


def test_the_marked_numbers_are_added_and_halved() -> None:
    x = np.array([[[0.1, 0], [0.6, 1], [0.9, 0], [0.3, 1]], [[0.5, 1], [0.25, 1], [1, 0], [1, 0]]])
    np.testing.assert_allclose(adding.without_noise(x), [[0.45], [0.375]])
    parameters = adding.Parameters(steps=40, noise=0.05)
    drawn = adding.draw_split(parameters, 3000, np.random.default_rng(0))
    marks = drawn["x"][..., 1]
    assert (marks.sum(axis=1) == 2).all() and set(np.unique(marks)) == {0, 1}
    first, second = (np.sort(np.nonzero(marks)[1].reshape(-1, 2), axis=1)).T
    assert set(first) == set(range(4)) and set(second) == set(range(4, 21))
    best = [row[row[:, 1] == 1, 0].astype(np.float64).sum() / 2 for row in drawn["x"]]
    assert adding.describe(parameters, drawn).ceilings == pytest.approx(errors(drawn["y"], best), rel=1e-6)
    # Who answers the mean every time: two numbers of variance 1/12, halved, and the noise.
    assert np.var(drawn["y"]) == pytest.approx(1 / 24 + 0.05**2, rel=0.1)


def test_the_shortest_adding_problem_has_two_different_marks() -> None:
    marks = adding.draw_split(adding.Parameters(steps=4), 200, np.random.default_rng(0))["x"][..., 1]
    assert (marks.sum(axis=1) == 2).all() and (marks[:, 0] == 1).all()


def test_the_answer_at_a_step_lies_in_the_steps_before_it() -> None:
    x = np.arange(14, dtype=np.float64).reshape(1, 7, 2) / 10  # a = 0, 0.2, 0.4, ...; b = 0.1, 0.3, ...
    found = variable_lengths.without_noise(x)[0, :, 0]
    a, b = x[0, :, 0], x[0, :, 1]
    expected = [0.4 * a[t] + 0.3 * b[t - 2] * (t >= 2) - 0.2 * a[t - 4] * (t >= 4) for t in range(7)]
    np.testing.assert_allclose(found, expected, atol=1e-12)
    assert found[5] == pytest.approx(0.4 * 1.0 + 0.3 * 0.7 - 0.2 * 0.2)


def test_sequences_end_in_zeros_and_their_ceiling_is_that_of_the_steps_asked_for() -> None:
    parameters = variable_lengths.Parameters(steps=20, shortest=8, features=3, noise=0.1)
    drawn = variable_lengths.draw_split(parameters, 400, np.random.default_rng(0))
    x, y, length = drawn["x"], drawn["y"], drawn["length"]
    assert set(length) == set(range(8, 21)) and x.shape == (400, 20, 3) and y.shape == (400, 20, 1)
    differences = []
    for steps, answers, end in zip(x.astype(np.float64), y.astype(np.float64), length, strict=True):
        assert not steps[end:].any() and not answers[end:].any()
        for t in range(5, end):
            best = 0.4 * steps[t, 0] + 0.3 * steps[t - 2, 1] - 0.2 * steps[t - 4, 0]
            differences.append(answers[t, 0] - best)
    described = variable_lengths.describe(parameters, drawn)
    assert described.ceilings == pytest.approx(errors(np.array(differences), np.zeros(len(differences))), rel=1e-6)
    assert described.padded and described.first_answer == 5
    with pytest.raises(ValidationError, match=r"shortest is 5; allowed: more than first_answer \(5\), at most steps"):
        variable_lengths.Parameters(steps=20, shortest=5)


def test_the_noise_is_nearly_normal_and_of_unit_variance() -> None:
    drawn = normal(np.random.default_rng(0), (200_000,))
    assert drawn.mean() == pytest.approx(0, abs=0.01) and drawn.var() == pytest.approx(1, abs=0.01)
    for width, share in ((1, 0.6827), (2, 0.9545), (3, 0.9973)):
        assert (np.abs(drawn) < width).mean() == pytest.approx(share, abs=0.005)
    rounded = uniform(np.random.default_rng(0), (1000,)) * 1000
    np.testing.assert_allclose(rounded, np.rint(rounded), atol=1e-9)


def test_the_smallest_errors_are_those_of_what_is_asked_for() -> None:
    values, best = np.array([[1.0], [2.0], [9.0]], np.float32), np.array([[0.0], [4.0], [0.0]])
    asked = np.array([True, True, False])
    assert smallest_errors(values, best, asked) == {"mse": 2.5, "rmse": pytest.approx(2.5**0.5), "mae": 1.5}
