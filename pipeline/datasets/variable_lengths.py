"""Sequences of different lengths, padded at their end; the answer at each step lies in the steps before it.

y_t = 0.4 a_t + 0.3 b_(t-2) - 0.2 a_(t-4) + noise, a and b being the first two of the features; the others mean nothing.
The first `first_answer` steps, at which not all of that has been read yet, are not asked for.
"""

from typing import Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from pipeline.dataset import Array, Arrays, Description
from pipeline.noise import normal, smallest_errors, uniform

# weight, feature, steps ago
TERMS = ((0.4, 0, 0), (0.3, 1, 2), (-0.2, 0, 4))


class Parameters(BaseModel):
    """steps: the longest sequence. shortest: the shortest. features: measured at each step. noise: its standard
    deviation. first_answer: the step from which on answers count."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    steps: int = Field(ge=2, le=100_000)
    shortest: int = Field(ge=1)
    features: int = Field(default=24, ge=2)
    noise: float = Field(default=0.1, gt=0)
    first_answer: int = Field(default=5, ge=0)

    @model_validator(mode="after")
    def _leave_an_answer(self) -> Self:
        if not self.first_answer < self.shortest <= self.steps:
            raise ValueError(
                f"shortest is {self.shortest}; allowed: more than first_answer ({self.first_answer}), "
                f"at most steps ({self.steps})"
            )
        return self

    @classmethod
    def small(cls) -> Self:
        """Parameters that tests and smoke runs shrink with."""
        return cls(steps=14, shortest=7, features=3)


def draw_split(parameters: Parameters, num_examples: int, rng: np.random.Generator) -> Arrays:
    """`x` [N, T, F] float32 between -1 and 1, `length` [N] int32, `y` [N, T, 1] float32; zeros beyond the length."""
    length = rng.integers(parameters.shortest, parameters.steps + 1, num_examples, dtype=np.int32)
    real = (np.arange(parameters.steps)[None] < length[:, None])[..., None]
    x = (2 * uniform(rng, (num_examples, parameters.steps, parameters.features)) - 1).astype(np.float32)
    y = without_noise(x) + parameters.noise * normal(rng, (num_examples, parameters.steps, 1))
    return {"x": np.where(real, x, np.float32(0)), "length": length, "y": np.where(real, y, 0).astype(np.float32)}


def without_noise(x: Array) -> Array:
    """The answers [N, T, 1] that the best reader gives."""
    best = np.zeros((*x.shape[:2], 1))
    for weight, feature, ago in TERMS:
        best[:, ago:, 0] += weight * x[:, : x.shape[1] - ago, feature].astype(np.float64)
    return best


def describe(parameters: Parameters, test: Arrays) -> Description:
    """The ceiling is the noise at the steps of this very test split that are asked for."""
    steps = np.arange(parameters.steps)[None]
    asked = (steps >= parameters.first_answer) & (steps < test["length"][:, None])
    return Description(
        text=f"{parameters.shortest} to {parameters.steps} steps of {parameters.features} features, "
        f"a value at each from step {parameters.first_answer + 1} on",
        layout="sequences",
        features=[f"feature {number}" for number in range(1, parameters.features + 1)],
        outputs=["value"],
        first_answer=parameters.first_answer,
        padded=True,
        ceilings=smallest_errors(test["y"], without_noise(test["x"]), asked),
    )
