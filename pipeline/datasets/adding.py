"""The adding problem: two of many numbers are marked; the answer is half their sum.

Hochreiter & Schmidhuber, *Long Short-Term Memory* (1997), experiment 4: the first mark lies in the first tenth of the
steps, the second in what is left of the first half, and everything between and after is a distraction. With noise, so
that the smallest reachable error is known. Who answers the mean every time has an error of 1/24 plus the noise.
"""

from typing import Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from pipeline.dataset import Array, Arrays, Description
from pipeline.noise import normal, smallest_errors, uniform


class Parameters(BaseModel):
    """steps: numbers in a sequence. noise: standard deviation of what is added to the answer."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    steps: int = Field(ge=4, le=10_000)
    noise: float = Field(default=0.05, gt=0)

    @classmethod
    def small(cls) -> Self:
        """Parameters that tests and smoke runs shrink with."""
        return cls(steps=8)


def draw_split(parameters: Parameters, num_examples: int, rng: np.random.Generator) -> Arrays:
    """`x` [N, T, 2] float32: a number between 0 and 1, and 1 where it is marked; `y` [N, 1] float32."""
    steps, rows = parameters.steps, np.arange(num_examples)
    x = np.zeros((num_examples, steps, 2), dtype=np.float32)
    x[..., 0] = uniform(rng, (num_examples, steps))
    tenth = max(1, steps // 10)
    x[rows, rng.integers(0, tenth, num_examples), 1] = 1
    x[rows, rng.integers(tenth, steps // 2 + 1, num_examples), 1] = 1
    y = without_noise(x) + parameters.noise * normal(rng, (num_examples, 1))
    return {"x": x, "y": y.astype(np.float32)}


def without_noise(x: Array) -> Array:
    """Half the sum [N, 1] of the marked numbers; two terms and zeros, exact in any order."""
    return np.sum(x[..., 0].astype(np.float64) * x[..., 1], axis=1)[:, None] / 2


def describe(parameters: Parameters, test: Arrays) -> Description:
    """The ceiling is the noise of these very test values."""
    return Description(
        text=f"half the sum of the two marked numbers of {parameters.steps}",
        layout="sequences",
        features=["number", "mark"],
        outputs=["half the sum"],
        ceilings=smallest_errors(test["y"], without_noise(test["x"])),
    )
