"""Pictures of handwritten-like digits: bright pen strokes on black, 28 x 28, as in MNIST but drawn by formula.

Each digit has two or three ways of writing it, given as the points that a pen passes. Every picture moves those
points, joins them by Catmull-Rom curves (Catmull & Rom, *A class of local interpolating splines*, 1974), bends,
stretches, slants and turns the whole, and inks what lies within half a pen's width. A share of the pictures can be
made illegible: scribbles whose label is a throw of the dice, so that the best reachable accuracy is known.

Only integers and plain uniform numbers are drawn, and only + - * / sqrt, comparisons and rounding are used, element
by element: these give the same bits on every processor. Shape legend: N pictures, n drawn at once, P control points.
"""

from collections.abc import Iterator
from typing import Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from pipeline.dataset import Array, Arrays, Description

SIZE = 28
Point = tuple[int, int]
Strokes = tuple[tuple[Point, ...], ...]

# Pen strokes by digit and way of writing it: (x, y) in hundredths of the digit's height, y downwards. A point named
# twice is one point, and moves as one: a corner, or the end of a closed loop.
GLYPHS: tuple[tuple[Strokes, ...], ...] = (
    (
        (((50, 0), (27, 12), (19, 50), (27, 88), (50, 100), (73, 88), (81, 50), (73, 12), (50, 0)),),
        (((62, 8), (36, 10), (23, 50), (37, 93), (63, 93), (77, 50), (67, 14), (44, 2)),),
    ),
    (
        (((52, 0), (50, 50), (48, 100)),),
        (((40, 20), (54, 0)), ((54, 0), (52, 50), (50, 100))),
        (((40, 15), (52, 0)), ((52, 0), (51, 50), (51, 100)), ((30, 100), (72, 99))),
    ),
    (
        (((22, 24), (36, 4), (62, 3), (74, 24), (61, 50), (40, 75), (19, 98)), ((19, 98), (50, 97), (83, 96))),
        (((22, 22), (42, 2), (68, 9), (70, 38), (48, 72), (25, 94), (17, 82), (34, 77), (58, 94), (85, 91)),),
    ),
    (
        (((24, 11), (48, 0), (72, 14), (66, 37), (43, 47)), ((43, 47), (71, 57), (77, 80), (53, 100), (21, 89))),
        (((23, 2), (50, 2), (76, 1)), ((76, 1), (45, 40)), ((45, 40), (73, 52), (77, 80), (52, 100), (21, 90))),
    ),
    (
        (((31, 0), (26, 30), (19, 61)), ((19, 61), (50, 61), (85, 58)), ((67, 12), (64, 52), (62, 100))),
        (((62, 0), (40, 33), (15, 66)), ((15, 66), (50, 66), (87, 64)), ((62, 0), (61, 50), (60, 100))),
    ),
    (
        (((77, 1), (33, 3)), ((33, 3), (28, 44)), ((28, 44), (54, 37), (78, 56), (74, 84), (48, 100), (20, 90))),
        (((76, 3), (42, 6), (29, 25), (40, 43), (65, 51), (76, 74), (56, 98), (22, 93)),),
    ),
    (
        (((67, 1), (41, 20), (25, 54), (27, 84), (50, 100), (74, 84), (71, 60), (50, 53), (28, 70)),),
        (((73, 11), (54, 2), (32, 22), (22, 58), (33, 92), (60, 98), (76, 77), (62, 56), (39, 60), (26, 76)),),
    ),
    (
        (((17, 5), (50, 5), (83, 2)), ((83, 2), (59, 46), (42, 100))),
        (((17, 5), (50, 5), (83, 2)), ((83, 2), (59, 46), (42, 100)), ((36, 54), (74, 49))),
    ),
    (
        (((70, 14), (48, 0), (28, 16), (38, 38), (64, 55), (74, 82), (50, 100), (26, 82), (38, 55), (70, 14)),),
        (
            ((50, 0), (28, 12), (30, 36), (50, 46), (70, 36), (72, 12), (50, 0)),
            ((50, 46), (24, 60), (24, 88), (50, 100), (76, 88), (76, 60), (50, 46)),
        ),
    ),
    (
        (((72, 16), (50, 0), (27, 13), (26, 39), (48, 51), (67, 38), (72, 16)), ((72, 16), (69, 58), (63, 100))),
        (((73, 16), (50, 0), (27, 14), (27, 40), (50, 50), (73, 16)), ((73, 16), (74, 62), (60, 95), (28, 93))),
    ),
)
CLASSES = tuple(str(digit) for digit in range(len(GLYPHS)))
SCRIBBLE: tuple[tuple[int, ...], ...] = ((0, 1, 2, 3, 4, 5), (6, 7, 8, 9))  # two strokes through random points

