"""Label each step by whether the sum of the numbers so far has passed a limit, a quarter of their number.

After Brownlee's demonstration of bidirectional LSTMs. The label of a step depends on the steps up to it alone: a
reader that goes forward can know it for certain, so reading backwards as well has nothing to add, and the ceiling is 1
for both.
"""

from typing import Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from pipeline.dataset import Arrays, Description

LEVELS = 1000


class Parameters(BaseModel):
    """steps: numbers in a sequence, each between 0 and 1 in steps of 1/1000."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    steps: int = Field(default=10, ge=2, le=10_000)

    @classmethod
    def small(cls) -> Self:
        """Parameters that tests and smoke runs shrink with."""
        return cls(steps=5)


def draw_split(parameters: Parameters, num_examples: int, rng: np.random.Generator) -> Arrays:
    """`x` [N, T, 1] float32 between 0 and 1; `y` [N, T] uint8, 1 from the step on whose sum exceeds T / 4."""
    thousandths = rng.integers(0, LEVELS + 1, (num_examples, parameters.steps))
    passed = 4 * thousandths.cumsum(axis=1) > LEVELS * parameters.steps
    return {"x": (thousandths / LEVELS).astype(np.float32)[..., None], "y": passed.astype(np.uint8)}


def describe(parameters: Parameters, test: Arrays) -> Description:
    """What has been read decides every label."""
    return Description(
        text=f"{parameters.steps} numbers; from which step on is their sum larger than {parameters.steps / 4:g}?",
        layout="sequences",
        features=["number"],
        classes=["below", "above"],
        ceilings={"accuracy": 1.0, "sequence_accuracy": 1.0},
        disjoint=parameters.steps > 5,
    )
