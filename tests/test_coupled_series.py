"""The best forecast of the coupled series, Kalman's filter in + - * /, against the exact Gaussian conditional."""

import numpy as np
import pytest
from pydantic import ValidationError

from pipeline.dataset import Array
from pipeline.datasets.coupled_series import (
    TREND,
    Parameters,
    after,
    describe,
    draw_split,
    foretold,
    history,
    seen,
    stationary_covariance,
)

PLAIN = Parameters(steps=6, horizon=3, stride=2, period=3)
LAWS = [
    PLAIN,
    Parameters(steps=12, horizon=8, stride=1, period=5, keep=0.5, share=-1.5, slope_push=0.3, noise=0.05),
    Parameters(steps=4, horizon=2, stride=3, period=2, damping=0.0, pull=0.7, distance_push=1.0, season_push=0.01),
    Parameters(),
]
every_law = pytest.mark.parametrize("parameters", LAWS, ids=str)


def matrices(parameters: Parameters) -> tuple[Array, Array, Array]:
    """The law as textbooks write it: transition [D, D], what is seen of a state [2, D], covariance of the pushes."""
    everything = np.eye(parameters.state_size)
    return after(parameters, everything).T, seen(parameters, everything).T, np.diag(parameters.pushes() ** 2)


def covariance(parameters: Parameters, trend_variance: float) -> Array:
    """Of all that is measured in a window and after it [2(T + S), 2(T + S)], from the transition matrix alone."""
    transition, looks, pushes = matrices(parameters)
    total = parameters.steps + parameters.horizon
    of_state = stationary_covariance(parameters)
    of_state[TREND, TREND] = trend_variance
    blocks = np.zeros((total, 2, total, 2))
    for step in range(total):
        ahead = of_state
        for later in range(step, total):
            blocks[later, :, step, :] = looks @ ahead @ looks.T
            blocks[step, :, later, :] = blocks[later, :, step, :].T
            ahead = transition @ ahead
        of_state = transition @ of_state @ transition.T + pushes
    return blocks.reshape(2 * total, 2 * total) + parameters.noise**2 * np.eye(2 * total)


def exact(parameters: Parameters) -> tuple[Array, Array]:
    """Weights [2S, 2T] of the exact Gaussian conditional with a flat prior of the trend, and its covariance.

    All is measured from the first value, whose own level says nothing then: a flat prior without a limit.
    """
    seen_count = 2 * parameters.steps
    whole = covariance(parameters, trend_variance=0.0)
    size = len(whole)
    apart = np.eye(size)
    apart[:, 0] -= 1  # every value less the first one: the trend drops out
    of_differences = apart @ whole @ apart.T
    known, asked = slice(1, seen_count), slice(seen_count, size)
    found = np.linalg.solve(of_differences[known, known], of_differences[known, asked]).T
    weights = np.concatenate([1 - found.sum(axis=1, keepdims=True), found], axis=1)
    return weights, of_differences[asked, asked] - found @ of_differences[known, asked]


def test_the_stationary_covariance_stays_as_it_is() -> None:
    for parameters in LAWS:
        transition, _, pushes = matrices(parameters)
        rest = slice(TREND + 1, None)  # the trend itself spreads without end
        before = stationary_covariance(parameters)
        later = transition @ before @ transition.T + pushes
        np.testing.assert_allclose(later[rest, rest], before[rest, rest], atol=1e-12)


@every_law
def test_the_filter_foretells_what_the_exact_conditional_foretells(parameters: Parameters) -> None:
    weights, _ = exact(parameters)
    x = draw_split(parameters, 30, np.random.default_rng(0))["x"]
    level = x[:, :1, :1].astype(np.float64)
    expected = ((x - level).reshape(len(x), -1) @ weights.T).reshape(len(x), parameters.horizon, 2) + level
    np.testing.assert_allclose(foretold(parameters, x), expected, atol=1e-8)


def test_a_flat_prior_is_the_limit_of_wide_ones() -> None:
    """Who knows where histories begin, within a range of a thousand, knows no more about a window."""
    known = 2 * PLAIN.steps
    whole = covariance(PLAIN, trend_variance=1e6)
    weights = np.linalg.solve(whole[:known, :known], whole[:known, known:]).T
    left = whole[known:, known:] - weights @ whole[:known, known:]
    np.testing.assert_allclose(np.diag(left), np.diag(exact(PLAIN)[1]), rtol=1e-5)


@pytest.mark.parametrize("parameters", LAWS[:3], ids=str)
def test_the_ceiling_is_the_error_of_the_exact_conditional(parameters: Parameters) -> None:
    _, left = exact(parameters)
    apart = parameters.model_copy(update={"stride": 1})
    drawn = draw_split(apart, 60_000, np.random.default_rng(1))
    ceilings = describe(apart, drawn).ceilings
    assert ceilings["mse"] == pytest.approx(np.diag(left).mean(), rel=0.03)
    assert ceilings["rmse"] == pytest.approx(ceilings["mse"] ** 0.5, rel=1e-6)
    missed = (drawn["y"].astype(np.float64) - foretold(apart, drawn["x"])) ** 2
    expected = np.diag(left).reshape(apart.horizon, 2)
    np.testing.assert_allclose(missed.mean(axis=0), expected, rtol=0.08)


def test_what_is_drawn_has_the_covariance_of_the_law() -> None:
    drawn = draw_split(PLAIN.model_copy(update={"stride": 1}), 120_000, np.random.default_rng(2))
    together = np.concatenate([drawn["x"], drawn["y"]], axis=1).astype(np.float64).reshape(120_000, -1)
    differences = together[:, 1:] - together[:, :1]
    whole = covariance(PLAIN, trend_variance=0.0)
    apart = np.eye(len(whole))[1:]
    apart[:, 0] -= 1
    expected = apart @ whole @ apart.T
    np.testing.assert_allclose(np.cov(differences.T), expected, atol=0.05 * expected.max())


def test_no_linear_reader_fitted_to_the_windows_is_better() -> None:
    train, test = (draw_split(PLAIN, number, np.random.default_rng(number)) for number in (20_000, 10_000))
    flat = {}
    for name, arrays in (("train", train), ("test", test)):
        level = arrays["x"][:, :1, :1].astype(np.float64)
        flat[name] = [(arrays[key] - level).reshape(len(level), -1) for key in ("x", "y")]
    weights, *_ = np.linalg.lstsq(*flat["train"], rcond=None)
    fitted = np.mean((flat["test"][0] @ weights - flat["test"][1]) ** 2)
    ceiling = describe(PLAIN, test).ceilings["mse"]
    assert ceiling < fitted < 1.01 * ceiling


def test_windows_are_cut_from_one_history_a_stride_apart() -> None:
    drawn = draw_split(PLAIN, 5, np.random.default_rng(3))
    rows = history(PLAIN, 4 * 2 + 6 + 3, np.random.default_rng(3))
    assert drawn["x"].shape == (5, 6, 2) and drawn["y"].shape == (5, 3, 2) and rows.dtype == np.float32
    for number in range(5):
        np.testing.assert_array_equal(drawn["x"][number], rows[2 * number : 2 * number + 6])
        np.testing.assert_array_equal(drawn["y"][number], rows[2 * number + 6 : 2 * number + 9])


def test_a_season_longer_than_a_window_is_refused() -> None:
    with pytest.raises(ValidationError, match="period is 7, and a window has 6 steps; allowed: no more than these"):
        Parameters(steps=6, horizon=3, period=7)
