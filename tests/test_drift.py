"""Imports against the version that was accepted: what drifted is named, what is only another sample is not."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.checking.accept import accept
from pipeline.checking.drift import compare
from pipeline.checking.findings import Finding
from pipeline.checking.stability import PSI_LIMIT, allowed_psi, psi
from pipeline.checking.summary import BINS, features, read_reference, reference_path, summarise, write_reference
from pipeline.dataset import Card, Dataset, Description, save_dataset
from pipeline.errors import StageFailure, UserError

SIZES = {"train": 500, "validation": 60, "test": 60}


def drawn(folder: Path, seed: int, layout: str = "images", **differs: Any) -> Dataset:
    """A dataset of blobs or of symbols. brightness: added to all pixels; first: share of the first of three labels."""
    rng = np.random.default_rng(seed)
    size, sizes = differs.pop("size", 8), differs.pop("sizes", SIZES)
    first, brightness = differs.pop("first", 1 / 3), differs.pop("brightness", 0)
    shares = [first, (1 - first) / 2, (1 - first) / 2]
    splits = {}
    for split, num in sizes.items():
        if layout == "symbols":
            splits[split] = {"x": rng.choice(3, (num, 7), p=shares).astype(np.uint8)}
            continue
        scale = 160 if layout == "images" else 20
        x = rng.integers(0, scale, (num, 1, 1)) * rng.random((num, size, size)) + brightness
        splits[split] = {"x": x.astype(np.uint8), "y": rng.choice(3, num, p=shares).astype(np.uint8)}
    own: dict[str, Any] = {
        "images": {"classes": ["a", "b", "c"]},
        "arrival_times": {"classes": ["a", "b", "c"], "num_steps": 30},
        "symbols": {"vocabulary": ["a", "b", "c"]},
    }[layout]
    description = Description(**{"text": "drawn", "layout": layout, "disjoint": False} | own | differs)
    save_dataset(folder / "data/own", splits, description, source="arrays", seed=None, parameters={})
    return Dataset(folder / "data/own")


def findings(tmp_path: Path, reference: Dataset, found: Dataset, limit: float = PSI_LIMIT) -> list[Finding]:
    accepted = summarise(reference)
    return compare(accepted, summarise(found, like=accepted), limit)[1]


def test_the_index_is_what_its_formula_says():
    assert psi([10, 20, 30], [10, 20, 30]) == 0
    before, after = np.array([999.5, 2999.5]) / 3999, np.array([1999.5, 1999.5]) / 3999
    assert psi([999, 2999], [1999, 1999]) == pytest.approx(((after - before) * np.log(after / before)).sum())
    assert psi([999, 2999], [1999, 1999]) == pytest.approx(0.25 * np.log(2) - 0.25 * np.log(2 / 3), rel=1e-2)


def test_chance_is_allowed_for_in_small_samples_only():
    assert allowed_psi(60_000, 10_000, BINS) == PSI_LIMIT
    assert allowed_psi(50, 50, BINS) > 1
    assert allowed_psi(50, 50, 1) == PSI_LIMIT  # one bin has nothing to differ in
    rng = np.random.default_rng(0)
    shares = np.full(BINS, 1 / BINS)
    pairs = [(rng.multinomial(80, shares), rng.multinomial(60, shares)) for _ in range(5000)]
    bound = allowed_psi(80, 60, BINS)
    assert sum(psi(*pair) > bound for pair in pairs) <= 2
    assert max(psi(*pair) for pair in pairs) > bound / 2  # a bound, and not out of reach


@pytest.mark.parametrize("layout", ["images", "arrival_times", "symbols"])
def test_another_sample_of_the_same_is_no_drift(tmp_path: Path, layout: str):
    accepted = summarise(drawn(tmp_path / "accepted", 1000, layout))
    for seed in range(20):
        drift, found = compare(accepted, summarise(drawn(tmp_path / str(seed), seed, layout), like=accepted), PSI_LIMIT)
        assert found == []
        assert {measured.split for measured in drift} == set(SIZES)
        assert len({measured.feature for measured in drift}) == (2 if layout == "symbols" else 19)


def test_brighter_images_are_found_and_named(tmp_path: Path):
    found = findings(tmp_path, drawn(tmp_path / "a", 1), drawn(tmp_path / "b", 2, brightness=40))
    lines = [finding.statistic.removesuffix(" (PSI to the accepted version)") for finding in found]
    assert lines[0] == "drift of brightness" and lines[-1].startswith("drift of 16 blocks, most of all block_")
    assert "drift of labels" not in lines and len(lines) <= 3
    assert all(finding.value > finding.allowed and "accept-data own" in finding.advice for finding in found)


@pytest.mark.parametrize("layout", ["images", "symbols"])
def test_other_shares_of_labels_or_symbols_are_found(tmp_path: Path, layout: str):
    found = findings(tmp_path, drawn(tmp_path / "a", 1, layout), drawn(tmp_path / "b", 2, layout, first=0.7))
    what = {"images": ["labels"], "symbols": ["symbols", "distinct_symbols"]}[layout]
    assert [finding.statistic for finding in found] == [f"drift of {w} (PSI to the accepted version)" for w in what]
    assert findings(tmp_path, drawn(tmp_path / "c", 1), drawn(tmp_path / "d", 2, first=0.7), limit=5.0) == []


@pytest.mark.parametrize(
    ("differs", "statistic"),
    [
        ({"size": 9}, "shape of an example against"),
        ({"size": 3}, "shape of an example against"),  # which has other blocks
        ({"layout": "arrival_times"}, "layout against"),
        ({"classes": ["a", "b", "d"]}, "names of labels or symbols against"),
        ({"sizes": SIZES | {"train": 200}}, "examples against 500"),
    ],
)
def test_another_schema_and_lost_examples_are_found(tmp_path: Path, differs, statistic: str):
    found = findings(tmp_path, drawn(tmp_path / "a", 1), drawn(tmp_path / "b", 2, **differs))
    assert found[0].statistic.startswith(statistic) and found[0].level == "error"
    assert len(found) == 1 or differs in ({"size": 3}, {"layout": "arrival_times"})


def test_features_are_what_they_are_called(tmp_path: Path):
    card = drawn(tmp_path, 1).card
    image = np.zeros((1, 8, 8), dtype=np.uint8)
    image[0, 2:4, 6:8] = 255  # the last of the second row of 4 x 4 blocks
    found = {name: value.item() for name, value in features({"x": image}, card).items()}
    assert found["brightness"] == 1 / 16
    assert found["contrast"] == pytest.approx(np.std(image / 255), abs=1e-6)
    assert {name for name, value in found.items() if name.startswith("block") and value} == {"block_1_3"}
    assert found["block_1_3"] == 1
    colour = np.stack([image, image, np.zeros_like(image)], axis=-1)
    assert features({"x": colour}, card)["brightness"].item() == pytest.approx(2 / 48, abs=1e-6)
    clip = card.model_copy(update={"layout": "arrival_times", "num_steps": 10})
    assert features({"x": np.full((1, 8, 8), 4, np.uint8)}, clip)["brightness"].item() == pytest.approx(0.6)
    assert features({"x": np.full((1, 8, 8), 200, np.uint8)}, clip)["brightness"].item() == 0  # never
    symbols = Card.model_validate(card.model_dump() | {"layout": "symbols"})
    assert features({"x": np.array([[3, 1, 3, 0]])}, symbols)["distinct_symbols"].item() == 3
    wide = np.zeros((1, 3, 1), dtype=np.uint8)  # smaller than the blocks
    assert len(features({"x": wide}, card)) == 2 + 3


def shown_nothing(accepted: Any, found: Any) -> None:
    raise AssertionError("nothing was to be shown")


def test_accepted_is_what_is_here_and_only_once(tmp_path: Path):
    shown = []
    dataset = drawn(tmp_path, 1)
    path = accept("own", lambda *both: shown.append(both), tmp_path)
    assert path == reference_path("own", tmp_path)
    assert shown == [(None, summarise(dataset))] and read_reference(path) == summarise(dataset)
    before = path.read_bytes()
    assert accept("own", shown_nothing, tmp_path) is None
    drawn(tmp_path, 2)
    accept("own", lambda *both: shown.append(both), tmp_path)
    assert shown[1][0].data == shown[0][1].data != shown[1][1].data
    assert path.read_bytes() != before
    assert [file.name for file in path.parent.iterdir()] == ["own.json"]


def test_nothing_is_accepted_that_is_not_there_or_fails_by_itself(tmp_path: Path):
    with pytest.raises(UserError, match=r"data/own: nothing is imported yet; .* dvc repro import@own"):
        accept("own", shown_nothing, tmp_path)
    drawn(tmp_path, 1, classes=["a", "b", "c", "d"])
    with pytest.raises(StageFailure, match=r"data/own: train: classes without an example: found d"):
        accept("own", shown_nothing, tmp_path)
    assert not reference_path("own", tmp_path).exists()


@pytest.mark.parametrize("damage", ["<<<<<<< HEAD", "{}", "altered", "renamed"])
def test_a_reference_that_was_altered_is_refused_and_can_be_accepted_anew(tmp_path: Path, damage: str):
    dataset, path = drawn(tmp_path, 1), reference_path("own", tmp_path)
    summary = summarise(dataset)
    if damage == "renamed":
        write_reference(path, summary.model_copy(update={"dataset": "other"}))
    else:
        write_reference(path, summary)
        content = json.loads(path.read_text())
        content["labels"]["train"][0] += 1
        path.write_text(json.dumps(content) if damage == "altered" else damage)
    with pytest.raises(UserError, match=r"own\.json: .*git checkout .*accept-data own$") as refused:
        read_reference(path)
    assert len(str(refused.value).splitlines()) == 1
    assert accept("own", lambda accepted, found: None, tmp_path) == path
    assert read_reference(path) == summary
