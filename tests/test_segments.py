"""Segments of videos and how well they were found: known answers, and the field's own computation written out again."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.dataset import Array, Segmentation
from pipeline.segments import (
    LEVELS,
    Segment,
    average_precision,
    chosen,
    counts,
    found_in,
    iou,
    matched,
    mean_average_precision,
    runs,
    segments_of,
    smoothed,
)

A, B = 1, 2
PLAIN = Segmentation(smoothing=1, threshold=0.5, shortest=1)


def ap(found: list[Segment], actual: list[Segment], least: float = 0.5) -> float:
    return float(average_precision(counts(found, actual, least, num_classes=2))[0])


def test_labels_are_segments_between_changes() -> None:
    labels = np.array([A, A, 0, B, A, A, A, 0, 0, A])
    assert segments_of(labels, 3) == [Segment(A, 0, 2), Segment(A, 4, 7), Segment(A, 9, 10), Segment(B, 3, 4)]
    assert segments_of(np.zeros(5, int), 3) == []


def test_overlap_is_intersection_over_union() -> None:
    assert iou(Segment(A, 0, 10), Segment(A, 0, 10)) == 1
    assert iou(Segment(A, 0, 10), Segment(A, 5, 15)) == pytest.approx(5 / 15)
    assert iou(Segment(A, 0, 10), Segment(A, 10, 20)) == 0
    assert iou(Segment(A, 0, 4), Segment(A, 1, 2)) == pytest.approx(1 / 4)


def test_each_segment_is_found_once_by_the_surest() -> None:
    actual = [Segment(A, 0, 10), Segment(A, 8, 20)]
    found = [Segment(A, 1, 11, 0.8), Segment(A, 0, 10, 0.9), Segment(A, 40, 50, 0.7)]
    assert matched(found, actual, 0.5) == [True, False, False]
    assert matched(found, actual, 0.1) == [True, True, False]  # the second takes the next best: 3 of 19 frames
    assert matched([Segment(B, 0, 10, 0.9)], actual, 0.1) == [False]


# By hand, with two segments to find: (0, 10) and (20, 30).
TRUTH = [Segment(A, 0, 10), Segment(A, 20, 30)]
FIRST, SECOND, WRONG = (0, 10), (21, 31), (50, 60)  # the second overlaps by 9 of 11
CASES = [
    ("both, and a wrong one less sure", [(FIRST, 0.9), (SECOND, 0.8), (WRONG, 0.7)], 0.5, 1.0),
    ("a wrong one is surest", [(WRONG, 0.9), (FIRST, 0.8), (SECOND, 0.7)], 0.5, 2 / 3),
    ("a wrong one between", [(FIRST, 0.9), (WRONG, 0.8), (SECOND, 0.7)], 0.5, 1 / 2 * 1 + 1 / 2 * 2 / 3),
    ("one of two", [(FIRST, 0.9)], 0.5, 0.5),
    ("one of two, twice", [(FIRST, 0.9), (FIRST, 0.8)], 0.5, 0.5),
    ("as sure as a wrong one", [(FIRST, 0.9), (WRONG, 0.9)], 0.5, 1 / 2 * 1 / 2),
    ("not enough in common", [(FIRST, 0.9), (SECOND, 0.8)], 0.9, 0.5),
    ("nothing", [], 0.5, 0.0),
]


@pytest.mark.parametrize(("found", "least", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_average_precision_as_by_hand(
    found: list[tuple[tuple[int, int], float]], least: float, expected: float
) -> None:
    assert ap([Segment(A, *bounds, score) for bounds, score in found], TRUTH, least) == pytest.approx(expected)


def test_the_mean_is_over_classes_that_there_are() -> None:
    table = counts([Segment(A, 0, 10, 0.9), Segment(3, 0, 9, 0.4)], [Segment(A, 0, 10), Segment(B, 3, 5)], 0.5, 4)
    assert table.shape == (3, 2 * LEVELS + 1)
    assert mean_average_precision(table) == pytest.approx((1 + 0) / 2)
    assert mean_average_precision(np.stack([table, 2 * table])).tolist() == pytest.approx([0.5, 0.5])
    assert mean_average_precision(0 * table) == 0


def activitynet(videos: list[tuple[list[Segment], list[Segment]]], least: float) -> float:
    """As the field's program has it: over all videos, one prediction after the other, in the order of their scores."""
    predictions = sorted(
        ((segment, video) for video, (found, _) in enumerate(videos) for segment in found),
        key=lambda one: -one[0].score,
    )
    taken: set[tuple[int, int]] = set()
    right = []
    for segment, video in predictions:
        overlaps = [iou(segment, other) for other in videos[video][1]]
        # Of two that it overlaps alike the first, which the program leaves to its sort.
        for place in np.argsort(-np.array(overlaps), kind="stable"):
            if overlaps[place] < least:
                right.append(0)
                break
            if (video, int(place)) not in taken:
                taken.add((video, int(place)))
                right.append(1)
                break
        else:
            right.append(0)
    num_actual = sum(len(actual) for _, actual in videos)
    true = np.cumsum(right)
    precision = np.concatenate([[0], true / np.arange(1, len(right) + 1), [0]])
    recall = np.concatenate([[0], true / num_actual, [1]])
    for place in range(len(precision) - 2, -1, -1):
        precision[place] = max(precision[place], precision[place + 1])
    moved = np.flatnonzero(recall[1:] != recall[:-1]) + 1
    return float(np.sum((recall[moved] - recall[moved - 1]) * precision[moved]))


