"""One thing in the colours of chance on a ground in others: a plain or a striped disc, square, triangle, ring or cross.

Ten classes, five shapes with two surfaces each, which are told apart by outline and stripes and not by colour: all
colours are equally likely for all of them. Each thing is of some size, somewhere, and turned; a mirror changes none.
A share of the pictures can show the ground alone, with a label by the throw of a die, so that the best reachable
accuracy is known.

Only integers are drawn, and only + - * and comparisons follow, element by element: the same bytes on every processor.
Shape legend: N pictures, n drawn at once, H = W = 32 pixels, C = 3 colours.
"""

from typing import Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from pipeline.dataset import Array, Arrays, Description

SIZE, COLOURS, BRIGHTEST = 32, 3, 255
SURFACES, SHAPES = ("plain", "striped"), ("disc", "square", "triangle", "ring", "cross")
CLASSES = tuple(f"{surface} {shape}" for surface in SURFACES for shape in SHAPES)
RADIUS = (80, 120)  # of the circle around a thing, in tenths of a pixel
SHIFT = 25  # from the middle at most, in tenths of a pixel
TURN = 20  # to either side at most, in degrees
STRIPE = 40  # how broad a stripe is, in tenths of a pixel
CONTRAST = (60, 100)  # by how much a thing, and its stripes, differ from the ground in each colour
SLOPE = 20  # how much lighter or darker the ground becomes from its middle to an edge, in each colour
CHUNK = 256

# Cosine and sine of each whole degree from -TURN on, in thousandths.
DEGREES = np.deg2rad(np.arange(-TURN, TURN + 1))
COSINE, SINE = (np.rint(1000 * part(DEGREES)).astype(np.int64) for part in (np.cos, np.sin))


class Parameters(BaseModel):
    """empty: how many pictures of 100 show no thing. noise: by how much the light of a pixel differs at most, of 255,
    to either side."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    empty: int = Field(default=2, ge=0, le=50)
    noise: int = Field(default=25, ge=0, le=60)

    @classmethod
    def small(cls) -> Self:
        """Parameters that tests and smoke runs shrink with."""
        return cls(empty=50)


def draw_split(parameters: Parameters, num_examples: int, rng: np.random.Generator) -> Arrays:
    """`x` [N, 32, 32, 3] uint8, `y` [N] uint8 classes, `shown` [N] uint8 (0: the ground alone)."""

    def draw(low: int, high: int, *shape: int) -> Array:
        return rng.integers(low, high + 1, (num_examples, *shape))

    label = rng.integers(0, len(CLASSES), num_examples, dtype=np.uint8)
    shown = (draw(0, 99) >= parameters.empty).astype(np.uint8)
    placed = {"radius": draw(*RADIUS), "centre": draw(-SHIFT, SHIFT, 2), "turn": draw(0, 2 * TURN)}
    painted = {"ground": draw(0, BRIGHTEST, COLOURS), "contrast": draw(*CONTRAST, 2, COLOURS)}
    painted["slope"] = draw(-SLOPE, SLOPE, 2, COLOURS)
    x = np.empty((num_examples, SIZE, SIZE, COLOURS), np.uint8)
    for start in range(0, num_examples, CHUNK):
        some = slice(start, start + CHUNK)
        right, down, radius = turned(**{name: values[some] for name, values in placed.items()})
        inside = outline(label[some] % len(SHAPES), right, down, radius) & (shown[some] == 1)[:, None, None]
        second = inside & (label[some] >= len(SHAPES))[:, None, None] & (right // (STRIPE * 1000) % 2 == 1)
        x[some] = paint(inside, second, parameters.noise, rng, **{name: found[some] for name, found in painted.items()})
    return {"x": x, "y": label, "shown": shown}


def turned(radius: Array, centre: Array, turn: Array) -> tuple[Array, Array, Array]:
    """How far each pixel [n, H, W] lies to the right of and below a thing's middle, as the thing is turned, in units of
    1/10,000 pixel; and the radius [n, 1, 1] in the same unit. turn: an index into `COSINE` and `SINE`."""
    pixel = 10 * np.arange(SIZE) + 5 - 5 * SIZE  # tenths of a pixel from the picture's middle
    across = pixel[None, None, :] - centre[:, 0, None, None]
    along = pixel[None, :, None] - centre[:, 1, None, None]
    cosine, sine = COSINE[turn][:, None, None], SINE[turn][:, None, None]
    return cosine * across + sine * along, cosine * along - sine * across, 1000 * radius[:, None, None]


def outline(shape: Array, right: Array, down: Array, radius: Array) -> Array:
    """Which pixels [n, H, W] belong to things of these shapes [n], by where they lie (see `turned`)."""
    beside, squared = np.abs(right), right * right + down * down
    disc = squared <= radius * radius
    broad, narrow = np.maximum(beside, np.abs(down)), np.minimum(beside, np.abs(down))
    each = (
        100 * squared <= 81 * radius * radius,
        10 * broad <= 8 * radius,
        (10 * np.abs(down) <= 8 * radius) & (20 * beside <= 10 * down + 8 * radius),
        disc & (100 * squared >= 30 * radius * radius),
        (10 * broad <= 9 * radius) & (10 * narrow <= 3 * radius),
    )
    return np.choose(shape[:, None, None], each)


def paint(
    inside: Array, second: Array, noise: int, rng: np.random.Generator, ground: Array, contrast: Array, slope: Array
) -> Array:
    """Pictures [n, H, W, C] uint8: the ground [n, C], things in one other colour, and their stripes in a third.

    A colour differs from the ground's by its `contrast` [n, 2, C], counted beyond the brightest from the darkest on:
    both at least by the least contrast, and the two of them at least by 256 less twice the largest. `slope` [n, 2, C]
    is the ground's, to the right and downwards.
    """
    along = np.arange(SIZE) - SIZE // 2
    rise = slope[:, 0, None, None] * along[:, None] + slope[:, 1, None, None] * along[:, None, None]
    colour = ground[:, None, None] + 2 * rise // SIZE
    for pixels, kept in ((inside, contrast[:, 0]), (second, -contrast[:, 1])):
        other = (ground + kept) % (BRIGHTEST + 1)
        colour = np.where(pixels[..., None], other[:, None, None], colour)
    colour += rng.integers(-noise, noise + 1, colour.shape)
    return np.clip(colour, 0, BRIGHTEST).astype(np.uint8)


def describe(parameters: Parameters, test: Arrays) -> Description:
    """Classes and ceiling of the pictures."""
    return Description(
        text=f"Coloured shapes, plain or striped, of which {parameters.empty} % cannot be seen: which one is it?",
        layout="images",
        classes=list(CLASSES),
        ceilings={"accuracy": bayes_accuracy(test["shown"])},
    )


def bayes_accuracy(shown: Array) -> float:
    """The best accuracy that can be expected on these pictures, an upper bound.

    The label of a picture without a thing is drawn independently of everything seen: any answer is right one time in
    ten. What is shown is told at best always; contrast and noise are such that it can be seen, but that enters nowhere.
    """
    num_shown = int(np.count_nonzero(shown))
    return (num_shown + (len(shown) - num_shown) / len(CLASSES)) / len(shown)
