"""A thing that moves across a dark square, and a caption: `a small red square moves slowly left then up`.

Frames are stored as the times at which each channel of a pixel lights up and goes out. Once is enough: things are
upright rectangles, and a journey that goes left goes right nowhere. Everything that a caption says can be seen, but who
wrote it (`pipeline.grammar.captions`).

Shape legend: N clips, T frames, H = W pixels.
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

Ends = list[tuple[int, ...]]
SIZE, FRAMES = 24, 8
SIZES, SHAPES, SPEEDS = ("small", "big"), ("square", "beam", "pillar"), ("slowly", "quickly")
EXTENTS = np.array([[(3, 3), (2, 5), (5, 2)], [(5, 5), (3, 8), (8, 3)]])  # height and width, by size and shape
PIXELS_A_FRAME = (1, 2)
# After how many moves each leg ends, by how many legs there are: none is shorter than two moves.
LEGS: tuple[Ends, ...] = (
    [(7,)],
    [(2, 7), (3, 7), (4, 7), (5, 7)],
    [(2, 4, 7), (2, 5, 7), (3, 5, 7)],
)
DIRECTIONS = (("up", "down"), ("left", "right"))  # by axis, back and forth
SYNONYMS = {"moves": "goes", "small": "little", "big": "large"}
WORDS = ("a", *SIZES, *COLOURS, *SHAPES, "moves", *SPEEDS, *DIRECTIONS[0], *DIRECTIONS[1], "then")
ANSWERS = answers_of(WORDS, SYNONYMS)
LONGEST = 11  # a small red square moves slowly left then up then left


class Parameters(BaseModel):
    """legs: of a journey, at most; it turns between them. first_writer: how many captions of 100 are the first
    writer's."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    legs: int = Field(default=3, ge=1, le=len(LEGS))
    first_writer: int = Field(default=90, gt=50, le=100)

    @classmethod
    def small(cls) -> Self:
        """Parameters that tests and smoke runs shrink with."""
        return cls(legs=2)


def draw_split(parameters: Parameters, num_examples: int, rng: np.random.Generator) -> Arrays:
    """`x` and `departure` [N, 24, 24, 3] uint8 times; `y`, `y_length` and `reference` of the captions."""
    size, shape, colour, speed = (
        rng.integers(0, len(kinds), num_examples) for kinds in (SIZES, SHAPES, COLOURS, SPEEDS)
    )
    ends, axis, forth = _draw_legs(parameters, num_examples, rng)
    extent = EXTENTS[size, shape]
    moved = _moved(ends, axis, forth) * np.array(PIXELS_A_FRAME)[speed][:, None, None]
    room = SIZE - extent - (moved.max(axis=1) - moved.min(axis=1))
    start = rng.integers(0, 1 << 32, (num_examples, 2)) % (room + 1) - moved.min(axis=1)
    arrival, departure = _times(start[:, None] + moved, extent)
    shines = np.array(list(COLOURS.values()), bool)[colour][:, None, None]
    ways = [_ways(*journey) for journey in zip(ends, axis.tolist(), forth.tolist(), strict=True)]
    things = (each.tolist() for each in (size, shape, colour, speed))
    captions = [_caption(*seen) for seen in zip(*things, ways, strict=True)]
    second = rng.integers(0, ALL_CHANCES, num_examples) >= parameters.first_writer
    times = {
        "x": np.where(shines, arrival[..., None], FRAMES).astype(np.uint8),
        "departure": np.where(shines, departure[..., None], FRAMES).astype(np.uint8),
    }
    return times | stored(by_writers(captions, second, SYNONYMS), ANSWERS, LONGEST)


def _draw_legs(parameters: Parameters, number: int, rng: np.random.Generator) -> tuple[Ends, Array, Array]:
    """Where the legs of each journey end, along which axis the first goes [N], and which way along each axis [N, 2]."""
    legs = rng.integers(0, parameters.legs, number)
    which = rng.integers(0, 1 << 32, number)
    ends = [LEGS[few][int(drawn) % len(LEGS[few])] for few, drawn in zip(legs, which, strict=True)]
    return ends, rng.integers(0, 2, number), rng.integers(0, 2, (number, 2))


def _moved(ends: Ends, axis: Array, forth: Array) -> Array:
    """How far each thing has come along both axes by each frame, in moves: [N, T, 2]."""
    moves = np.arange(FRAMES - 1)
    leg = np.array([np.searchsorted(of_one, moves, side="right") for of_one in ends])
    along = (axis[:, None] + leg) % 2
    step = np.where(forth == 1, 1, -1)[:, None] * (along[..., None] == np.arange(2))
    return np.concatenate([np.zeros((len(ends), 1, 2), np.int64), np.cumsum(step, axis=1)], axis=1)


def _times(corner: Array, extent: Array) -> tuple[Array, Array]:
    """When each pixel lights up and goes out [N, H, W], things having their upper left corners at `corner` [N, T, 2].

    The frames in which a pixel's row is under the thing follow on each other, and so do those in which its column is.
    """
    place = np.arange(SIZE)
    covered = (corner[..., None] <= place) & (place < corner[..., None] + extent[:, None, :, None])  # [N, T, 2, SIZE]
    never = ~covered.any(axis=1)
    first = np.where(never, FRAMES, covered.argmax(axis=1))
    after = np.where(never, 0, FRAMES - covered[:, ::-1].argmax(axis=1))
    arrival = np.maximum(first[:, 0, :, None], first[:, 1, None, :])
    departure = np.minimum(after[:, 0, :, None], after[:, 1, None, :])
    lit = arrival < departure
    return np.where(lit, arrival, FRAMES), np.where(lit, departure, FRAMES)


def _ways(ends: tuple[int, ...], axis: int, forth: list[int]) -> list[str]:
    """The direction of each leg."""
    return [DIRECTIONS[(axis + leg) % 2][forth[(axis + leg) % 2]] for leg in range(len(ends))]


def _caption(size: int, shape: int, colour: int, speed: int, ways: list[str]) -> Caption:
    thing = ["a", SIZES[size], list(COLOURS)[colour], SHAPES[shape]]
    first, *others = ways
    return [*thing, "moves", SPEEDS[speed], first, *(word for way in others for word in ("then", way))]


def describe(parameters: Parameters, test: Arrays) -> Description:
    """The ceilings are what the reader reaches that sees everything and does not know the writer."""
    return Description(
        text=f"a thing that moves, turning up to {parameters.legs - 1} times, and what it does, in words",
        layout="arrival_times",
        num_steps=FRAMES,
        answers=ANSWERS,
        ceilings=ceilings(test, ANSWERS, SYNONYMS, parameters.first_writer),
        references=without_looking(test, ANSWERS),
        disjoint=False,  # of journeys without a turn there are few
    )