bounds = st.tuples(st.integers(0, 30), st.integers(1, 15)).map(lambda drawn: (drawn[0], drawn[0] + drawn[1]))


@given(st.data(), st.sampled_from([0.1, 0.3, 0.5, 0.7]))
def test_average_precision_is_the_fields_where_no_two_are_equally_sure(data: st.DataObject, least: float) -> None:
    levels = iter(data.draw(st.permutations(range(1, LEVELS + 1))))
    videos = []
    for _ in range(data.draw(st.integers(1, 3))):
        actual = [Segment(A, *some) for some in data.draw(st.lists(bounds, min_size=1, max_size=4, unique=True))]
        found = [Segment(A, *some, next(levels) / LEVELS) for some in data.draw(st.lists(bounds, max_size=6))]
        videos.append((found, actual))
    table = np.sum([counts(*video, least, 2) for video in videos], axis=0)
    assert float(average_precision(table)[0]) == pytest.approx(activitynet(videos, least))


@given(st.integers(1, 9), st.integers(1, 12))
def test_smoothing_is_the_mean_of_the_frames_there_are(frames: int, num_frames: int) -> None:
    scores = np.random.default_rng(num_frames).random((2, num_frames, 3))
    found = smoothed(scores, frames)
    for time in range(num_frames):
        around = slice(max(time - (frames - 1) // 2, 0), time + frames // 2 + 1)
        np.testing.assert_allclose(found[:, time], scores[:, around].mean(axis=1))


def scores_of(rows: dict[int, list[float]], num_classes: int = 3) -> Array:
    scores = np.zeros((len(next(iter(rows.values()))), num_classes))
    for label, values in rows.items():
        scores[:, label] = values
    return scores


def test_segments_are_where_a_class_reaches_the_threshold_for_long_enough() -> None:
    scores = scores_of({0: [0.9] * 6, A: [0.6, 0.8, 0.4, 0.9, 0.2, 0.1], B: [0, 0, 0.6, 0.6, 0.66, 0.7]})
    assert found_in(scores, PLAIN) == [Segment(A, 3, 4, 0.9), Segment(A, 0, 2, 0.7), Segment(B, 2, 6, 0.64)]
    assert found_in(scores, Segmentation(smoothing=1, threshold=0.5, shortest=3)) == [Segment(B, 2, 6, 0.64)]
    assert found_in(scores, Segmentation(smoothing=1, threshold=0.95, shortest=1)) == []


def test_runs_are_of_each_class_by_itself() -> None:
    shown = np.array([[1, 0], [1, 1], [0, 1], [1, 0]], bool)
    assert runs(shown) == [(0, 0, 2), (0, 3, 4), (1, 1, 3)]


def test_what_suits_the_validation_videos_is_chosen() -> None:
    """Scores of 0.45 at the right frames and flickers of one frame: a low threshold, and no short segments."""
    labels = np.zeros((4, 60), int)
    labels[:, 10:40] = A
    scores = np.zeros((4, 60, 2))
    scores[:, 10:40, A] = 0.45
    scores[:, 50::4, A] = 0.95
    found = chosen(np.concatenate([1 - scores[..., 1:], scores[..., 1:]], axis=-1), labels, stride=8)
    assert found.threshold < 0.45 and found.smoothing % 8 == 1 and (found.shortest == 1 or found.shortest % 8 == 0)
    video = smoothed(scores, found.smoothing)[0]
    (segment,) = found_in(video, found)
    assert iou(segment, Segment(A, 10, 40)) > 0.7
