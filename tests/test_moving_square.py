"""Moving-square clips against every clip there can be: which there are, how likely each is, and what can be known."""

from collections import Counter
from collections.abc import Iterator
from fractions import Fraction

import numpy as np
import pytest
from pydantic import ValidationError

from pipeline.dataset import Array
from pipeline.datasets.moving_square import CLASSES, Parameters, bayes_accuracy, describe, draw_paths, draw_split
from pipeline.views import VIEWS

DEVIATIONS = 5  # allowed distance of chi-square from its mean, in standard deviations


def every_clip(size: int, direction: str) -> Iterator[tuple[bytes, Fraction]]:
    """Every clip [size, size, size] of a direction, frame by frame from the definition, with its probability."""
    start = np.zeros((0, size, size), dtype=np.uint8)
    for across in range(size):
        yield from _go_on(start, across, direction, Fraction(1, size))


def _go_on(frames: Array, across: int, direction: str, probability: Fraction) -> Iterator[tuple[bytes, Fraction]]:
    """Add the frame in which the line reaches the position `across`, then go on to each position within reach."""
    size, step = frames.shape[1], len(frames)
    along = {"right": step, "down": step, "left": size - 1 - step, "up": size - 1 - step}[direction]
    frame = frames[-1].copy() if step else np.zeros((size, size), dtype=np.uint8)
    frame[(across, along) if direction in ("left", "right") else (along, across)] = 1
    frames = np.concatenate([frames, frame[None]])
    if len(frames) == size:
        yield frames.tobytes(), probability
        return
    reach = [place for place in (across - 1, across, across + 1) if 0 <= place < size]
    for place in reach:
        yield from _go_on(frames, place, direction, probability / len(reach))


def likelihoods(size: int, directions: int) -> dict[tuple[int, bytes], Fraction]:
    """Probability of every pair of class and clip."""
    found: Counter[tuple[int, bytes]] = Counter()
    for label, direction in enumerate(CLASSES[:directions]):
        for clip, probability in every_clip(size, direction):
            found[label, clip] += probability / directions
    return found


def chi_square_is_usual(counts: Array, probabilities: Array) -> bool:
    expected = counts.sum() * np.asarray(probabilities, dtype=float)
    statistic = float(((counts - expected) ** 2 / expected).sum())
    freedom = len(counts) - 1
    return abs(statistic - freedom) < DEVIATIONS * np.sqrt(2 * freedom)


@pytest.mark.parametrize(("size", "directions"), [(3, 2), (3, 4), (4, 2), (4, 4)])
def test_clips_are_those_of_the_definition_each_as_often_as_it_says(size: int, directions: int) -> None:
    expected = likelihoods(size, directions)
    assert sum(expected.values()) == 1
    parameters = Parameters(size=size, directions=directions)
    drawn = draw_split(parameters, 30_000, np.random.default_rng(3))
    clips = VIEWS["frames"].inputs(drawn, describe(parameters, drawn))[..., 0].astype(np.uint8)
    found = Counter((int(label), clip.tobytes()) for label, clip in zip(drawn["y"], clips, strict=True))
    assert set(found) == set(expected)
    counts = np.array([found[clip] for clip in expected])
    assert chi_square_is_usual(counts, [float(probability) for probability in expected.values()])


@pytest.mark.parametrize("directions", [2, 4])
@pytest.mark.parametrize("size", [3, 4, 5])
def test_the_ceiling_is_what_knowing_every_clip_gives(size: int, directions: int) -> None:
    best: dict[bytes, Fraction] = {}
    for (_, clip), probability in likelihoods(size, directions).items():
        best[clip] = max(best.get(clip, Fraction(0)), probability)
    assert bayes_accuracy(size, directions) == float(sum(best.values()))


def test_steps_of_long_walks_are_uniform_over_what_is_within_reach() -> None:
    size = 50
    walks = draw_paths(size, 20_000, np.random.default_rng(4)).astype(int)
    assert walks.min() == 0 and walks.max() == size - 1
    assert chi_square_is_usual(np.bincount(walks[:, 0], minlength=size), np.full(size, 1 / size))
    here, step = walks[:, :-1].ravel(), np.diff(walks).ravel()
    inside = (here > 0) & (here < size - 1)
    for place, allowed in ((inside, (-1, 0, 1)), (here == 0, (0, 1)), (here == size - 1, (-1, 0))):
        values, counts = np.unique(step[place], return_counts=True)
        assert tuple(values) == allowed
        assert chi_square_is_usual(counts, np.full(len(allowed), 1 / len(allowed)))


@pytest.mark.parametrize(
    ("size", "stored"), [(3, np.uint8), (50, np.uint8), (254, np.uint8), (255, np.uint16), (300, np.uint16)]
)
def test_one_pixel_arrives_a_frame_and_stays(size: int, stored: type) -> None:
    parameters = Parameters(size=size, directions=4)
    drawn = draw_split(parameters, 8, np.random.default_rng(5))
    assert drawn["x"].dtype == stored
    for arrival in drawn["x"]:
        assert sorted(arrival[arrival < size]) == list(range(size))
        assert np.count_nonzero(arrival == size) == size * size - size


def test_a_clip_of_over_255_frames_is_shown_frame_by_frame() -> None:
    parameters = Parameters(size=300, directions=2)
    drawn = draw_split(parameters, 1, np.random.default_rng(6))
    (clip,) = VIEWS["frames"].inputs(drawn, describe(parameters, drawn))
    assert clip.shape == (300, 300, 300, 1)
    assert clip.sum(axis=(1, 2, 3)).tolist() == list(range(1, 301))


@pytest.mark.parametrize("size", [2, 4097])
def test_a_size_out_of_range_is_refused(size: int) -> None:
    with pytest.raises(ValidationError, match="size"):
        Parameters(size=size, directions=2)
