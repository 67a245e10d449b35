"""The swing's ceiling, Kalman's filter in + - * /, against the exact linear regression from the covariance matrix."""

import numpy as np
import pytest
from pydantic import ValidationError

from pipeline.dataset import Array
from pipeline.datasets.oscillator import SETTLING, Parameters, describe, draw_split, foretold

SWINGS = [
    Parameters(steps=6, horizon=3),
    Parameters(steps=20, horizon=5),
    Parameters(a=0.5, b=0.3, push=1.0, noise=0.3, steps=4, horizon=2),
    Parameters(a=-1.2, b=-0.5, push=0.2, noise=1.0, steps=9, horizon=4),
    Parameters(a=0.0, b=0.0, push=1.0, noise=0.01, steps=3, horizon=1),
]
every_swing = pytest.mark.parametrize("parameters", SWINGS, ids=str)


def covariance(parameters: Parameters) -> Array:
    """Of all measurements, those read and those foretold: each value is a sum of pushes, and has noise of its own."""
    total = SETTLING + parameters.steps + parameters.horizon
    response = np.zeros(total)  # of the value to one push, so many steps later
    for step in range(total):
        earlier = [response[step - 1] if step else 0.0, response[step - 2] if step > 1 else 0.0]
        response[step] = parameters.a * earlier[0] + parameters.b * earlier[1] + (step == 0)
    moved = np.array([[response[t - s] if t >= s else 0.0 for s in range(total)] for t in range(total)])
    values = parameters.push**2 * (moved @ moved.T)[SETTLING:, SETTLING:]
    return values + parameters.noise**2 * np.eye(len(values))


def regression(parameters: Parameters) -> tuple[Array, Array]:
    """The best linear predictor [horizon, steps] of what follows, and its mean squared errors [horizon]."""
    whole, steps = covariance(parameters), parameters.steps
    weights = np.linalg.solve(whole[:steps, :steps], whole[:steps, steps:]).T
    left = whole[steps:, steps:] - weights @ whole[:steps, steps:]
    return weights, np.diag(left)


@every_swing
def test_the_filter_foretells_what_the_exact_regression_foretells(parameters: Parameters) -> None:
    weights, _ = regression(parameters)
    x = draw_split(parameters, 50, np.random.default_rng(0))["x"]
    expected = x[..., 0].astype(np.float64) @ weights.T
    np.testing.assert_allclose(foretold(parameters, x), expected, atol=1e-9)


@every_swing
def test_the_ceiling_is_the_error_of_the_exact_regression(parameters: Parameters) -> None:
    _, expected = regression(parameters)
    drawn = draw_split(parameters, 60_000, np.random.default_rng(1))
    assert drawn["x"].shape == (60_000, parameters.steps, 1) and drawn["y"].shape == (60_000, parameters.horizon)
    ceilings = describe(parameters, drawn).ceilings
    assert ceilings["mse"] == pytest.approx(expected.mean(), rel=0.01)
    assert ceilings["rmse"] == pytest.approx(ceilings["mse"] ** 0.5, rel=1e-6)
    errors = (drawn["y"].astype(np.float64) - foretold(parameters, drawn["x"])) ** 2
    np.testing.assert_allclose(errors.mean(axis=0), expected, rtol=0.03)


def test_what_is_drawn_has_the_covariance_of_the_equation() -> None:
    parameters = SWINGS[0]
    drawn = draw_split(parameters, 100_000, np.random.default_rng(2))
    together = np.concatenate([drawn["x"][..., 0], drawn["y"]], axis=1).astype(np.float64)
    expected = covariance(parameters)
    np.testing.assert_allclose(np.cov(together.T), expected, atol=0.02 * expected.max())


def test_no_linear_reader_fitted_to_the_examples_is_better() -> None:
    parameters = SWINGS[1]
    train, test = (draw_split(parameters, number, np.random.default_rng(number)) for number in (20_000, 10_000))
    weights, *_ = np.linalg.lstsq(train["x"][..., 0].astype(np.float64), train["y"].astype(np.float64), rcond=None)
    fitted = np.mean((test["x"][..., 0] @ weights - test["y"]) ** 2)
    ceiling = describe(parameters, test).ceilings["mse"]
    assert ceiling < fitted < 1.01 * ceiling


@pytest.mark.parametrize(("a", "b"), [(2.0, 0.5), (0.0, -1.0), (0.5, 0.5), (1.0, 0.0)])
def test_a_swing_that_never_settles_is_refused(a: float, b: float) -> None:
    with pytest.raises(ValidationError, match=r"never settle; allowed: -1 < b < 1 - \|a\|"):
        Parameters(a=a, b=b)
