"""What happens in long videos, and when: segments, each with a class and a score.

Decides: mAP of segments at an IoU of 0.5 (`pipeline.segments`); besides at 0.1 to 0.7 and their mean. Of whole videos:
of those in which something happens, whether the class that is surest anywhere in a video occurs in it
(`video_accuracy`, the field's top-1), and the mAP of classes over videos by their surest frame. How scores become
segments was chosen on the validation split, when the model was exported.

Shape legend: N videos, T frames, V classes of which the first is the background.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from pipeline.dataset import Array, Description, Segmentation
from pipeline.labels import names_of, probabilities
from pipeline.segments import (
    BACKGROUND,
    DECIDING_IOU,
    IOUS,
    LEVELS,
    Segment,
    counts,
    found_in,
    iou,
    mean_average_precision,
    segments_of,
    smoothed,
    summed_counts,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ANSWERS = ("segments, by a label at each step",)
METRIC = "map_50"
METRICS = (*(f"map_{round(100 * least)}" for least in IOUS), "mean_map", "video_accuracy", "video_map")
LOWER_IS_BETTER: tuple[str, ...] = ()
COLUMNS = {"label": "string", "labels": "strings", "starts": "longs", "ends": "longs", "scores": "doubles"}
STATISTICS = ("right", "wrong", "actual")
VIDEOS_SHOWN = 8
NOTHING = "nothing"


def measure(outputs: Array, targets: Array, description: Description) -> dict[str, float]:
    """Metrics of scores [N, T, V] of frames against their labels [N, T]."""
    found, actual = detected(outputs, description), _actual(targets, description)
    num_classes = len(names_of(description))
    each = {
        name: float(mean_average_precision(summed_counts(found, actual, least, num_classes)))
        for name, least in zip(METRICS, IOUS, strict=False)
    }
    surest = _evened(outputs, description)[..., 1:].max(axis=1)
    occurs = np.stack([(targets == label).any(axis=1) for label in range(1, num_classes)], axis=1)
    return {
        **each,
        "mean_map": float(np.mean(list(each.values()))),
        "video_accuracy": float(occurs[np.arange(len(occurs)), surest.argmax(axis=1)][occurs.any(axis=1)].mean()),
        "video_map": _video_map(surest, occurs),
    }


def _video_map(surest: Array, occurs: Array) -> float:
    """mAP of classes over videos, by scores and truth [N, V - 1]."""
    level = np.maximum(np.rint(surest * LEVELS).astype(int), 1) - 1
    tables = np.zeros((surest.shape[1], 2 * LEVELS + 1))
    for label, column in enumerate(tables):
        np.add.at(column, level[:, label] + np.where(occurs[:, label], 0, LEVELS), 1)
        column[-1] = occurs[:, label].sum()
    return float(mean_average_precision(tables))


def statistics(outputs: Array, targets: Array, description: Description) -> Array:
    """One row per video [N, (V - 1) * (2 * L + 1)]: of each class the counts of `STATISTICS`, the first two by
    level, whose sums over any videos give their `METRIC`."""
    num_classes = len(names_of(description))
    videos = zip(detected(outputs, description), _actual(targets, description), strict=True)
    return np.stack([counts(*video, DECIDING_IOU, num_classes).ravel().astype(np.float32) for video in videos])


def metric_of(sums: Array) -> Array:
    """mAP at an IoU of 0.5 [...] of summed statistics [..., (V - 1) * (2 * L + 1)]."""
    tables = sums.astype(np.float64).reshape(*sums.shape[:-1], -1, 2 * LEVELS + 1)
    return np.asarray(mean_average_precision(tables))


def detected(outputs: Array, description: Description) -> list[list[Segment]]:
    """The segments of each video, surest first."""
    return [found_in(scores, _segmentation(description)) for scores in _evened(outputs, description)]


def _actual(targets: Array, description: Description) -> list[list[Segment]]:
    return [segments_of(labels, len(names_of(description))) for labels in targets]


def _evened(outputs: Array, description: Description) -> Array:
    return smoothed(probabilities(outputs), _segmentation(description).smoothing)


def _segmentation(description: Description) -> Segmentation:
    assert description.segmentation, "an export for windows of videos has one"
    return description.segmentation


def predictions(outputs: Array, targets: Array, description: Description) -> dict[str, list[object]]:
    """For `predictions.csv`: one row per segment that is there, with the one that overlaps it most, if by half,
    whatever its class; and one per other segment that was found."""
    names, rows = names_of(description), list[tuple[object, ...]]()
    for video, (free, actual) in enumerate(
        zip(detected(outputs, description), _actual(targets, description), strict=True)
    ):
        for there in actual:
            best = max(free, key=lambda segment: iou(segment, there), default=None)
            if best is None or iou(best, there) < DECIDING_IOU:
                rows.append((video, names[there.label], names[BACKGROUND], there.start, there.end, None, None, None))
                continue
            free.remove(best)
            rows.append((video, names[there.label], names[best.label], there.start, there.end, *best[1:]))
        rows += [(video, names[BACKGROUND], names[other.label], None, None, *other[1:]) for other in free]
    columns = ("example", "actual", "predicted", "start", "end", "predicted_start", "predicted_end", "score")
    return {column: [row[place] for row in rows] for place, column in enumerate(columns)}


def readable(outputs: Array, description: Description) -> list[dict[str, object]]:
    """One answer per video: what is surest in it, and its segments in their order."""
    names = names_of(description)
    answers: list[dict[str, object]] = []
    for scores, segments in zip(_evened(outputs, description), detected(outputs, description), strict=True):
        in_order = sorted(segments, key=lambda segment: segment.start)
        surest = int(scores[:, 1:].max(axis=0).argmax()) + 1
        answers.append(
            {
                "label": names[surest],
                "labels": [names[segment.label] for segment in in_order],
                "starts": [segment.start for segment in in_order],
                "ends": [segment.end for segment in in_order],
                "scores": [segment.score for segment in in_order],
            }
        )
    return answers


def sentence(answer: dict[str, object]) -> str:
    """An answer as a person reads it: `square moves 0-48 0.98  cross blinks 80-120 0.90`."""
    parts = zip(*(answer[key] for key in ("labels", "starts", "ends", "scores")), strict=True)  # type: ignore[call-overload]
    found = [f"{label} {start}-{end} {score:.2f}" for label, start, end, score in parts]
    return "  ".join(found) or NOTHING


def figures(
    outputs: Array, targets: Array, description: Description, inputs: Callable[[list[int]], Array]
) -> dict[str, "Figure"]:
    """What happens in the first videos, and below it what was found there."""
    from pipeline import figures as draw

    found, actual = detected(outputs[:VIDEOS_SHOWN], description), _actual(targets[:VIDEOS_SHOWN], description)
    lines = [
        [[(segment.label, segment.start, segment.end) for segment in segments] for segments in video]
        for video in zip(actual, found, strict=True)
    ]
    return {"timeline": draw.timelines(lines, names_of(description), targets.shape[1])}
