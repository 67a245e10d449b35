"""Segments of a video in which something happens: from labels or scores of its frames, and how well they were found.

A segment is found where it overlaps one of the same class, each of which can be found once: by intersection over union
(IoU). Of all segments of a class in all videos, surest first, precision and recall give the average precision, and its
mean over classes is mAP, as in ActivityNet (Caba Heilbron et al. 2015) and THUMOS.

Sureness is told in `LEVELS` steps; segments that are equally sure count together, so mAP comes from counts that add up
over videos.

Shape legend: N videos, T frames, V classes of which the first is the background, S segments, L levels.
"""

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from pipeline.dataset import Array, Segmentation

BACKGROUND = 0  # the label of frames in which nothing happens
LEVELS = 50
IOUS = tuple(tenths / 10 for tenths in range(1, 8))
DECIDING_IOU = 0.5
# What is tried on the validation split: over how many strides of windows scores are averaged around a frame, the least
# score, and the fewest strides.
SMOOTHINGS, THRESHOLDS, SHORTEST = (0, 1, 2, 4), (0.2, 0.3, 0.4, 0.5, 0.6, 0.7), (0, 1, 2, 3)


class Segment(NamedTuple):
    """Frames from `start` up to, and not with, `end`, that show the class `label`; 1 is a segment known to be there."""

    label: int
    start: int
    end: int
    score: float = 1.0


def runs(shown: Array) -> list[tuple[int, int, int]]:
    """Class, start and end of each stretch of frames that show a class: shown [T, V] bool."""
    edges = np.diff(np.pad(shown.astype(np.int8), ((1, 1), (0, 0))), axis=0).T
    starts, ends = np.argwhere(edges == 1), np.argwhere(edges == -1)
    return [(int(label), int(start), int(end)) for (label, start), (_, end) in zip(starts, ends, strict=True)]


def segments_of(labels: Array, num_classes: int) -> list[Segment]:
    """The segments that the labels [T] of frames say, by class and start."""
    shown = labels[:, None] == np.arange(num_classes)
    shown[:, BACKGROUND] = False
    return [Segment(*run) for run in runs(shown)]


def smoothed(scores: Array, frames: int) -> Array:
    """Scores [N, T, V], each the mean over so many frames around it, as far as there are any."""
    before, after = (frames - 1) // 2, frames // 2
    sums = np.pad(np.cumsum(scores, axis=1, dtype=np.float64), ((0, 0), (1, 0), (0, 0)))
    first = np.maximum(np.arange(scores.shape[1]) - before, 0)
    last = np.minimum(np.arange(scores.shape[1]) + after + 1, scores.shape[1])
    return (sums[:, last] - sums[:, first]) / (last - first)[:, None]


def found_in(scores: Array, segmentation: Segmentation) -> list[Segment]:
    """The segments in smoothed scores [T, V] of one video: where a class reaches the threshold for long enough.

    A segment is as sure as its frames on average, in steps of 1 / `LEVELS`.
    """
    reached = scores >= segmentation.threshold
    reached[:, BACKGROUND] = False
    segments = [
        Segment(label, start, end, round(float(scores[start:end, label].mean()) * LEVELS) / LEVELS)
        for label, start, end in runs(reached)
        if end - start >= segmentation.shortest
    ]
    return sorted(segments, key=lambda segment: -segment.score)


def iou(one: Segment, other: Segment) -> float:
    """Intersection over union of the frames of two segments."""
    common = max(0, min(one.end, other.end) - max(one.start, other.start))
    return common / (one.end - one.start + other.end - other.start - common)


def matched(found: Sequence[Segment], actual: Sequence[Segment], least: float) -> list[bool]:
    """Which of the segments that were found in a video are right, surest first.

    Each takes, of the actual ones of its class that are still free, the one it overlaps most, if by `least` at least.
    """
    free, right = list(actual), []
    for segment in sorted(found, key=lambda segment: -segment.score):
        alike = [other for other in free if other.label == segment.label]
        best = max(alike, key=lambda other: iou(segment, other), default=None)
        right.append(best is not None and iou(segment, best) >= least)
        if right[-1]:
            free.remove(best)  # type: ignore[arg-type]
    return right


def counts(found: Sequence[Segment], actual: Sequence[Segment], least: float, num_classes: int) -> Array:
    """[V - 1, 2 * L + 1] of one video: of each class how many right and wrong ones of each level, and how many
    there are."""
    table = np.zeros((num_classes, 2 * LEVELS + 1))
    surest_first = sorted(found, key=lambda segment: -segment.score)
    for segment, right in zip(surest_first, matched(found, actual, least), strict=True):
        level = max(round(segment.score * LEVELS), 1) - 1
        table[segment.label, level if right else LEVELS + level] += 1
    for segment in actual:
        table[segment.label, -1] += 1
    return np.delete(table, BACKGROUND, axis=0)


def summed_counts(
    found: Sequence[Sequence[Segment]], actual: Sequence[Sequence[Segment]], least: float, num_classes: int
) -> Array:
    """The `counts` [V - 1, 2 * L + 1] of all videos."""
    total = np.zeros((num_classes - 1, 2 * LEVELS + 1))
    for video in zip(found, actual, strict=True):
        total += counts(*video, least, num_classes)
    return total


def average_precision(table: Array) -> Array:
    """[...] of summed counts [..., 2 * L + 1]: the area below precision by recall, where precision is the best at this
    recall or any larger one; NaN where there is nothing to find."""
    right, wrong = (np.cumsum(table[..., part][..., ::-1], axis=-1) for part in (slice(LEVELS), slice(LEVELS, -1)))
    with np.errstate(invalid="ignore"):
        precision = np.nan_to_num(right / (right + wrong))
        recall = right / table[..., -1:]
    best = np.maximum.accumulate(precision[..., ::-1], axis=-1)[..., ::-1]
    return np.sum(np.diff(recall, axis=-1, prepend=0) * best, axis=-1)


def mean_average_precision(tables: Array) -> Array:
    """mAP [...] of summed counts [..., V - 1, 2 * L + 1], over the classes that there is something of to find."""
    each, there = average_precision(tables), tables[..., -1] > 0
    return np.where(there, each, 0).sum(axis=-1) / np.maximum(there.sum(axis=-1), 1)


def chosen(scores: Array, labels: Array, stride: int) -> Segmentation:
    """Of all that is tried the segmentation with the largest mAP, by scores [N, T, V] and labels [N, T] of frames.

    stride: frames from one window to the next, finer than which nobody sees.
    """
    actual = [segments_of(row, scores.shape[-1]) for row in labels]
    best, reached = None, (-1.0, -1.0)
    for smoothing in (1 + strides * stride for strides in SMOOTHINGS):
        evened = smoothed(scores, smoothing)
        for threshold, shortest in itertools.product(THRESHOLDS, (max(1, strides * stride) for strides in SHORTEST)):
            tried = Segmentation(smoothing=smoothing, threshold=threshold, shortest=shortest)
            found = [found_in(video, tried) for video in evened]
            each = [_map(found, actual, least, scores.shape[-1]) for least in IOUS]
            if (now := (each[IOUS.index(DECIDING_IOU)], sum(each))) > reached:
                best, reached = tried, now
    assert best
    return best


def _map(found: list[list[Segment]], actual: list[list[Segment]], least: float, num_classes: int) -> float:
    return float(mean_average_precision(summed_counts(found, actual, least, num_classes)))
