"""What is wrong with a dataset is found, counted and named, whatever its layout; what is right is left alone."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from found import DRAWINGS, Drawing, label, marked

from pipeline.checking.content import check_dataset
from pipeline.checking.findings import DataChecks, Finding
from pipeline.dataset import SPLITS, Dataset, Description, save_dataset

CLASSES = ["left", "right"]
Splits = dict[str, dict[str, Any]]


def images(num_train: int = 60, num_others: int = 20, classes: list[str] = CLASSES) -> Splits:
    """Splits of different images, the classes taking turns."""
    rng = np.random.default_rng(0)
    sizes = {"train": num_train, "validation": num_others, "test": num_others}
    return {
        split: {
            "x": rng.integers(0, 256, (num, 6, 5), dtype=np.uint8),
            "y": np.arange(num, dtype=np.uint8) % len(classes),
        }
        for split, num in sizes.items()
    }


def stored(folder: Path, splits: Splits, **description: Any) -> Dataset:
    """A dataset of images on disk."""
    facts = {"text": "planted", "layout": "images", "classes": CLASSES} | description
    save_dataset(folder / "planted", splits, Description(**facts), source="planted", seed=None, parameters={})
    return Dataset(folder / "planted")


def checked(folder: Path, splits: Splits, imported: bool = False, **description: Any) -> DataChecks:
    return check_dataset(stored(folder, splits, **description), imported)


def the_finding(checks: DataChecks, level: str) -> Finding:
    """The only finding, which is of this level."""
    (finding,) = checks.findings
    assert (finding.level, checks.errors, checks.warnings) == (level, int(level == "error"), int(level == "warning"))
    return finding


@pytest.mark.parametrize("drawing", marked(DRAWINGS), ids=label)
def test_what_sources_draw_passes(drawing: Drawing, tmp_path: Path) -> None:
    drawing.draw(tmp_path / drawing.name, train=400)
    checks = check_dataset(Dataset(tmp_path / drawing.name), imported=False)
    assert [finding for finding in checks.findings if finding.level == "error" and finding.check != "labels"] == []
    assert set(checks.shares) == (set(SPLITS) if checks.names else set())  # values have none
    for shares in checks.shares.values():
        assert sum(shares) == pytest.approx(1, abs=0.01)


def test_nothing_is_found_where_nothing_is_wrong(tmp_path: Path) -> None:
    checks = checked(tmp_path, images())
    assert (checks.errors, checks.warnings, checks.findings) == (0, 0, [])
    assert checks.examples == {"train": 60, "validation": 20, "test": 20}
    assert checks.names == CLASSES and checks.shares["test"] == [0.5, 0.5]
    assert set(checks.duplicates.values()) == {0} and set(checks.blank.values()) == {0}


def test_leaks_are_counted_with_their_rows(tmp_path: Path) -> None:
    splits = images()
    splits["test"]["x"][[4, 7]] = splits["train"]["x"][[31, 12]]
    checks = checked(tmp_path, splits)
    finding = the_finding(checks, "error")
    assert (finding.check, finding.where, finding.value) == ("duplicates", "test x", 2)
    assert "first row 4 = train row 31" in finding.line()
    assert checks.duplicates == {
        "within_train": 0,
        "contradicting_labels": 0,
        "validation_in_train": 0,
        "test_in_train": 2,
        "test_in_validation": 0,
    }


@pytest.mark.parametrize(("imported", "warnings"), [(False, 0), (True, 1)])
def test_where_no_card_promises_otherwise_leaks_are_a_number_and_a_warning_for_imports(tmp_path, imported, warnings):
    splits = images()
    splits["validation"]["x"][5] = splits["train"]["x"][6]
    checks = checked(tmp_path, splits, imported, disjoint=False)
    assert (checks.errors, checks.warnings, checks.duplicates["validation_in_train"]) == (0, warnings, 1)


def test_repeated_and_contradicting_training_examples_are_counted(tmp_path: Path) -> None:
    splits = images()
    splits["train"]["x"][50:54] = splits["train"]["x"][0]  # labels 0, 1, 0, 1 beside the 0 of row 0
    splits["train"]["x"][55] = splits["train"]["x"][1]  # label 1 beside 1
    checks = checked(tmp_path, splits)
    assert checks.duplicates["within_train"] == 5
    assert checks.duplicates["contradicting_labels"] == 5
    assert the_finding(checks, "warning").value == pytest.approx(5 / 60, abs=1e-4)


def test_a_class_that_train_lacks_is_an_error_wherever_it_occurs(tmp_path: Path) -> None:
    splits = images()
    splits["train"]["y"][:] = 0
    splits["validation"]["y"][:] = 0
    checks = checked(tmp_path, splits)
    errors = {(finding.where, finding.value) for finding in checks.findings if finding.level == "error"}
    assert errors == {("test", "right"), ("train", "right")}


def test_a_rare_class_and_one_that_is_not_tested_are_warnings(tmp_path: Path) -> None:
    splits = images(num_train=330)
    for arrays in splits.values():
        arrays["y"][:] = np.arange(len(arrays["y"])) % 33 == 32
    checks = checked(tmp_path, splits)
    found = {(finding.where, finding.value) for finding in checks.findings}
    assert found == {("train", 32.0), ("test", "right")} and checks.warnings == 2


def test_shares_that_differ_between_splits_are_a_warning(tmp_path: Path) -> None:
    splits = images(num_train=2000, num_others=500)
    splits["test"]["y"][:450] = 0
    finding = the_finding(checked(tmp_path, splits), "warning")
    assert finding.where == "test" and finding.value > finding.allowed == 0.2


def test_blank_and_equal_examples(tmp_path: Path) -> None:
    splits = images()
    splits["test"]["x"][:3] = np.arange(3, dtype=np.uint8)[:, None, None]
    finding = the_finding(checked(tmp_path / "some", splits), "warning")
    assert (finding.where, finding.value) == ("test x", 0.15)
    splits = images()
    splits["train"]["x"][:] = splits["train"]["x"][0]
    lines = "\n".join(finding.line() for finding in checked(tmp_path / "equal", splits).findings)
    assert "train x: different examples: found 1; allowed: 2 and more" in lines


def altered_card(change: Callable[[dict[str, Any]], Any]) -> Callable[[Dataset], Dataset]:
    def alter(dataset: Dataset) -> Dataset:
        card = json.loads((dataset.folder / "card.json").read_text())
        change(card)
        (dataset.folder / "card.json").write_text(json.dumps(card))
        return Dataset(dataset.folder)

    return alter


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda card: card.update(classes=["left"]), "train y: label in row 1: found 1; allowed: 0 to 0"),
        (lambda card: card.update(layout="arrival_times", num_steps=9), "x: largest arrival time, first too large"),
        (lambda card: card.update(layout="symbols", vocabulary=list("ab")), "allowed: unsigned integers [N, L]"),
        (lambda card: card["splits"]["test"]["x"].update(shape=[20, 5, 6]), "test x: type and shape: found |u1 [20, 6"),
        (lambda card: card["splits"]["test"]["x"].update(dtype="<f4"), "allowed: <f4 [20, 6, 5]"),
        (lambda card: card["splits"]["test"].pop("y"), "test: arrays: found x; allowed: x, y"),
        (lambda card: card["splits"]["train"].pop("x"), "train: arrays: found y; allowed: x, y"),
        (lambda card: card["splits"].pop("test"), "card.json: splits: found train, validation; allowed"),
    ],
)
def test_arrays_that_are_not_what_the_card_says(tmp_path: Path, change, words: str) -> None:
    checks = check_dataset(altered_card(change)(stored(tmp_path, images())), imported=False)
    assert checks.errors == len(checks.findings) > 0
    assert words in "\n".join(finding.line() for finding in checks.findings)
    assert checks.duplicates == {}  # nothing else is measured on what cannot be read


def test_symbols_that_train_lacks_are_a_warning_and_those_that_have_no_name_an_error(tmp_path: Path) -> None:
    splits = {split: {"x": np.array([[0, 1, 2], [0, 2, 1]], dtype=np.uint8)} for split in SPLITS}
    splits["test"]["x"][0, 2] = 3
    facts: dict[str, Any] = {"layout": "symbols", "classes": None, "disjoint": False}
    finding = the_finding(checked(tmp_path / "rare", splits, vocabulary=list("abcd"), **facts), "warning")
    assert (finding.where, finding.value) == ("test", "d")
    finding = the_finding(checked(tmp_path / "unnamed", splits, vocabulary=list("abc"), **facts), "error")
    assert finding.where == "test x" and "row 0" in finding.statistic and finding.value == 3


@pytest.mark.parametrize("output_steps", [None, 5])
def test_labels_of_clips_are_those_that_the_card_says(tmp_path: Path, output_steps: int | None) -> None:
    """One a frame where it tells how many frames are answered, else one a clip."""
    of_clips, of_frames = np.arange(6, dtype=np.uint8) % 2, np.arange(30, dtype=np.uint8).reshape(6, 5) % 2
    right, wrong = (of_frames, of_clips) if output_steps else (of_clips, of_frames)
    clips = np.zeros((6, 5, 4, 4, 1), np.uint8)
    splits = {split: {"x": clips, "y": wrong if split == "test" else right} for split in SPLITS}
    findings = checked(tmp_path, splits, layout="clips", output_steps=output_steps).findings
    assert [(finding.where, finding.statistic, finding.value, finding.allowed) for finding in findings] == [
        (
            "test y",
            "labels",
            f"uint8 {[*wrong.shape]}",
            "integers [N, T], one a frame" if output_steps else "integers [N]",
        )
    ]