# Bounds of what differs from picture to picture; every value between them is equally likely.
JITTER = 3  # of a control point in hundredths of the height, drawn twice and added
BEND = 6  # of the whole, sideways and upwards, in hundredths of the height
SLANT = (-15, 35)  # rightwards, in hundredths of the height
HEIGHT = (150, 195)  # in tenths of a pixel
WIDTH = (75, 112)  # in hundredths of the width as written above
SHIFT = 15  # from the middle, in tenths of a pixel
THINNEST = 1.5  # pixels

MAX_POINTS = max(len({point for stroke in strokes for point in stroke}) for ways in GLYPHS for strokes in ways)
PIECES = 3  # straight pieces of a curve between two control points
CHUNK = 32  # pictures rendered at once: their distances fit into the processor's cache
Path = tuple[tuple[int, ...], ...]


class Parameters(BaseModel):
    """illegible: share of pictures that are scribbles. rotation: furthest turn to either side, in degrees. thickness:
    of the broadest pen, in pixels; the finest one has 1.5."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    illegible: float = Field(ge=0, le=0.5)
    rotation: int = Field(ge=0, le=30)
    thickness: float = Field(ge=THINNEST, le=4)

    @classmethod
    def small(cls) -> Self:
        """Parameters for tests and smoke runs."""
        return cls(illegible=0.1, rotation=10, thickness=3)


def draw_split(parameters: Parameters, num_examples: int, rng: np.random.Generator) -> Arrays:
    """Draw pictures: `x` [N, 28, 28] uint8 ink, `y` [N] uint8 classes, `legible` [N] uint8 (0: a scribble)."""
    label = rng.integers(0, len(GLYPHS), num_examples, dtype=np.uint8)
    legible = (rng.random(num_examples) >= parameters.illegible).astype(np.uint8)
    way = rng.integers(0, 6, num_examples, dtype=np.uint8)  # 6 divides evenly among one, two or three ways
    points = rng.integers(0, 101, (num_examples, MAX_POINTS, 2), dtype=np.int8)  # of scribbles
    jitter = rng.integers(-JITTER, JITTER + 1, (2, num_examples, MAX_POINTS, 2), dtype=np.int8)
    hand = draw_hands(parameters, num_examples, rng)

    x = np.empty((num_examples, SIZE, SIZE), dtype=np.uint8)
    for members, path, fixed in groups(label, legible, way):
        for start in range(0, len(members), CHUNK):
            some = members[start : start + CHUNK]
            written = (points[some] if fixed is None else fixed) + np.zeros((len(some), 1, 1))
            used = written.shape[1]
            moved = written + jitter[0, some, :used] + jitter[1, some, :used]
            held = {name: values[some] for name, values in hand.items()}
            x[some] = render(curve(place(moved, held), path), held["pen"])
    return {"x": x, "y": label, "legible": legible}


def draw_hands(parameters: Parameters, num_examples: int, rng: np.random.Generator) -> dict[str, Array]:
    """How each picture is written: arrays [N] float64 by name, lengths in pixels."""

    def draw(low: int, high: int) -> Array:
        return rng.integers(low, high + 1, num_examples).astype(np.float64)

    return {
        "bend_x": draw(-BEND, BEND) / 100,
        "bend_y": draw(-BEND, BEND) / 100,
        "slant": draw(*SLANT) / 100,
        "height": draw(*HEIGHT) / 10,
        "width": draw(*WIDTH) / 100,
        "turn": draw(-10 * parameters.rotation, 10 * parameters.rotation) / 10,
        "shift_x": draw(-SHIFT, SHIFT) / 10,
        "shift_y": draw(-SHIFT, SHIFT) / 10,
        "pen": draw(round(100 * THINNEST), round(100 * parameters.thickness)) / 100,
    }


def groups(label: Array, legible: Array, way: Array) -> Iterator[tuple[Array, Path, Array | None]]:
    """Pictures that share their strokes: their indices, the strokes as indices of control points, and those points
    [P, 2] (None: each picture its own)."""
    yield np.flatnonzero(legible == 0), SCRIBBLE, None
    for digit, ways in enumerate(GLYPHS):
        for number, strokes in enumerate(ways):
            members = np.flatnonzero((legible == 1) & (label == digit) & (way % len(ways) == number))
            points = list(dict.fromkeys(point for stroke in strokes for point in stroke))
            path = tuple(tuple(points.index(point) for point in stroke) for stroke in strokes)
            yield members, path, np.array(points)


def place(points: Array, hand: dict[str, Array]) -> Array:
    """From hundredths of the height, y downwards, to pixels from the picture's middle: bent, slanted, sized, turned,
    shifted. `points` [n, P, 2], `hand` as from `draw_hands`."""
    held = {name: values[:, None] for name, values in hand.items()}
    x, y = points[..., 0] / 100 - 0.5, points[..., 1] / 100 - 0.5
    x, y = x + held["bend_x"] * (1 - 4 * y * y), y + held["bend_y"] * (1 - 4 * x * x)
    x = (x * held["width"] - held["slant"] * y) * held["height"]
    y = y * held["height"]
    half = held["turn"] * (3.141592653589793 / 360)
    tangent = half * (1 + half * half * (1 / 3 + half * half * (2 / 15)))  # of half the turn, to 0.0001 of its value
    cosine, sine = (1 - tangent * tangent) / (1 + tangent * tangent), 2 * tangent / (1 + tangent * tangent)
    return np.stack([x * cosine - y * sine + held["shift_x"], x * sine + y * cosine + held["shift_y"]], axis=-1)


def curve(points: Array, path: Path) -> list[tuple[Array, Array]]:
    """The ends, each [n, 2], of the straight pieces of the Catmull-Rom curves along `path`; `points` [n, P, 2]."""
    pieces = []
    for stroke in path:
        closed = stroke[0] == stroke[-1]
        around = (stroke[-2] if closed else stroke[0], *stroke, stroke[1] if closed else stroke[-1])
        for a, b, c, d in zip(around, around[1:], around[2:], around[3:], strict=False):
            start = points[:, b]
            for t in (piece / PIECES for piece in range(1, PIECES + 1)):
                end = (
                    points[:, a] * (t * (-1 + t * (2 - t)) / 2)
                    + points[:, b] * ((2 + t * t * (-5 + 3 * t)) / 2)
                    + points[:, c] * (t * (1 + t * (4 - 3 * t)) / 2)
                    + points[:, d] * (t * t * (t - 1) / 2)
                )
                pieces.append((start, end))
                start = end
    return pieces


def render(pieces: list[tuple[Array, Array]], pen: Array) -> Array:
    """Ink [n, 28, 28] uint8 of a pen `pen` [n] pixels broad along `pieces`; its edge fades over one pixel."""
    pixel = np.arange(SIZE) + 0.5 - SIZE / 2
    nearest = np.full((len(pen), SIZE, SIZE), float(SIZE * SIZE))  # squared distance
    for start, end in pieces:
        way, middle = end - start, (start + end) / 2
        length = np.sqrt(way[:, 0] * way[:, 0] + way[:, 1] * way[:, 1])
        dot = length == 0  # has no direction: any will do
        dx, dy = ((way[:, 0] + dot) / (length + dot))[:, None], (way[:, 1] / (length + dot))[:, None]
        from_x, from_y = pixel - middle[:, 0, None], pixel - middle[:, 1, None]  # [n, W], [n, H]
        beyond = np.abs((from_x * dx)[:, None, :] + (from_y * dy)[:, :, None])  # along the piece, from its middle
        beyond -= (length / 2)[:, None, None]
        np.maximum(beyond, 0, out=beyond)  # from its nearer end
        beyond *= beyond
        beside = (from_x * dy)[:, None, :] - (from_y * dx)[:, :, None]
        beside *= beside
        beyond += beside
        np.minimum(nearest, beyond, out=nearest)
    ink = np.minimum(np.maximum((pen / 2 + 0.5)[:, None, None] - np.sqrt(nearest), 0), 1)
    return np.rint(ink * 255).astype(np.uint8)


def describe(parameters: Parameters, test: Arrays) -> Description:
    """Classes and ceiling of the pictures."""
    return Description(
        text=f"Handwritten-like digits, of which {100 * parameters.illegible:g} % are scribbles: which digit is it?",
        layout="images",
        classes=list(CLASSES),
        ceilings={"accuracy": bayes_accuracy(test["legible"])},
    )


def bayes_accuracy(legible: Array) -> float:
    """The best accuracy that can be expected on these pictures, an upper bound.

    A scribble's label is drawn independently of everything seen: any answer is right one time in ten. A legible digit
    is read right at best always; the bounds of the distortions keep the digits apart, but that nowhere enters. The
    scribbles do not make legible digits harder: they are equally likely under all labels. One score may lie above by
    luck with k scribbles of N pictures: by a standard deviation of 0.3 * sqrt(k) / N.
    """
    num_legible = int(np.count_nonzero(legible))
    return (num_legible + (len(legible) - num_legible) / len(CLASSES)) / len(legible)
