"""Clips of shapes that do something: what is drawn is what the label says, and what one frame can and cannot tell."""

import itertools
from collections import Counter

import numpy as np
import pytest

from pipeline.dataset import Array
from pipeline.datasets import shape_actions
from pipeline.moving_shapes import (
    ACTIONS,
    CHOICES,
    GROUND,
    MOST_NOISE,
    PERIODS,
    PIXELS_AT_ONCE,
    PLAIN,
    RADII,
    RESTS,
    SHAPES,
    TEXTURED,
    best_accuracy,
    draw_ground,
    draw_thing,
    render,
    states_of,
)

SIZE, FRAMES = 24, 24
CLIPS_AT_ONCE = PIXELS_AT_ONCE // (FRAMES * SIZE * SIZE)


def drawn(number: int, **options: int) -> tuple[Array, Array]:
    parameters = shape_actions.Parameters(**{"size": SIZE, "frames": FRAMES} | options)
    arrays = shape_actions.draw_split(parameters, number, np.random.default_rng(3))
    return arrays["x"][..., 0], arrays["y"]


def outlines() -> dict[bytes, tuple[int, int, int, int]]:
    """Which shape, radius and centre a picture of nothing but a textured shape shows, by the pixels that it covers."""
    found = {}
    for shape, radius, row, column in itertools.product(range(len(SHAPES)), RADII, range(SIZE), range(SIZE)):
        mask = np.zeros((SIZE, SIZE), bool)
        for down, right in itertools.product(range(-radius, radius + 1), repeat=2):
            inside = {
                "square": True,
                "triangle": 2 * abs(right) <= down + radius,
                "cross": min(abs(down), abs(right)) <= radius // 3,
            }[SHAPES[shape]]
            mask[(row + down) % SIZE, (column + right) % SIZE] |= inside
        found[mask.tobytes()] = (shape, radius, row, column)
    return found


def action_of(row: Array, column: Array, radius: Array, bright: Array) -> str:
    """What something does, by what of it changes."""
    moved = [bool((values != values[0]).any()) for values in (row, column, radius, bright)]
    (name,) = [
        name
        for name, changes in {
            "moves": [False, True, False, False],
            "circles": [True, True, False, False],
            "bounces": [True, False, False, False],
            "grows": [False, False, True, False],
            "blinks": [False, False, False, True],
        }.items()
        if changes == moved
    ]
    return name


def test_a_reader_who_knows_how_clips_are_drawn_is_always_right() -> None:
    """From the pixels alone, noise and distractors and all: nothing that counts is hidden. So the ceiling is 1."""
    clips, labels = drawn(CLIPS_AT_ONCE + 40, distractors=3)
    known = outlines()
    levels = np.array([*TEXTURED[0], *TEXTURED[1]])
    for clip, label in zip(clips, labels, strict=True):
        below = levels[np.minimum(np.searchsorted(levels, clip, side="right"), 4) - 1]
        textured = (clip >= TEXTURED.min()) & (clip <= below + MOST_NOISE)
        states = [known[frame.tobytes()] for frame in textured]
        bright = np.array([frame[where].max() >= TEXTURED[1, 1] for frame, where in zip(clip, textured, strict=True)])
        shapes, radius, row, column = (np.array(values) for values in zip(*states, strict=True))
        assert len(set(shapes)) == 1
        found = f"{SHAPES[shapes[0]]} {action_of(row, column, radius, bright)}"
        assert found == shape_actions.CLASSES[label]


def test_levels_of_brightness_are_apart() -> None:
    levels = [GROUND, PLAIN, *TEXTURED[0], *TEXTURED[1]]
    assert all(low + MOST_NOISE < high for low, high in itertools.pairwise(levels))
    assert levels[-1] + MOST_NOISE <= 255


def test_in_one_frame_every_state_is_equally_likely_whatever_is_done() -> None:
    """By enumeration of all that is drawn of an action, for each frame; the place is that of the start, uniform."""
    for action, period in enumerate(PERIODS):
        numbers = list(np.array(list(itertools.product(*map(range, CHOICES), range(period)))).T)
        _, _, radius, bright = states_of(np.full(len(numbers[0]), action), numbers, FRAMES)
        for frame in range(FRAMES):
            states = Counter(zip(radius[:, frame].tolist(), bright[:, frame].tolist(), strict=True))
            assert len(states) == len(RADII) * 2 and len(set(states.values())) == 1


def test_ceilings_are_those_of_all_frames_and_of_one() -> None:
    description = shape_actions.describe(shape_actions.Parameters(), {})
    assert description.ceilings == {"accuracy": 1}
    assert description.references == {shape_actions.SINGLE_FRAME: {"accuracy": pytest.approx(1 / len(ACTIONS))}}
    # In two frames that are alike it blinks or, less often, grows.
    assert [best_accuracy(SIZE, number) for number in (2, 3, 4)] == [pytest.approx(0.9), 1, 1]


def test_the_ceiling_of_two_frames_is_that_of_a_count_of_drawings() -> None:
    """A reader that answers what it has most often seen with the same change from one frame to the next."""
    rng, number = np.random.default_rng(5), 200_000
    action = rng.integers(0, len(ACTIONS), number)
    thing = draw_thing(np.zeros(number, int), action, 2, SIZE, rng)
    steps = [np.diff(values)[:, 0] % SIZE for values in (thing.row, thing.column)]
    seen = zip(*steps, *thing.radius.T, *thing.bright.T, action, strict=True)
    counts = Counter((tuple(map(int, state)), int(done)) for *state, done in seen)
    best: Counter[tuple[int, ...]] = Counter()
    for (state, _), count in counts.items():
        best[state] = max(best[state], count)
    assert sum(best.values()) / number == pytest.approx(best_accuracy(SIZE, 2), abs=0.005)


def test_what_rests_stays_as_it_is_and_the_ground_drifts() -> None:
    rng = np.random.default_rng(1)
    number = CLIPS_AT_ONCE + 3
    thing = draw_thing(rng.integers(0, 3, number), np.full(number, RESTS), FRAMES, SIZE, rng)
    for values in (thing.row, thing.column, thing.radius, thing.bright):
        assert (values == values[:, :1]).all()
    ground = draw_ground(number, FRAMES, SIZE, rng)
    ways = [way for way in itertools.product((-1, 0, 1), repeat=2) if any(way)]
    assert all(any(_rolled(clip, way) for way in ways) for clip in ground)
    clips = render(ground.copy(), [], thing, 0, rng)[..., 0]
    assert ((clips == ground).mean(axis=(1, 2, 3)) > 0.6).all() and (clips != ground).any(axis=(1, 2, 3)).all()


def _rolled(clip: Array, way: tuple[int, ...]) -> bool:
    return all((np.roll(before, way, axis=(0, 1)) == after).all() for before, after in itertools.pairwise(clip))


def test_clips_are_drawn_alike_however_many_at_once() -> None:
    """The pixels of clips drawn in several parts are those their things say; none is left out."""
    clips, labels = drawn(CLIPS_AT_ONCE * 2 + 1, noise=0, distractors=0)
    assert clips.shape == (len(labels), FRAMES, SIZE, SIZE)
    assert np.isin(clips, [*range(GROUND + 1), *TEXTURED.ravel()]).all()
    assert (clips.max(axis=(2, 3)) >= TEXTURED[0, 1]).all()
