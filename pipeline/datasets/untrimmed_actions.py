"""Long videos of a textured shape that now and then does something, before plain shapes that always do: what, and when?

Between two actions it rests where it is, as `pipeline.moving_shapes` draws it. Each frame has a label: the background,
or which shape does what. Stored as bytes.

Shape legend: N videos, T frames, H = W pixels, S segments.
"""

from typing import Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from pipeline.dataset import BACKGROUND_CLASS, Array, Arrays, Description
from pipeline.moving_shapes import (
    ACTIONS,
    MOST_NOISE,
    RESTS,
    SHAPES,
    SMALLEST_PICTURE,
    Thing,
    best_accuracy,
    draw_ground,
    draw_thing,
    render,
)

CLASSES = [BACKGROUND_CLASS, *(f"{shape} {action}" for shape in SHAPES for action in ACTIONS)]


class Parameters(BaseModel):
    """size: height and width. frames: of a video. segments: 1 to so many in each. shortest, longest: a segment, in
    frames. gap: frames of background before, between and after segments at least. distractors: plain shapes. noise: by
    how much the light of a pixel differs at most, of 255."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    size: int = Field(default=32, ge=SMALLEST_PICTURE, le=254)
    frames: int = Field(default=256, ge=1)
    segments: int = Field(default=3, ge=1)
    shortest: int = Field(default=32, ge=1)
    longest: int = Field(default=64, ge=1)
    gap: int = Field(default=16, ge=1)
    distractors: int = Field(default=1, ge=0, le=4)
    noise: int = Field(default=MOST_NOISE, ge=0, le=MOST_NOISE)

    @model_validator(mode="after")
    def _fit_in(self) -> Self:
        if self.shortest > self.longest:
            raise ValueError(f"shortest is {self.shortest}; allowed: 1 to longest ({self.longest})")
        needed = self.segments * self.longest + (self.segments + 1) * self.gap
        if needed > self.frames:
            raise ValueError(
                f"frames is {self.frames}; allowed: {needed} and more, for {self.segments} segments of {self.longest} "
                f"and {self.segments + 1} gaps of {self.gap}"
            )
        return self

    @classmethod
    def small(cls) -> Self:
        """Parameters that tests and smoke runs shrink with."""
        return cls(size=16, frames=48, segments=1, shortest=16, longest=24, gap=8)


def draw_split(parameters: Parameters, num_examples: int, rng: np.random.Generator) -> Arrays:
    """`x` [N, T, H, W, 1] uint8 and `y` [N, T] uint8, the label of each frame: an index into `CLASSES`."""
    shape = rng.integers(0, len(SHAPES), num_examples)
    action = rng.integers(0, len(ACTIONS), (num_examples, parameters.segments))
    bounds = draw_bounds(parameters, num_examples, rng)
    does = np.full((num_examples, 2 * parameters.segments + 1), RESTS)  # rests and segments in turn
    does[:, 1::2] = action
    sizes = (parameters.frames, parameters.size)
    pieces = [draw_thing(shape, each, *sizes, rng) for each in does.T]
    plain = []
    for _ in range(parameters.distractors):
        other = rng.integers(0, len(SHAPES) * len(ACTIONS), num_examples)
        plain.append(draw_thing(other // len(ACTIONS), other % len(ACTIONS), *sizes, rng))
    textured, piece = joined(pieces, bounds), _piece_of_frame(bounds, parameters.frames)
    shown = np.take_along_axis(does, piece, axis=1)
    y = np.where(shown == RESTS, 0, 1 + shape[:, None] * len(ACTIONS) + shown).astype(np.uint8)
    return {"x": render(draw_ground(num_examples, *sizes, rng), plain, textured, parameters.noise, rng), "y": y}


def draw_bounds(parameters: Parameters, num_examples: int, rng: np.random.Generator) -> Array:
    """The frames [N, 2 * S] at which segments begin and end, in turn; both the last frame for those there are not."""
    most = parameters.segments
    length = rng.integers(parameters.shortest, parameters.longest + 1, (num_examples, most))
    length[np.arange(most) >= rng.integers(1, most + 1, num_examples)[:, None]] = 0
    there = length > 0
    free = parameters.frames - length.sum(axis=1) - (there.sum(axis=1) + 1) * parameters.gap
    drawn = rng.integers(0, 1 << 32, (num_examples, most)) % (free + 1)[:, None]
    more = np.sort(np.where(there, drawn, parameters.frames), axis=1)
    begins = more + np.cumsum(length, axis=1) - length + (np.arange(most) + 1) * parameters.gap
    bounds = np.stack([begins, begins + length], axis=2)
    bounds[~there] = parameters.frames
    return bounds.reshape(num_examples, 2 * most)


def joined(pieces: list[Thing], bounds: Array) -> Thing:
    """One thing [N, T] that does what each of the pieces does, from one of the bounds [N, P - 1] to the next, and goes
    on from where it is."""
    num_frames = pieces[0].row.shape[1]
    piece = _piece_of_frame(bounds, num_frames)
    first = np.concatenate([np.zeros((len(bounds), 1), bounds.dtype), bounds], axis=1)
    time = np.arange(num_frames) - np.take_along_axis(first, piece, axis=1)
    found = {name: np.zeros(piece.shape, np.int64) for name in ("row", "column", "radius", "bright")}
    for number, thing in enumerate(pieces):
        here = piece == number
        before = np.minimum(first[:, [number]], num_frames) - 1
        for name, values in found.items():
            own = np.take_along_axis(getattr(thing, name), np.maximum(time, 0), axis=1)
            if name in ("row", "column") and number:
                own = own - getattr(thing, name)[:, :1] + np.take_along_axis(values, before, axis=1)
            values[here] = own[here]
    return Thing(pieces[0].shape, **found)


def _piece_of_frame(bounds: Array, num_frames: int) -> Array:
    """In which piece each frame lies [N, T], by the bounds [N, P - 1] between pieces."""
    return (np.arange(num_frames) >= bounds[:, :, None]).sum(axis=1)


def describe(parameters: Parameters, test: Arrays) -> Description:
    """The ceiling is how often one who sees all frames of the shortest segment knows what it is; when it begins and
    ends, a reader of frames sees to within a few, as nothing that rests changes and every action soon does."""
    return Description(
        text=f"long videos in which a textured shape does one of {len(ACTIONS)} things now and then: what, and when?",
        layout="clips",
        classes=CLASSES,
        output_steps=parameters.frames,
        ceilings={"map_50": best_accuracy(parameters.size, parameters.shortest)},
    )
