"""A swinging quantity, measured with noise: what are the next measurements?

The quantity follows v_t = a v_(t-1) + b v_(t-2) + push, a second-order autoregression: a damped swing that random
pushes keep going (Yule, *On a method of investigating periodicities*, 1927). It is measured with noise. The best
predictor from all measurements is Kalman's filter (Kalman, *A new approach to linear filtering and prediction
problems*, 1960); its error on the test split is the ceiling. Only + - * / in a fixed order are used, which give the
same bits on every processor.
"""

from typing import Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from pipeline.dataset import Array, Arrays, Description
from pipeline.noise import normal, smallest_errors

SETTLING = 40  # steps from rest before the first measurement


class Parameters(BaseModel):
    """a, b: of the swing. push, noise: standard deviations of what moves it and of a measurement. steps: measured.
    horizon: how many measurements are to be foretold."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    a: float = 1.6
    b: float = -0.9
    push: float = Field(default=0.1, gt=0)
    noise: float = Field(default=0.1, gt=0)
    steps: int = Field(default=20, ge=2, le=10_000)
    horizon: int = Field(default=5, ge=1, le=100)

    @model_validator(mode="after")
    def _damped(self) -> Self:
        if not (-1 < self.b < 1 - abs(self.a)):
            raise ValueError(f"a {self.a} and b {self.b} never settle; allowed: -1 < b < 1 - |a|")
        return self

    @classmethod
    def small(cls) -> Self:
        """Parameters that tests and smoke runs shrink with."""
        return cls(steps=6, horizon=3)


def draw_split(parameters: Parameters, num_examples: int, rng: np.random.Generator) -> Arrays:
    """`x` [N, T, 1] and `y` [N, horizon] float32: measurements, and those that follow."""
    total = parameters.steps + parameters.horizon
    pushes = parameters.push * normal(rng, (num_examples, SETTLING + total))
    now, before = np.zeros(num_examples), np.zeros(num_examples)
    values = np.zeros((num_examples, total))
    for step in range(SETTLING + total):
        now, before = parameters.a * now + parameters.b * before + pushes[:, step], now
        if step >= SETTLING:
            values[:, step - SETTLING] = now
    measured = (values + parameters.noise * normal(rng, values.shape)).astype(np.float32)
    return {"x": measured[:, : parameters.steps, None], "y": measured[:, parameters.steps :]}


def foretold(parameters: Parameters, x: Array) -> Array:
    """The best predictions [N, horizon] from measurements [N, T, 1]: Kalman's filter, then the swing without pushes.

    State: the value now and the one before, with covariance [[p, q], [q, r]].
    """
    a, b, pushed, noisy = parameters.a, parameters.b, parameters.push**2, parameters.noise**2
    p = q = r = 0.0
    for _ in range(SETTLING):
        p, q, r = a * a * p + 2 * a * b * q + b * b * r + pushed, a * p + b * q, p
    now, before = np.zeros(len(x)), np.zeros(len(x))
    for step in range(x.shape[1]):
        p, q, r = a * a * p + 2 * a * b * q + b * b * r + pushed, a * p + b * q, p
        now, before = a * now + b * before, now
        gain, gain_before = p / (p + noisy), q / (p + noisy)
        surprise = x[:, step, 0].astype(np.float64) - now
        now, before = now + gain * surprise, before + gain_before * surprise
        p, q, r = (1 - gain) * p, (1 - gain) * q, r - gain_before * q
    ahead = []
    for _ in range(parameters.horizon):
        now, before = a * now + b * before, now
        ahead.append(now)
    return np.stack(ahead, axis=1)


def describe(parameters: Parameters, test: Arrays) -> Description:
    """The ceiling is the error of the best predictor on these very test values."""
    return Description(
        text=f"a swing measured {parameters.steps} times with noise; the next {parameters.horizon} measurements",
        layout="sequences",
        features=["measurement"],
        outputs=[f"{step} ahead" for step in range(1, parameters.horizon + 1)],
        ceilings=smallest_errors(test["y"], foretold(parameters, test["x"])),
    )
