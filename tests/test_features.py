"""Stored features: those of the network itself, frame by frame or part by part, computed once; and what is refused."""

from copy import copy
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from exported import write_echo_export, write_features_export
from pydantic import ValidationError
from tables import refused

from pipeline.checking.content import check_dataset
from pipeline.dataset import SPLITS, Dataset, Description, save_dataset
from pipeline.derivations import features
from pipeline.models import conv3d, frame_vote
from pipeline.onnx_graph import write_graph
from pipeline.runtime import Export
from pipeline.stages.derive import derive
from pipeline.views import VIEWS, ExampleSpec

NUMBER, FRAMES, SIZE = 70, 9, 8  # more clips than are run at once


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    rng, folder = np.random.default_rng(1), tmp_path_factory.mktemp("clips") / "clips"
    splits = {
        split: {
            "x": rng.integers(0, 256, (NUMBER, FRAMES, SIZE, SIZE, 1), dtype=np.uint8),
            "y": np.arange(NUMBER, dtype=np.uint8) % 3,
        }
        for split in SPLITS
    }
    description = Description(text="noise", layout="clips", classes=["a", "b", "c"], ceilings={"accuracy": 1})
    save_dataset(folder, splits, description, source="tests", seed=0, parameters={})
    return Dataset(folder)


def derived(folder: Path, clips: Dataset, start: Path, **options: int) -> Dataset:
    parameters = features.Parameters(**options)
    derive("found", features, parameters, clips.folder, start, folder / "found", folder / "reports")
    return Dataset(folder / "found")


@pytest.mark.parametrize("window", [None, 4])
def test_features_are_those_of_each_frame_or_of_each_part(tmp_path: Path, clips: Dataset, window: int | None) -> None:
    write_features_export(tmp_path / "export", "known", clips, each_frame=window is None)
    options = {"window": window, "stride": 2} if window else {}
    found = derived(tmp_path, clips, tmp_path / "export", **options)
    parts = (
        [slice(first, first + window) for first in (0, 2, 4)] if window else [slice(t, t + 1) for t in range(FRAMES)]
    )
    for split in SPLITS:
        arrays, origin = found.split(split), clips.split(split)
        light = origin["x"].astype(np.float32) / 255
        axes = (1, 2, 3, 4)
        expected = [
            np.stack([light[:, p].max(axes), light[:, p].min(axes), light[:, p].mean(axes)], axis=-1) for p in parts
        ]
        np.testing.assert_allclose(arrays["x"], np.stack(expected, axis=1), atol=1e-3)
        np.testing.assert_array_equal(arrays["y"], origin["y"])
    assert (found.card.layout, found.card.classes) == ("sequences", clips.card.classes)
    assert found.card.ceilings == clips.card.ceilings
    assert not check_dataset(found, False).errors
    inputs = VIEWS["sequence_to_label"].inputs(found.split("train"), found.card)
    np.testing.assert_allclose(inputs.mean(axis=(0, 1)), 0, atol=1e-2)
    np.testing.assert_allclose(inputs.std(axis=(0, 1)), 1, atol=1e-2)


def test_how_long_it_took_is_written(tmp_path: Path, clips: Dataset) -> None:
    from pipeline.files import read_json

    write_features_export(tmp_path / "export", "known", clips, each_frame=True)
    derived(tmp_path, clips, tmp_path / "export")
    timing = read_json(tmp_path / "reports" / "derive_timing.json")
    assert set(timing) == {"derive_seconds", "derive_ms_per_example"} and timing["derive_ms_per_example"] > 0


@pytest.mark.parametrize(("architecture", "axes"), [(frame_vote, 3), (conv3d, 2)])
def test_an_answer_is_made_of_the_features_that_are_exported(
    keras: Any, tmp_path: Path, clips: Dataset, architecture: Any, axes: int
) -> None:
    """The network's last layer, applied to the exported features, answers as the exported graph and the network do."""
    spec = ExampleSpec((FRAMES, SIZE, SIZE, 1), 3)
    parameters = architecture.Parameters(filters=[4], kernel_size=3, dropout=0.5)
    model = architecture.build(parameters, spec)
    write_features_export(tmp_path, "export", clips, each_frame=axes == 3)  # for its manifest
    write_graph(architecture.graphs(parameters, spec, model)["model"], tmp_path / "model.onnx", "probability")
    export = Export(tmp_path)
    given = VIEWS["clips"].inputs(clips.split("test"), clips.card)[:5]
    assert export.has_features
    found = export.features(given)
    assert found.ndim == axes
    kernel, bias = model.get_weights()[-2:]
    answers = keras.ops.softmax(found @ kernel + bias)
    if axes == 3:
        from pipeline.layers.frame_vote import FrameVote

        answers = FrameVote()(keras.ops.log(answers))
    np.testing.assert_allclose(export.run(given), answers, atol=1e-5)
    np.testing.assert_allclose(export.run(given), model.predict_on_batch(given), atol=1e-5)


def test_variants_and_clips_that_do_not_fit_are_refused(tmp_path: Path, clips: Dataset) -> None:
    whole, frames, other, plain = (tmp_path / name for name in ("whole", "frames", "other", "plain"))
    write_features_export(whole, "whole", clips, each_frame=False)
    write_features_export(frames, "frames", clips, each_frame=True)
    write_echo_export(plain, "plain", clips, first=0)
    write_features_export(other, "other", clips, each_frame=True)
    text = (other / "export.json").read_text()
    (other / "export.json").write_text(text.replace(f"{SIZE},\n", f"{SIZE + 2},\n"))
    for start, options, words in (
        (plain, {}, ["gives no features", "frame_vote, conv3d"]),
        (other, {}, ["was trained on frames of clips [10, 10, 1]", "has clips [8, 8, 1]", "the same"]),
        (whole, {"window": 10, "stride": 1}, ["clips of 9 frames", "window 10"]),
        (whole, {}, ["gives features of a clip as a whole", "a number of frames"]),
        (frames, {"window": 4, "stride": 1}, ["gives features of each frame", "none"]),
    ):
        with refused(*words):
            features.derive(clips, start, features.Parameters(**options))


def test_only_clips_have_features(tmp_path: Path, clips: Dataset) -> None:
    write_features_export(tmp_path / "export", "known", clips, each_frame=True)
    for update, words in (
        ({"layout": "arrival_times"}, "layout arrival_times"),
        ({"answers": ["a"]}, "asked for texts"),
    ):
        other = copy(clips)
        other.card = clips.card.model_copy(update=update)
        with refused(words, "allowed: clips, with classes"):
            features.derive(other, tmp_path / "export", features.Parameters())


def test_features_that_are_no_numbers_are_refused(tmp_path: Path, clips: Dataset) -> None:
    write_features_export(tmp_path / "export", "known", clips, each_frame=True)
    export = onnx.load(tmp_path / "export" / "model.onnx")
    (joined,) = [node for node in export.graph.node if node.op_type == "Concat"]
    joined.output[0] = "before"
    place = list(export.graph.node).index(joined) + 1
    export.graph.node.insert(place, onnx.helper.make_node("Sub", ["before", "before"], ["zero"]))
    export.graph.node.insert(place + 1, onnx.helper.make_node("Log", ["zero"], ["features"]))
    onnx.save(export, tmp_path / "export" / "model.onnx")
    with refused("gives features that are no numbers", "65,504"):
        features.derive(clips, tmp_path / "export", features.Parameters())


def test_a_stride_needs_a_window() -> None:
    with pytest.raises(ValidationError, match="stride belongs to window"):
        features.Parameters(stride=4)
