"""What is wrong with sequences is found: answers, lengths, padding, names; what is not asked for is not counted."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.checking.accept import accept
from pipeline.checking.content import check_dataset
from pipeline.checking.drift import compare
from pipeline.checking.stability import PSI_LIMIT
from pipeline.checking.summary import features, label_counts, summarise
from pipeline.dataset import SPLITS, Dataset, Description, Scaling, save_dataset

SIZES = {"train": 60, "validation": 20, "test": 20}
Splits = dict[str, dict[str, Any]]
LABELS: dict[str, Any] = {"classes": ["a", "b"], "features": ["load", "heat"]}
VALUES: dict[str, Any] = {"outputs": ["load", "heat"]}


def sequences(answers: str, seed: int = 0, padded: bool = False, moved: float = 0.0) -> Splits:
    """Sequences [N, 6, 2] of random steps with answers of one kind; padded: of 3 to 6 steps."""
    rng = np.random.default_rng(seed)
    splits: Splits = {}
    for split, num in SIZES.items():
        x = rng.normal(moved, 1, (num, 6, 2)).astype(np.float32)
        y = {
            "label": np.arange(num, dtype=np.uint8) % 2,
            "labels": np.tile(np.arange(6, dtype=np.uint8) % 2, (num, 1)),
            "value": x[:, -1].copy(),
            "values": x.copy(),
            "later": x[:, :4].copy(),
        }[answers]
        splits[split] = {"x": x, "y": y}
        if padded:
            length = rng.integers(3, 7, num, dtype=np.int32)
            x[np.arange(6) >= length[:, None]] = 0
            splits[split]["length"] = length
    return splits


def stored(folder: Path, splits: Splits, **description: Any) -> Dataset:
    facts = Description(
        **{"text": "planted", "layout": "sequences", "padded": "length" in splits["train"]} | description
    )
    save_dataset(folder / "data/own", splits, facts, source="planted", seed=None, parameters={})
    return Dataset(folder / "data/own")


def lines(dataset: Dataset) -> str:
    return "\n".join(finding.line() for finding in check_dataset(dataset, imported=True).findings)


@pytest.mark.parametrize("padded", [False, True])
@pytest.mark.parametrize(
    ("answers", "facts"),
    [
        ("label", LABELS),
        ("labels", LABELS),
        ("labels", LABELS | {"first_answer": 2}),
        ("value", VALUES),
        ("values", VALUES | {"first_answer": 2}),
        ("later", VALUES | {"output_steps": 4}),
        ("values", VALUES | {"scaling": Scaling(x_mean=[0, 1], x_scale=[1, 2], y_mean=[0, 1], y_scale=[1, 2])}),
    ],
)
def test_nothing_is_found_where_nothing_is_wrong(tmp_path: Path, answers: str, facts: Any, padded: bool) -> None:
    dataset = stored(tmp_path, sequences(answers, padded=padded), **facts)
    checks = check_dataset(dataset, imported=True)
    assert checks.findings == [] and checks.blank == dict.fromkeys(SPLITS, 0)
    assert bool(checks.shares) == bool(checks.label_shift) == bool(checks.names) == ("label" in answers)
    accepted = summarise(dataset)
    drift, findings = compare(accepted, summarise(dataset, like=accepted), PSI_LIMIT)
    assert findings == [] and {measured.psi for measured in drift} == {0}


def test_labels_that_are_not_asked_for_are_not_counted(tmp_path: Path) -> None:
    splits = sequences("labels", padded=True)
    splits["train"]["length"][:] = 4
    for arrays in splits.values():
        arrays["x"][:, 4:] = 0
        arrays["length"] = np.minimum(arrays["length"], 4)
    dataset = stored(tmp_path, splits, **LABELS, first_answer=1)
    assert label_counts(dataset.split("train"), dataset.card).tolist() == [60, 120]  # steps 2, and 1 and 3


def test_what_a_sequence_is_summarised_to(tmp_path: Path) -> None:
    splits = sequences("values", padded=True)
    for arrays in splits.values():
        arrays["x"][0], arrays["y"][0], arrays["length"][0] = 0, 9, 3
        arrays["x"][0, :3], arrays["y"][0, :3] = [[1, 5], [2, 5], [6, 5]], [[0, 0], [1, 0], [3, 0]]
    dataset = stored(tmp_path, splits, **VALUES, features=["load", "heat"], first_answer=1)
    found = {name: values[0] for name, values in features(dataset.split("test"), dataset.card).items()}
    assert found == {
        "load_mean": 3,
        "load_std": pytest.approx((14 / 3) ** 0.5, abs=1e-6),
        "load_first": 1,
        "load_last": 6,
        **{"heat_mean": 5, "heat_std": 0, "heat_first": 5, "heat_last": 5},
        "length": 3,
        **{"answer_load": 2, "answer_heat": 0},
    }


def test_an_import_that_moved_is_told_by_its_features(tmp_path: Path) -> None:
    dataset = stored(tmp_path, sequences("value"), **VALUES, disjoint=False)
    shown: list[Any] = []
    assert accept("own", lambda *summaries: shown.append(summaries), tmp_path) and len(shown) == 1
    accepted = summarise(dataset)
    moved = stored(tmp_path, sequences("value", seed=1, moved=2.0), **VALUES, disjoint=False)
    drifted = {finding.statistic.split()[2] for finding in compare(accepted, summarise(moved, accepted), 0.2)[1]}
    assert {"feature_0_mean", "feature_1_last", "answer_heat"} <= drifted
    assert not {"feature_0_std", "feature_1_std"} & drifted


def test_features_that_got_other_names_are_told(tmp_path: Path) -> None:
    accepted = summarise(stored(tmp_path, sequences("label"), **LABELS))
    found = summarise(stored(tmp_path, sequences("label"), **LABELS | {"features": ["load", "cold"]}))
    (finding,) = compare(accepted, found, PSI_LIMIT)[1]
    assert (finding.value, finding.allowed) == (
        "cold_mean, cold_std, cold_first, cold_last",
        "heat_mean, heat_std, heat_first, heat_last",
    )


def test_sequences_that_do_not_change_and_such_as_come_again(tmp_path: Path) -> None:
    splits = sequences("value", padded=True)
    splits["test"]["x"][:4] = (
        splits["test"]["x"][:4, :1] * (np.arange(6) < splits["test"]["length"][:4, None])[..., None]
    )
    splits["train"]["x"][0], splits["train"]["x"][1] = 0, 0
    splits["train"]["x"][:2, 0] = 1
    splits["train"]["length"][:2] = [3, 4]  # the same bytes, and another sequence
    found = check_dataset(stored(tmp_path, splits, **VALUES), imported=True)
    assert found.blank == {"train": 0, "validation": 0, "test": 4}
    assert [finding.statistic for finding in found.findings] == ["share of sequences in which nothing changes"]
    assert found.duplicates["within_train"] == 0
    splits = sequences("labels")
    splits["train"]["x"][1:3] = splits["train"]["x"][0]
    splits["train"]["y"][2, 5] = 0
    found = check_dataset(stored(tmp_path, splits, **LABELS), imported=True)
    assert (found.duplicates["within_train"], found.duplicates["contradicting_labels"]) == (2, 3)


def wrong_y(splits: Splits, y: Any) -> Splits:
    return {split: arrays | {"y": y(arrays["y"])} for split, arrays in splits.items()}


def wrong_length(value: int) -> Splits:
    splits = sequences("label", padded=True)
    splits["test"]["length"][7] = value
    return splits


def unpadded() -> Splits:
    splits = sequences("label", padded=True)
    splits["test"]["x"][5, 5] = 1
    splits["test"]["length"][5] = 4
    return splits


@pytest.mark.parametrize(
    ("splits", "facts", "words"),
    [
        (sequences("label"), {}, "card.json: classes and outputs: found neither; allowed: one of the two"),
        (sequences("label"), LABELS | VALUES, "classes and outputs: found both"),
        (
            wrong_y(sequences("label"), np.float32),
            LABELS,
            "train y: labels: found float32 [60]; allowed: integers [60] or",
        ),
        (
            wrong_y(sequences("labels"), lambda y: y[:, :4]),
            LABELS,
            "found uint8 [60, 4]; allowed: integers [60] or [60, 6]",
        ),
        (sequences("label"), VALUES, "test y: values: found uint8 [20]; allowed: floats [20, 2] or [20, 6, 2]"),
        (sequences("value"), {"outputs": ["load"]}, "train y: values: found float32 [60, 2]; allowed: floats [60, 1]"),
        (sequences("later"), VALUES, "found float32 [60, 4, 2]; allowed: floats [60, 2] or [60, 6, 2]"),
        (sequences("values"), VALUES | {"output_steps": 4}, "allowed: floats [60, 2] or [60, 4, 2]"),
        (sequences("label"), LABELS | {"features": ["load"]}, "card.json: entries of features: found 1; allowed: 2"),
        (sequences("label"), LABELS | {"first_answer": 6}, "first_answer: found 6; allowed: 0 to 5"),
        (
            sequences("value"),
            VALUES | {"scaling": Scaling(x_mean=[0], x_scale=[1, 1])},
            "entries of scaling.x_mean: found 1; allowed: 2",
        ),
        (
            sequences("value"),
            VALUES | {"scaling": Scaling(x_mean=[0, 0], x_scale=[1, 1])},
            "entries of scaling.y_scale: found 0; allowed: 2",
        ),
        (wrong_length(0), LABELS, "test length: length in row 7: found 0; allowed: 1 to 6"),
        (wrong_length(7), LABELS, "test length: length in row 7: found 7; allowed: 1 to 6"),
        (unpadded(), LABELS, "test x: sequences that go on after their end, first in row 5: found 1; allowed: 0"),
        (sequences("label", padded=True), LABELS | {"padded": False}, "found x, y, length; allowed: no array length"),
        (sequences("label"), LABELS | {"padded": True}, "found x, y; allowed: array length, as padded is True"),
    ],
)
def test_arrays_that_are_not_what_the_card_says(tmp_path: Path, splits: Splits, facts: Any, words: str) -> None:
    assert words in lines(stored(tmp_path, splits, **facts))
