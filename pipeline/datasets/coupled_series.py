"""Two series that belong together, like one price in two currencies: how do both go on?

The first series follows a trend z, whose slope g comes and goes, and a season s that slowly changes; the second is
drawn to the first from d, its distance. Both are measured with noise e. In steps t, with a push n of its own for each:

    z_t = z_(t-1) + g_(t-1)    g_t = damping g_(t-1) + n    d_t = (1 - pull) d_(t-1) - g_(t-1) + n
    s_t = keep s_(t-period) + n    first_t = z_t + s_t + e    second_t = z_t + d_t + share s_t + e

This is a linear state-space model (Harvey, *Forecasting, Structural Time Series Models and the Kalman Filter*, 1989).
Nothing says where the trend stands but the window itself, as each history begins anywhere: given the window, the best
forecast is Kalman's with a flat prior for z (de Jong, *The diffuse Kalman filter*, 1991) and the stationary
one for all else. Its error on the test windows is the ceiling. Only + - * / and square roots in a fixed order are used,
which give the same bits on every processor.

Each split is a history of its own, drawn from its own stream: as if the rows between two splits were so many that the
noise of one has nothing to do with that of the other. So no row is ever in windows of two splits.

Shape legend: N windows, T steps of a window, S steps after it, R rows of a history, D numbers of a state.
"""

import math
from typing import Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from pipeline.dataset import Array, Arrays, Description
from pipeline.noise import normal, smallest_errors

SERIES = ["first", "second"]
TREND, SLOPE, DISTANCE, SEASON = range(4)  # of a state; from SEASON on, those of the steps before, the newest first
LOWEST, HIGHEST = 500_000, 1_500_000  # where the trend begins, in thousandths
DECIMALS = 3


