"""Points along a straight line with noise: the smallest regression there is, on which seven optimisers are compared.

y = 3.3 x + 2 + noise of standard deviation 0.5, x between -1 and 2. No reader can be better than the noise.
"""

from typing import Self

import numpy as np
from pydantic import BaseModel, ConfigDict

from pipeline.dataset import Array, Arrays, Description
from pipeline.noise import normal, smallest_errors, uniform

LOWEST, HIGHEST = -1.0, 2.0


class Parameters(BaseModel):
    """slope, intercept, noise (standard deviation) of y = slope * x + intercept + noise."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    slope: float = 3.3
    intercept: float = 2.0
    noise: float = 0.5

    @classmethod
    def small(cls) -> Self:
        """Parameters that tests and smoke runs shrink with."""
        return cls()


def draw_split(parameters: Parameters, num_examples: int, rng: np.random.Generator) -> Arrays:
    """`x` [N, 1, 1] and `y` [N, 1] float32."""
    x = (LOWEST + (HIGHEST - LOWEST) * uniform(rng, (num_examples, 1, 1))).astype(np.float32)
    y = on_the_line(parameters, x) + parameters.noise * normal(rng, (num_examples, 1))
    return {"x": x, "y": y.astype(np.float32)}


def on_the_line(parameters: Parameters, x: Array) -> Array:
    """The values [N, 1] without noise."""
    return parameters.slope * x[:, 0].astype(np.float64) + parameters.intercept


def describe(parameters: Parameters, test: Arrays) -> Description:
    """The ceiling is the noise of these very test points."""
    return Description(
        text=f"points of y = {parameters.slope} x + {parameters.intercept}, noise {parameters.noise}",
        layout="sequences",
        features=["x"],
        outputs=["y"],
        ceilings=smallest_errors(test["y"], on_the_line(parameters, test["x"])),
        disjoint=False,
    )
