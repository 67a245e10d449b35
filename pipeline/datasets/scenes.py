"""One or two things on a plain ground, and a caption: `a small red square above a big blue circle`.

A caption begins with the larger of two things, or, of two that are equally large, with the upper or left one. What is
neither small nor big has no word for its size. Everything that a caption says can be seen, but who wrote it
(`pipeline.grammar.captions`).

Shape legend: N scenes, H = W pixels, K = 2 things.
"""

from typing import Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from pipeline.dataset import Array, Arrays, Description
from pipeline.grammar.captions import (
    ALL_CHANCES,
    COLOURS,
    Caption,
    answers_of,
    by_writers,
    ceilings,
    stored,
    without_looking,
)

SIZE, HALF, QUARTER = 32, 16, 8  # of the picture
RADII, SIZES = (2, 4, 6), ("small", "", "big")
SHAPES = ("square", "circle", "triangle")
ABOVE, BELOW, LEFT, RIGHT = ["above"], ["below"], ["left", "of"], ["right", "of"]
SYNONYMS = {"small": "little", "big": "large", "circle": "disc", "above": "over", "below": "under"}
WORDS = ("a", "small", "big", *COLOURS, *SHAPES, "above", "below", "left", "right", "of")
ANSWERS = answers_of(WORDS, SYNONYMS)
LONGEST = 10  # a small red square left of a small blue circle
ASIDE = 2  # pixels that two things are shifted against each other at most, each
BRIGHTEST = 255


class Parameters(BaseModel):
    """single: how many scenes of 100 show one thing only. noise: by how much the light of a pixel differs at most, of
    255. first_writer: how many captions of 100 are the first writer's."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    single: int = Field(default=20, ge=0, le=100)
    noise: int = Field(default=40, ge=0, le=100)
    first_writer: int = Field(default=90, gt=50, le=100)

    @classmethod
    def small(cls) -> Self:
        """Parameters that tests and smoke runs shrink with."""
        return cls()


def draw_split(parameters: Parameters, num_examples: int, rng: np.random.Generator) -> Arrays:
    """`x` [N, 32, 32, 3] uint8; `y`, `y_length` and `reference` of the captions."""
    single = rng.integers(0, ALL_CHANCES, num_examples) < parameters.single
    upright = rng.integers(0, 2, num_examples) == 1  # whether they stand one above the other
    size, colour = rng.integers(0, len(SIZES), (num_examples, 2)), rng.integers(0, len(COLOURS), (num_examples, 2))
    shape = rng.integers(0, len(SHAPES), (num_examples, 2))
    second = rng.integers(0, ALL_CHANCES, num_examples) >= parameters.first_writer
    centre = _draw_centres(size, upright, rng)
    x = np.zeros((num_examples, SIZE, SIZE, 3), np.uint8)
    palette = np.array(list(COLOURS.values()), np.uint8) * (BRIGHTEST - parameters.noise)
    for thing in (0, 1):
        shown = _inside(shape[:, thing], np.array(RADII)[size[:, thing]], centre[:, thing])
        if thing == 1:
            shown &= ~single[:, None, None]
        x += shown[..., None] * palette[colour[:, thing]][:, None, None]
    x += rng.integers(0, parameters.noise + 1, x.shape, dtype=np.uint8)
    captions = [
        _caption(*things)
        for things in zip(single, upright, size.tolist(), colour.tolist(), shape.tolist(), strict=True)
    ]
    return {"x": x, **stored(by_writers(captions, second, SYNONYMS), ANSWERS, LONGEST)}


def _draw_centres(size: Array, upright: Array, rng: np.random.Generator) -> Array:
    """Row and column [N, K, 2] of each thing: in the middle of a half, as far from it as the thing still lies within.

    Two things are then further apart along the one axis than they are shifted along the other, and do not touch.
    """
    room = HALF // 2 - 1 - np.array(RADII)[size]
    numbers = rng.integers(0, 1 << 32, (*size.shape, 2))
    along = numbers[..., 0] % (2 * room + 1) - room + np.array([QUARTER, QUARTER + HALF])
    across = numbers[..., 1] % (2 * ASIDE + 1) - ASIDE + HALF
    return np.where(upright[:, None, None], np.stack([along, across], axis=2), np.stack([across, along], axis=2))


def _inside(shape: Array, radius: Array, centre: Array) -> Array:
    """Which pixels [N, H, W] belong to things of these shapes [N], radii [N] and centres [N, 2]."""
    down, right = (np.arange(SIZE) - centre[:, axis, None] for axis in (0, 1))
    down, right, radius, shape = down[:, :, None], right[:, None], radius[:, None, None], shape[:, None, None]
    square = (abs(down) <= radius) & (abs(right) <= radius)
    circle = down**2 + right**2 <= radius**2 + radius // 2
    triangle = square & (2 * abs(right) <= down + radius)
    return np.where(shape == 0, square, np.where(shape == 1, circle, triangle))


def _caption(single: bool, upright: bool, size: list[int], colour: list[int], shape: list[int]) -> Caption:
    """What the first writer says of a scene, whose first thing is the upper or left one."""
    things = [_thing(*of_one) for of_one in zip(size, colour, shape, strict=True)]
    if single:
        return things[0]
    if size[1] > size[0]:
        return [*things[1], *(BELOW if upright else RIGHT), *things[0]]
    return [*things[0], *(ABOVE if upright else LEFT), *things[1]]


def _thing(size: int, colour: int, shape: int) -> Caption:
    return ["a", *([SIZES[size]] if SIZES[size] else []), list(COLOURS)[colour], SHAPES[shape]]


def describe(parameters: Parameters, test: Arrays) -> Description:
    """The ceilings are what the reader reaches that sees everything and does not know the writer."""
    return Description(
        text="one or two things on a plain ground, and what they are, in words",
        layout="images",
        answers=ANSWERS,
        ceilings=ceilings(test, ANSWERS, SYNONYMS, parameters.first_writer),
        references=without_looking(test, ANSWERS),
        disjoint=parameters.noise >= 10,
    )