class Parameters(BaseModel):
    """steps, horizon: rows that a window shows, and rows after it that are to be foretold. stride: rows between the
    beginnings of two windows. period: of the season. damping, keep, pull, share: see above. slope_push,
    season_push, distance_push, noise: standard deviations of the pushes and of a measurement."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    steps: int = Field(default=40, ge=2, le=10_000)
    horizon: int = Field(default=40, ge=1, le=1000)
    stride: int = Field(default=5, ge=1)
    period: int = Field(default=12, ge=2, le=1000)
    damping: float = Field(default=0.9, ge=0, lt=1)
    keep: float = Field(default=0.95, ge=0, lt=1)
    pull: float = Field(default=0.1, gt=0, lt=1)
    share: float = 0.5
    slope_push: float = Field(default=0.015, gt=0)
    season_push: float = Field(default=0.3, gt=0)
    distance_push: float = Field(default=0.1, gt=0)
    noise: float = Field(default=0.3, gt=0)

    @model_validator(mode="after")
    def _season_is_seen(self) -> Self:
        if self.period > self.steps:
            raise ValueError(
                f"period is {self.period}, and a window has {self.steps} steps; allowed: no more than these"
            )
        return self

    @classmethod
    def small(cls) -> Self:
        """Parameters that tests and smoke runs shrink with."""
        return cls(steps=6, horizon=3, stride=2, period=3)

    @property
    def state_size(self) -> int:
        """D: trend, slope, distance and a period of the season."""
        return SEASON + self.period

    def pushes(self) -> Array:
        """Standard deviation of the push of each number of the state: [D]."""
        pushed = np.zeros(self.state_size)
        pushed[[SLOPE, DISTANCE, SEASON]] = self.slope_push, self.distance_push, self.season_push
        return pushed


def draw_split(parameters: Parameters, num_examples: int, rng: np.random.Generator) -> Arrays:
    """`x` [N, T, 2] and `y` [N, S, 2] float32: windows of one history, a stride apart, and what follows each."""
    length = parameters.steps + parameters.horizon
    rows = history(parameters, (num_examples - 1) * parameters.stride + length, rng)
    windows = rows[np.arange(num_examples)[:, None] * parameters.stride + np.arange(length)]
    return {"x": windows[:, : parameters.steps], "y": windows[:, parameters.steps :]}


def history(parameters: Parameters, num_rows: int, rng: np.random.Generator) -> Array:
    """float32 [R, 2], in thousandths, from a trend that begins anywhere and a stationary rest."""
    state = _stationary_state(parameters, rng)
    state[TREND] = rng.integers(LOWEST, HIGHEST) / 1000
    pushes = parameters.pushes()[: SEASON + 1] * normal(rng, (num_rows, SEASON + 1))
    rows = np.empty((num_rows, len(SERIES)))
    for row, push in enumerate(pushes):
        rows[row] = seen(parameters, state)
        state = after(parameters, state)
        state[: SEASON + 1] += push
    noise = parameters.noise * normal(rng, rows.shape)
    return np.round(rows + noise, DECIMALS).astype(np.float32)


def after(parameters: Parameters, states: Array) -> Array:
    """States [..., D] one step later, without their pushes."""
    later = np.empty_like(states)
    slope = states[..., SLOPE]
    later[..., TREND] = states[..., TREND] + slope
    later[..., SLOPE] = parameters.damping * slope
    later[..., DISTANCE] = (1 - parameters.pull) * states[..., DISTANCE] - slope
    later[..., SEASON] = parameters.keep * states[..., -1]
    later[..., SEASON + 1 :] = states[..., SEASON:-1]
    return later


def seen(parameters: Parameters, states: Array) -> Array:
    """Both series [..., 2] of states [..., D], without noise."""
    trend, season = states[..., TREND], states[..., SEASON]
    return np.stack([trend + season, trend + states[..., DISTANCE] + parameters.share * season], axis=-1)


def stationary_covariance(parameters: Parameters) -> Array:
    """Of slope, distance and season as they are at any step [D, D]; the trend, which is anywhere, has zeros."""
    covariance = np.zeros((parameters.state_size, parameters.state_size))
    stays = 1 - parameters.pull
    slope = parameters.slope_push**2 / (1 - parameters.damping**2)
    both = -parameters.damping * slope / (1 - parameters.damping * stays)
    distance = (slope - 2 * stays * both + parameters.distance_push**2) / (1 - stays**2)
    covariance[SLOPE, SLOPE], covariance[DISTANCE, DISTANCE] = slope, distance
    covariance[SLOPE, DISTANCE] = covariance[DISTANCE, SLOPE] = both
    seasons = np.arange(SEASON, parameters.state_size)
    covariance[seasons, seasons] = parameters.season_push**2 / (1 - parameters.keep**2)
    return covariance


def _stationary_state(parameters: Parameters, rng: np.random.Generator) -> Array:
    """A state [D] of the stationary covariance."""
    covariance = stationary_covariance(parameters)
    state = np.sqrt(np.diag(covariance)) * normal(rng, (parameters.state_size,))
    along = covariance[SLOPE, DISTANCE] / covariance[SLOPE, SLOPE]
    apart = math.sqrt(1 - along * covariance[SLOPE, DISTANCE] / covariance[DISTANCE, DISTANCE])
    state[DISTANCE] = along * state[SLOPE] + apart * state[DISTANCE]
    return state


def foretold(parameters: Parameters, x: Array) -> Array:
    """The best forecast [N, S, 2] from windows [N, T, 2] alone: Kalman's filter, then the law without pushes."""
    windows = x.astype(np.float64)
    covariance = stationary_covariance(parameters)
    states = np.zeros((len(windows), parameters.state_size))
    # With a flat prior the first measurement says where the trend is, but for its season and its noise.
    states[:, TREND] = windows[:, 0, 0]
    covariance[TREND] = -covariance[SEASON]
    covariance[:, TREND] = -covariance[:, SEASON]
    covariance[TREND, TREND] = covariance[SEASON, SEASON] + parameters.noise**2
    for step in range(windows.shape[1]):
        if step:
            states = after(parameters, states)
            covariance = after(parameters, after(parameters, covariance).T) + np.diag(parameters.pushes() ** 2)
        for series in range(len(SERIES)) if step else (1,):
            shared = seen(parameters, covariance)[:, series]
            gain = shared / (seen(parameters, shared)[series] + parameters.noise**2)
            surprise = windows[:, step, series] - seen(parameters, states)[:, series]
            states = states + gain * surprise[:, None]
            covariance = covariance - gain[:, None] * shared
    ahead = []
    for _ in range(parameters.horizon):
        states = after(parameters, states)
        ahead.append(seen(parameters, states))
    return np.stack(ahead, axis=1)


def describe(parameters: Parameters, test: Arrays) -> Description:
    """The ceiling is the error of the best forecast of these very test windows."""
    return Description(
        text=f"two coupled series with trend and season, {parameters.steps} steps with noise; the next"
        f" {parameters.horizon}",
        layout="sequences",
        features=SERIES,
        outputs=SERIES,
        output_steps=parameters.horizon,
        season=parameters.period,
        ceilings=smallest_errors(test["y"], foretold(parameters, test["x"])),
    )
