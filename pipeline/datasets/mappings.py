"""Five small problems, one for each shape in which a network can map sequences to answers.

    one_to_one       one number in, one out                    y = 2 x - 1
    one_to_many      one number in, `steps` out                y_t = x t / steps
    many_to_one      `steps` numbers in, one out               y = their mean
    many_to_many     an answer at each step                    y_t = the largest so far
    encoder_decoder  answers once all is read                  y_t = the numbers in reverse order

All with noise of the same size, which is the error of the best reader.
"""

from typing import Literal, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from pipeline.dataset import Array, Arrays, Description
from pipeline.noise import normal, smallest_errors, uniform

Shape = Literal["one_to_one", "one_to_many", "many_to_one", "many_to_many", "encoder_decoder"]
RULES: dict[Shape, str] = {
    "one_to_one": "twice the number, less one",
    "one_to_many": "equal steps from near 0 to the number",
    "many_to_one": "the mean of the numbers",
    "many_to_many": "the largest number so far",
    "encoder_decoder": "the numbers in reverse order",
}


class Parameters(BaseModel):
    """shape: of the mapping. steps: on the side, or sides, that have many. noise: its standard deviation."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    shape: Shape
    steps: int = Field(default=5, ge=2, le=1000)
    noise: float = Field(default=0.1, gt=0)

    @classmethod
    def small(cls, shape: Shape = "many_to_one") -> Self:
        """Parameters that tests and smoke runs shrink with."""
        return cls(shape=shape, steps=3)


def draw_split(parameters: Parameters, num_examples: int, rng: np.random.Generator) -> Arrays:
    """`x` [N, T, 1] between 0 and 1; `y` [N, 1] or [N, T, 1]."""
    steps = 1 if parameters.shape.startswith("one_to") else parameters.steps
    x = uniform(rng, (num_examples, steps, 1)).astype(np.float32)
    best = without_noise(parameters, x)
    return {"x": x, "y": (best + parameters.noise * normal(rng, best.shape)).astype(np.float32)}


def without_noise(parameters: Parameters, x: Array) -> Array:
    """What the best reader answers."""
    numbers = x.astype(np.float64)
    if parameters.shape == "one_to_one":
        return 2 * numbers[:, 0] - 1
    if parameters.shape == "one_to_many":
        return numbers * (np.arange(1, parameters.steps + 1) / parameters.steps)[None, :, None]
    if parameters.shape == "many_to_one":
        total = np.zeros_like(numbers[:, 0])
        for step in range(numbers.shape[1]):  # in this order on every machine
            total = total + numbers[:, step]
        return total / numbers.shape[1]
    if parameters.shape == "many_to_many":
        return np.maximum.accumulate(numbers, axis=1)
    return numbers[:, ::-1]


def describe(parameters: Parameters, test: Arrays) -> Description:
    """The ceiling is the noise of these very test values."""
    later = parameters.shape in ("one_to_many", "encoder_decoder")
    return Description(
        text=f"{parameters.shape.replace('_', ' ')}: {RULES[parameters.shape]}",
        layout="sequences",
        features=["number"],
        outputs=["answer"],
        output_steps=parameters.steps if later else None,
        ceilings=smallest_errors(test["y"], without_noise(parameters, test["x"])),
        disjoint=False,
    )
