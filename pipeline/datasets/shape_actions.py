"""Clips of a textured shape that does something, before plain shapes that do something else: which shape does what?

What a shape is, any frame shows; what it does, none does (`pipeline.moving_shapes`). Stored as bytes.

Shape legend: N clips, T frames, H = W pixels.
"""

from typing import Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from pipeline.dataset import Arrays, Description
from pipeline.moving_shapes import (
    ACTIONS,
    MOST_NOISE,
    SHAPES,
    SMALLEST_PICTURE,
    best_accuracy,
    draw_ground,
    draw_thing,
    render,
)

SINGLE_FRAME = "a single frame"
CLASSES = [f"{shape} {action}" for shape in SHAPES for action in ACTIONS]


class Parameters(BaseModel):
    """size: height and width. frames: of a clip. distractors: plain shapes in it. noise: by how much the light of a
    pixel differs at most, of 255."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    size: int = Field(default=32, ge=SMALLEST_PICTURE, le=254)
    frames: int = Field(default=32, ge=1)
    distractors: int = Field(default=1, ge=0, le=4)
    noise: int = Field(default=MOST_NOISE, ge=0, le=MOST_NOISE)

    @classmethod
    def small(cls) -> Self:
        """Parameters that tests and smoke runs shrink with."""
        return cls(size=16, frames=16)


def draw_split(parameters: Parameters, num_examples: int, rng: np.random.Generator) -> Arrays:
    """`x` [N, T, H, W, 1] uint8 and `y` [N] uint8, an index into `CLASSES`."""
    y = rng.integers(0, len(CLASSES), num_examples, dtype=np.uint8)
    label = y.astype(np.int64)
    sizes = (parameters.frames, parameters.size)
    textured = draw_thing(label // len(ACTIONS), label % len(ACTIONS), *sizes, rng)
    others = rng.integers(0, len(CLASSES), (parameters.distractors, num_examples))
    plain = [draw_thing(other // len(ACTIONS), other % len(ACTIONS), *sizes, rng) for other in others]
    ground = draw_ground(num_examples, *sizes, rng)
    return {"x": render(ground, plain, textured, parameters.noise, rng), "y": y}


def describe(parameters: Parameters, test: Arrays) -> Description:
    """The ceiling is that of who sees whole clips; the reference, of who answers from one frame."""
    return Description(
        text=f"a textured shape before {parameters.distractors} plain ones: which of {len(SHAPES)} is it, and which of "
        f"{len(ACTIONS)} things does it do?",
        layout="clips",
        classes=CLASSES,
        ceilings={"accuracy": best_accuracy(parameters.size, parameters.frames)},
        references={SINGLE_FRAME: {"accuracy": best_accuracy(parameters.size, 1)}},
    )
