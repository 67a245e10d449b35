"""Detection in long videos, from what is drawn to what is scored: labels that fit the pictures, windows, metrics."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from exported import write_export
from found import PARAMS, few_examples
from onnx import helper

from pipeline.dataset import Array, Dataset, Description, Segmentation, Windows, save_dataset
from pipeline.datasets import untrimmed_actions
from pipeline.datasets.untrimmed_actions import CLASSES, Parameters, draw_bounds, draw_split, joined
from pipeline.derivations import features
from pipeline.errors import UserError
from pipeline.formats import arrays
from pipeline.moving_shapes import ACTIONS, RESTS, Thing, best_accuracy, draw_thing
from pipeline.segments import segments_of
from pipeline.tasks import detection
from pipeline.views import VIEWS, open_view

FEW = Parameters(size=16, frames=120, segments=2, shortest=20, longest=30, gap=12, distractors=0, noise=0)
VIDEOS = Description(
    text="videos",
    layout="sequences",
    classes=["background", "a", "b"],
    output_steps=10,
    windows=Windows(frames=4, stride=3),
    segmentation=Segmentation(smoothing=1, threshold=0.5, shortest=2),
)


# ---- what is drawn --------------------------------------------------------------------------------------------------


def drawn(number: int = 40, parameters: Parameters = FEW) -> dict[str, Array]:
    return dict(draw_split(parameters, number, np.random.default_rng(3)))


def test_segments_have_the_declared_lengths_and_gaps() -> None:
    numbers = []
    for labels in drawn(200)["y"]:
        found = sorted(segments_of(labels, len(CLASSES)), key=lambda segment: segment.start)
        numbers.append(len(found))
        assert all(FEW.shortest <= segment.end - segment.start <= FEW.longest for segment in found)
        edges = [0, *(edge for segment in found for edge in segment[1:3]), FEW.frames]
        assert all(after - before >= FEW.gap for before, after in zip(edges[::2], edges[1::2], strict=True))
        assert len({(segment.label - 1) // len(ACTIONS) for segment in found}) == 1  # one shape a video
    assert set(numbers) == {1, 2} and 70 < numbers.count(1) < 130


def test_bounds_lie_anywhere() -> None:
    bounds = draw_bounds(FEW, 2000, np.random.default_rng(1))
    assert bounds.shape == (2000, 4) and (np.diff(bounds, axis=1) >= 0).all()
    assert bounds[:, 0].min() == FEW.gap and bounds[:, 0].max() > FEW.frames - FEW.gap - FEW.longest - 3


def test_a_thing_goes_on_from_where_it_is() -> None:
    rng = np.random.default_rng(2)
    shape = np.zeros(5, int)
    pieces = [draw_thing(shape, np.full(5, action), 30, 16, rng) for action in (RESTS, 0, RESTS)]
    bounds = np.array([[10, 20], [5, 29], [7, 30], [1, 2], [12, 13]])
    found = joined(pieces, bounds)
    assert isinstance(found, Thing) and found.row.shape == (5, 30)
    for video, (begin, end) in enumerate(bounds):
        moved = np.diff(found.column[video])
        assert (moved[: begin - 1] == 0).all() and moved[begin - 1] == 0
        own = np.diff(pieces[1].column[video])[: end - begin - 1]
        np.testing.assert_array_equal(moved[begin : end - 1], own)
        assert (moved[end - 1 :] == 0).all() and (np.diff(found.row[video]) == 0).all()


def test_what_rests_changes_nothing_and_what_acts_does() -> None:
    arrays = drawn()
    bright = arrays["x"][..., 0].astype(int) * (arrays["x"][..., 0] > 100)  # the textured thing alone
    changed = (np.diff(bright, axis=1) != 0).any(axis=(2, 3))
    inside = arrays["y"][:, 1:] == arrays["y"][:, :-1]
    background = arrays["y"][:, 1:] == 0
    assert not changed[inside & background].any()
    assert changed[inside & ~background].mean() > 0.3  # what blinks or grows changes every few frames


def test_the_ceiling_is_that_of_the_shortest_segment() -> None:
    found = untrimmed_actions.describe(Parameters(), {}).ceilings["map_50"]
    assert found == best_accuracy(32, 32) > 0.99


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"shortest": 65}, "shortest is 65; allowed: 1 to longest"),
        ({"frames": 255}, "frames is 255; allowed: 256 and more"),
    ],
)
def test_segments_must_fit_into_a_video(options: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Parameters(**options)


# ---- windows --------------------------------------------------------------------------------------------------------

VIEW = VIEWS["windows_to_segments"]
STORED = {
    "x": np.arange(12, dtype=np.float32).reshape(2, 3, 2),
    "y": np.array([[0, 0, 1, 1, 1, 1, 1, 1, 0, 2], [2, 0, 0, 0, 0, 0, 0, 2, 2, 2]], np.uint8),
}


def test_a_window_is_asked_for_the_label_of_its_middle_frame() -> None:
    assert VIEW.targets(STORED, VIDEOS).tolist() == [[1, 1, 0], [0, 0, 2]]  # frames 2, 5 and 8
    assert VIEW.references(STORED, VIDEOS).tolist() == STORED["y"].tolist()
    spec = VIEW.spec(VIDEOS, (3, 2))
    assert (spec.input_shape, spec.asks, spec.num_outputs, spec.output_steps) == (
        (None, 2),
        "a label at each step",
        3,
        None,
    )


def test_scores_of_frames_are_the_mean_of_their_windows() -> None:
    """Windows 0-3, 3-6 and 6-9: frames 3 and 6 lie in two."""
    values = np.array([[[0.0], [1.0], [0.5]]])
    expected = [0, 0, 0, 0.5, 1, 1, 0.75, 0.5, 0.5, 0.5]
    assert VIEW.in_units(values, STORED["x"], VIDEOS)[0, :, 0].tolist() == expected


def test_only_windows_of_videos_are_read_as_such() -> None:
    steps = VIDEOS.model_copy(update={"windows": None})
    with pytest.raises(UserError, match=r"the dataset's steps are no windows of videos; allowed: sequence_to_label, "):
        open_view("windows_to_segments", steps, "here")
    with pytest.raises(UserError, match=r"the dataset's steps are windows of videos; allowed: windows_to_segments$"):
        open_view("sequence_to_labels", VIDEOS, "here")


def test_a_clip_whose_frames_have_labels_has_not_one_itself() -> None:
    with pytest.raises(UserError, match="each frame has a label of its own; allowed: a dataset of features"):
        VIEWS["clips"].spec(untrimmed_actions.describe(Parameters(), {}), (256, 32, 32, 1))


def test_labels_of_frames_can_be_imported_and_must_lie_within_the_clip(tmp_path: Path) -> None:
    clips, labels = np.zeros((20, 6, 4, 4, 1), np.uint8), np.arange(120, dtype=np.uint8).reshape(20, 6) % 3
    np.savez(tmp_path / "own.npz", x=clips, y=labels)
    parameters = arrays.Parameters(layout="clips", classes=["background", "a", "b"])
    splits, description = arrays.read(tmp_path / "own.npz", parameters)
    assert splits["train"]["y"].shape == (16, 6) and description.output_steps == 6
    np.savez(tmp_path / "own.npz", x=clips, y=np.repeat(labels, 2, axis=1))
    with pytest.raises(
        UserError, match=r"own\.npz, array y: is uint8 \[20, 12\]; .* or \[20, 6\], one for each frame: oth"
    ):
        arrays.read(tmp_path / "own.npz", parameters)


# ---- the task -------------------------------------------------------------------------------------------------------

LABELS = STORED["y"].astype(int)


def scores(labels: Array) -> Array:
    return np.eye(3)[labels]


def test_who_knows_all_is_right_in_all() -> None:
    found = detection.measure(scores(LABELS), LABELS, VIDEOS.model_copy(update={"segmentation": _segmentation(1)}))
    assert set(found) == set(detection.METRICS)
    assert set(found.values()) == {1.0}


def _segmentation(shortest: int) -> Segmentation:
    return Segmentation(smoothing=1, threshold=0.5, shortest=shortest)


def test_metrics_as_by_hand() -> None:
    """Segments of one frame are not looked for: of a (1 of 1) and b (1 of 3) one each is found, at an IoU of 1."""
    outputs = scores(LABELS)
    found = detection.measure(outputs, LABELS, VIDEOS)
    assert found["map_50"] == pytest.approx((1 + 1 / 3) / 2) == found["map_70"]
    outputs[0] = scores(np.array([0, 0, 0, 0, 1, 1, 1, 1, 0, 2]))  # 4 of the 6 frames
    found = detection.measure(outputs, LABELS, VIDEOS)
    assert found["map_60"] == pytest.approx((1 + 1 / 3) / 2) and found["map_70"] == pytest.approx((0 + 1 / 3) / 2)
    assert found["mean_map"] == pytest.approx(np.mean([found[f"map_{percent}"] for percent in range(10, 80, 10)]))


def test_videos_are_judged_by_their_surest_frame() -> None:
    outputs = np.zeros((2, 10, 3))
    outputs[0, 3] = (0.0, 0.3, 0.7)  # b is surest, and is there
    outputs[1, 3] = (0.1, 0.5, 0.4)  # a is surest, and is not there
    found = detection.measure(outputs, LABELS, VIDEOS)
    assert found["video_accuracy"] == 0.5
    quiet = np.zeros((1, 10), LABELS.dtype)  # where nothing happens, nothing can be right
    more = detection.measure(np.concatenate([outputs, outputs[:1]]), np.concatenate([LABELS, quiet]), VIDEOS)
    assert more["video_accuracy"] == 0.5
    assert found["video_map"] == pytest.approx((1 / 2 + 1) / 2)  # a: the wrong video first; b: both are right


def test_statistics_add_up_to_the_metric() -> None:
    rng = np.random.default_rng(4)
    labels = np.repeat(rng.integers(0, 3, (30, 6)), 5, axis=1)
    outputs = 0.6 * scores(labels) + 0.4 * rng.dirichlet(np.ones(3), labels.shape)
    outputs[:5] = rng.dirichlet(np.ones(3), (5, 30))
    rows = detection.statistics(outputs, labels, VIDEOS)
    found = detection.measure(outputs, labels, VIDEOS)["map_50"]
    assert 0.3 < found < 1 and detection.metric_of(rows.sum(axis=0)) == pytest.approx(found)
    half = detection.measure(outputs[:15], labels[:15], VIDEOS)["map_50"]
    assert detection.metric_of(np.stack([rows[:15].sum(axis=0), rows.sum(axis=0)])) == pytest.approx([half, found])


def test_answers_can_be_read() -> None:
    first, second = detection.readable(scores(LABELS), VIDEOS)
    assert first == {"label": "a", "labels": ["a"], "starts": [2], "ends": [8], "scores": [1.0]}
    assert detection.sentence(first) == "a 2-8 1.00"
    assert detection.sentence(second) == "b 7-10 1.00"
    assert detection.sentence({**first, "labels": [], "starts": [], "ends": [], "scores": []}) == "nothing"


def test_each_segment_stands_beside_what_was_found_there() -> None:
    outputs = scores(LABELS)
    outputs[1] = scores(np.array([1, 1, 1, 0, 0, 0, 0, 1, 1, 1]))
    table = detection.predictions(outputs, LABELS, VIDEOS)
    assert list(zip(*table.values(), strict=True)) == [
        (0, "a", "a", 2, 8, 2, 8, 1.0),
        (0, "b", "background", 9, 10, None, None, None),
        (1, "b", "background", 0, 1, None, None, None),
        (1, "b", "a", 7, 10, 7, 10, 1.0),
        (1, "background", "a", None, None, 0, 3, 1.0),
    ]


def test_the_timeline_is_drawn() -> None:
    (figure,) = detection.figures(scores(LABELS), LABELS, VIDEOS, lambda rows: STORED["x"][rows]).values()
    assert len(figure.axes) == 2 and [patch.get_label() for patch in figure.legends[0].legend_handles] == ["a", "b"]


# ---- features of windows --------------------------------------------------------------------------------------------

BAD_WINDOWS: list[tuple[dict[str, Any], str]] = [
    ({}, "each frame has a label; allowed: with a window and a stride"),
    ({"window": 49, "stride": 1}, "clips of 48 frames; allowed with window 49: as many"),
    (
        {"window": 16, "stride": 9},
        "of 48 labelled frames windows of 16, 9 apart, leave out the last 5; allowed: a stride",
    ),
    ({"window": 8, "stride": 20}, "leave out some between them; allowed: a stride of at most 8 that comes out even"),
]


def brightness(folder: Path, dataset: Dataset, each_frame: bool) -> Path:
    """An export whose features are how bright a clip is, or each of its frames."""
    axes, kept = ([2, 3, 4], [2]) if each_frame else ([1, 2, 3, 4], [1])
    nodes = [
        helper.make_node("ReduceMean", ["clip", "axes"], ["mean"], keepdims=0),
        helper.make_node("Unsqueeze", ["mean", "kept"], ["features"]),
    ]
    shapes = {"clip": [None] * 5, "features": [None] * (3 if each_frame else 2)}
    made = {"view": "clips", "task": "classification", "model": "conv3d", "num_parameters": 0}
    constants = {"axes": np.array(axes), "kept": np.array(kept)}
    write_export(folder, dataset.card, shapes, nodes, constants, variant="v", fingerprint="0" * 64, **made)
    return folder


def videos(folder: Path) -> Dataset:
    arrays = drawn(6, Parameters.small())
    description = untrimmed_actions.describe(Parameters.small(), {})
    splits = dict.fromkeys(("train", "validation", "test"), arrays)
    save_dataset(folder, splits, description, source="untrimmed_actions", seed=1, parameters={})
    return Dataset(folder)


def test_windows_of_videos_keep_the_labels_of_frames(tmp_path: Path) -> None:
    dataset = videos(tmp_path / "videos")
    export = brightness(tmp_path / "export", dataset, each_frame=False)
    splits, description = features.derive(dataset, export, features.Parameters(window=16, stride=8))
    x = dataset.split("test")["x"].astype(np.float32) / 255
    expected = np.stack([x[:, start : start + 16].mean(axis=(1, 2, 3, 4)) for start in range(0, 33, 8)], axis=1)
    np.testing.assert_allclose(splits["test"]["x"][..., 0], expected, atol=1e-3)
    np.testing.assert_array_equal(splits["test"]["y"], dataset.split("test")["y"])
    assert description.windows == Windows(frames=16, stride=8) and description.output_steps == 48
    assert description.ceilings == dataset.card.ceilings


@pytest.mark.parametrize(("options", "message"), BAD_WINDOWS)
def test_windows_that_leave_out_frames_are_refused(tmp_path: Path, options: dict[str, int], message: str) -> None:
    dataset = videos(tmp_path / "videos")
    export = brightness(tmp_path / "export", dataset, each_frame=not options)
    with pytest.raises(UserError, match=message):
        features.derive(dataset, export, features.Parameters(**options))


def test_what_was_chosen_belongs_to_the_export_alone() -> None:
    names = [name for name, block in PARAMS["variants"].items() if block["task"] == "detection"]
    assert names
    for name in names:
        dataset = few_examples(PARAMS["variants"][name]["dataset"], published=False)
        assert dataset.card.windows and dataset.card.segmentation is None
