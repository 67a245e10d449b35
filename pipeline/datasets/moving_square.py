"""A line grows by one pixel a frame from an edge of a square to the opposite one, its path drifting as it goes.

The problem of the moving square video from Brownlee, *Long Short-Term Memory Networks With Python* (2017), chapter 8;
with four directions as an extension. Stored as one map of arrival times per clip: a 50 x 50 clip of 50 frames takes
2,500 bytes instead of 500,000.
"""

from fractions import Fraction
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from pipeline.dataset import Array, Arrays, Description

CLASSES = ("left", "right", "up", "down")
LARGEST_IN_BYTES = 254  # larger clips take two bytes a pixel
DISJOINT_FROM_SIZE = 25  # from here on there are over 10^12 clips; below, two splits may draw the same one


class Parameters(BaseModel):
    """size: height, width and number of frames of a clip. directions: 2 (left, right) or 4 (also up, down)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    size: int = Field(ge=3, le=4096)
    directions: Literal[2, 4]

    @classmethod
    def small(cls, directions: Literal[2, 4] = 2) -> "Parameters":
        """Parameters that tests and smoke runs shrink with."""
        return cls(size=7, directions=directions)


def draw_split(parameters: Parameters, num_examples: int, rng: np.random.Generator) -> Arrays:
    """Draw clips: `x` [N, size, size] arrival times (size where nothing ever arrives), `y` [N] uint8 classes.

    Arrival times are uint8 up to size 254, uint16 above.
    """
    size = parameters.size
    dtype = place_type(size)
    direction = rng.integers(0, parameters.directions, num_examples, dtype=np.uint8)
    across = draw_paths(size, num_examples, rng)
    step = np.arange(size, dtype=dtype)
    forward = (direction % 2).astype(bool)  # right and down start at the low edge, left and up at the high one
    along = np.where(forward[:, None], step, size - 1 - step)
    horizontal = (direction < 2)[:, None]
    row, column = np.where(horizontal, across, along), np.where(horizontal, along, across)

    arrival = np.full((num_examples, size, size), size, dtype=dtype)
    arrival[np.arange(num_examples)[:, None], row, column] = step
    return {"x": arrival, "y": direction}


def draw_paths(size: int, num_examples: int, rng: np.random.Generator) -> Array:
    """Random walks [N, size] between the borders: each step is uniform over the positions that are within reach.

    A die of six faces serves inside (-1, 0, +1: two faces each) and at a border (stay, or leave it: three faces each).
    """
    path = np.empty((size, num_examples), dtype=np.int16)
    path[0] = rng.integers(0, size, num_examples, dtype=place_type(size))
    dice = rng.integers(0, 6, (size - 1, num_examples), dtype=np.uint8)
    inside, leave = (dice // 2).astype(np.int16) - 1, (dice // 3).astype(np.int16)
    for step in range(1, size):
        here = path[step - 1]
        path[step] = here + np.where(
            here == 0, leave[step - 1], np.where(here == size - 1, -leave[step - 1], inside[step - 1])
        )
    return np.ascontiguousarray(path.T)


def place_type(size: int) -> np.dtype[Any]:
    """The type of arrival times and positions in clips of `size`."""
    return np.dtype(np.uint8 if size <= LARGEST_IN_BYTES else np.uint16)


def describe(parameters: Parameters, test: Arrays) -> Description:
    """Classes and ceiling of the clips."""
    directions, size = parameters.directions, parameters.size
    return Description(
        text=f"A line grows across a {size} x {size} square; which of {directions} ways does it go?",
        layout="arrival_times",
        classes=list(CLASSES[:directions]),
        num_steps=size,
        ceilings={"accuracy": bayes_accuracy(size, directions)},
        disjoint=size >= DISJOINT_FROM_SIZE,
    )


def bayes_accuracy(size: int, directions: int) -> float:
    """The best reachable accuracy.

    Two directions never look alike: the first frame shows the edge. With four, the walk along a diagonal does: from
    (0, 0) through every (i, i) it is a way right and a way down in equal measure. Each direction has two such walks
    (from either corner), each of probability 1/size * 1/2 * (1/3)^(size - 2); a guess gets half of them right.
    """
    if directions == 2:
        return 1.0
    diagonal = Fraction(1, size) * Fraction(1, 2) * Fraction(1, 3) ** (size - 2)
    return float(1 - 2 * diagonal * Fraction(1, 2))
