"""Textured shapes that do something on a drifting ground, among plain shapes that do something else.

What a shape does is told by how its place, radius and brightness change. The picture is a torus (what leaves it on one
side comes in on the other), and whatever a shape does, its place, radius and brightness in any one frame are equally
likely to be any: a single frame says which shape it is, and nothing of what it does.

Ground, plain and textured shapes differ in brightness by more than the noise: nothing that is drawn on top is hidden.

Shape legend: N clips, T frames, H = W pixels.
"""

import itertools
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, fields
from fractions import Fraction

import numpy as np

from pipeline.dataset import Array
from pipeline.large_arrays import zeros

SHAPES = ("square", "triangle", "cross")
ACTIONS = ("moves", "circles", "bounces", "grows", "blinks")
MOVES, CIRCLES, BOUNCES, GROWS, BLINKS, RESTS = range(len(ACTIONS) + 1)  # the last is no action
RADII = (2, 3, 5)
SMALLEST_PICTURE = 2 * RADII[-1] + 2
WAYS = np.array([(0, 1), (1, 1), (1, 0), (1, -1), (0, -1), (-1, -1), (-1, 0), (-1, 1)])
SPEEDS = (2, 3)  # pixels a frame, of what moves to one side and of what bounces up and down
TURN = 4  # frames after which that turns round
CIRCLE = np.array(
    [(0, 5), (3, 4), (4, 3), (5, 0), (4, -3), (3, -4), (0, -5), (-3, -4), (-4, -3), (-5, 0), (-4, 3), (-3, 4)]
)
FRAMES_A_RADIUS, FRAMES_A_BLINK = 2, 3
PERIODS = np.array([1, len(CIRCLE), 2 * TURN, FRAMES_A_RADIUS * len(RADII), 2 * FRAMES_A_BLINK, 1])  # by action
CHOICES = (2, len(SPEEDS), len(RADII), 2)  # what is drawn of each thing, besides where its period begins
# Brightness: of the ground, at most; of what is plain; of dark and light tiles of a dim and of a bright texture.
GROUND, PLAIN, TEXTURED = 50, 80, np.array([(110, 150), (190, 240)], np.uint8)
MOST_NOISE = 15
GROUND_TILE, TILE = 4, 2  # pixels
PIXELS_AT_ONCE = 1 << 20


@dataclass(frozen=True)
class Thing:
    """A shape in each clip: which [N], and in each frame its centre, not yet wrapped, its radius, and 1 where it is
    bright or 0 where it is dim, [N, T]."""

    shape: Array
    row: Array
    column: Array
    radius: Array
    bright: Array


def draw_thing(shape: Array, action: Array, num_frames: int, size: int, rng: np.random.Generator) -> Thing:
    """Things of these shapes [N] that do this [N] (indices into `SHAPES` and `ACTIONS`, or `RESTS`), from anywhere."""
    *drawn, phase, start = rng.integers(0, 1 << 32, (len(CHOICES) + 2, len(action)))
    chosen = [values % kinds for values, kinds in zip(drawn, CHOICES, strict=True)]
    row, column, radius, bright = states_of(action, [*chosen, phase % PERIODS[action]], num_frames)
    return Thing(shape, row + (start % size)[:, None], column + (start // size % size)[:, None], radius, bright)


def states_of(action: Array, drawn: Sequence[Array], num_frames: int) -> tuple[Array, Array, Array, Array]:
    """Row and column from where it set out, radius and brightness [N, T] of what does `action` [N].

    drawn: each of its `CHOICES`, and the frame of its period in which it begins, [N].
    """
    backwards, speed, radius, bright, phase = (values[:, None] for values in drawn)
    action, time = action[:, None], np.arange(num_frames) + phase
    pixels, around, turned = np.array(SPEEDS)[speed], time % (2 * TURN), np.where(backwards, -time, time)
    circle = CIRCLE[turned % len(CIRCLE)]
    up_and_down = np.minimum(around, 2 * TURN - around) * pixels
    row = np.select([action == BOUNCES, action == CIRCLES], [up_and_down, circle[..., 0]], 0)
    column = np.select([action == MOVES, action == CIRCLES], [turned * pixels, circle[..., 1]], 0)
    size = np.where(action == GROWS, time // FRAMES_A_RADIUS, radius) % len(RADII)
    light = np.where(action == BLINKS, time // FRAMES_A_BLINK, bright) % 2
    return row, column, np.array(RADII)[size], light


def best_accuracy(size: int, num_frames: int) -> float:
    """How often the best reader of `num_frames` frames knows which of the `ACTIONS` it sees.

    By enumeration: what the drawn numbers make of an action, as seen from where the shape is first. Shape and place
    are drawn apart from that, and say nothing of it.
    """
    likeliest: dict[bytes, Fraction] = {}
    for action, period in enumerate(PERIODS[:RESTS]):
        drawn = list(np.array(list(itertools.product(*map(range, CHOICES), range(period)))).T)
        row, column, radius, bright = states_of(np.full(len(drawn[0]), action), drawn, num_frames)
        seen = [(row - row[:, :1]) % size, (column - column[:, :1]) % size, radius, bright]
        paths = Counter(path.tobytes() for path in np.stack(seen, axis=1).astype(np.uint16))
        for path, number in paths.items():
            likeliest[path] = max(likeliest.get(path, Fraction(0)), Fraction(number, len(drawn[0])))
    return float(sum(likeliest.values()) / len(ACTIONS))


def draw_ground(num_clips: int, num_frames: int, size: int, rng: np.random.Generator) -> Array:
    """Tiles of chance that drift one pixel a frame, one way in each clip: [N, T, H, W] uint8."""
    tiles = rng.integers(0, GROUND + 1, (num_clips, *[-(-size // GROUND_TILE)] * 2), dtype=np.uint8)
    still = tiles.repeat(GROUND_TILE, axis=1).repeat(GROUND_TILE, axis=2)[:, :size, :size]
    way = WAYS[rng.integers(0, len(WAYS), num_clips)]
    frames = zeros((num_clips, num_frames, size, size), np.dtype(np.uint8))
    place = np.arange(size)
    clips = np.arange(num_clips)[:, None, None]
    for time in range(num_frames):
        row, column = ((place + time * way[:, axis, None]) % size for axis in (0, 1))
        frames[:, time] = still[clips, row[:, :, None], column[:, None]]
    return frames


def render(ground: Array, plain: Sequence[Thing], textured: Thing, noise: int, rng: np.random.Generator) -> Array:
    """Clips [N, T, H, W, 1] uint8: the ground, which is drawn over, plain things on it, and the textured one on top."""
    size = ground.shape[-1]
    clips_at_once = max(1, PIXELS_AT_ONCE // ground[0].size)
    for first in range(0, len(ground), clips_at_once):
        clips = slice(first, first + clips_at_once)
        frames = ground[clips]
        for thing in plain:
            frames[_covered(*_offsets(_among(thing, clips), size), _among(thing, clips))] = PLAIN
        thing = _among(textured, clips)
        down, right = _offsets(thing, size)
        light = (down[..., :, None] // TILE + right[..., None, :] // TILE) % 2
        texture = TEXTURED[thing.bright[..., None, None], light]
        np.copyto(frames, texture, where=_covered(down, right, thing))
        frames += rng.integers(0, noise + 1, frames.shape, dtype=np.uint8)
    return ground[..., None]


def _among(thing: Thing, clips: slice) -> Thing:
    return Thing(*(getattr(thing, field.name)[clips] for field in fields(thing)))


def _offsets(thing: Thing, size: int) -> tuple[Array, Array]:
    """How far each row and each column lies from a thing's centre, the short way round: [N, T, size] each."""
    far = np.arange(size) + size // 2
    return tuple((far - centre[..., None]) % size - size // 2 for centre in (thing.row, thing.column))  # type: ignore[return-value]


def _covered(down: Array, right: Array, thing: Thing) -> Array:
    """Which pixels [N, T, H, W] lie under a thing."""
    radius = thing.radius[..., None, None]
    covered = np.empty((*down.shape, right.shape[-1]), bool)
    for number, shape in enumerate(SHAPES):
        of_it = thing.shape == number
        covered[of_it] = _inside(shape, down[of_it][..., :, None], right[of_it][..., None, :], radius[of_it])
    return covered


def _inside(shape: str, down: Array, right: Array, radius: Array) -> Array:
    aside = np.abs(right)
    if shape == "triangle":
        return (np.abs(down) <= radius) & (2 * aside <= down + radius)
    within = (np.abs(down) <= radius) & (aside <= radius)
    return within if shape == "square" else within & ((np.abs(down) <= radius // 3) | (aside <= radius // 3))
