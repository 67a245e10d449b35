"""What is wrong with stored texts is found: vocabulary, lengths, padding, tokens, labels; and so is drift."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.checking.content import check_dataset
from pipeline.checking.drift import compare
from pipeline.checking.stability import PSI_LIMIT
from pipeline.checking.summary import features, label_counts, summarise
from pipeline.dataset import SPLITS, Dataset, Description, save_dataset

SIZES = {"train": 60, "validation": 20, "test": 20}
STEPS, VOCABULARY = 9, ["<pad>", "<unk>", *"abcdefgh"]
Splits = dict[str, dict[str, Any]]


def texts(each_token: bool = False, shortest: int = 3, unknown: float = 0.2) -> Splits:
    """Texts of `shortest` to nine random tokens, labelled as a whole or token by token."""
    rng = np.random.default_rng(0)
    splits: Splits = {}
    for split, num in SIZES.items():
        length = rng.integers(shortest, STEPS + 1, num, dtype=np.int32)
        tokens = rng.integers(2, len(VOCABULARY), (num, STEPS), dtype=np.uint16)
        tokens[:, 1:][rng.random((num, STEPS - 1)) < unknown] = 1
        x = np.where(np.arange(STEPS) < length[:, None], tokens, 0).astype(np.uint16)
        y = np.arange(num, dtype=np.uint8) % 2
        splits[split] = {"x": x, "length": length, "y": np.tile(y[:, None], STEPS) if each_token else y}
    return splits


def stored(folder: Path, splits: Splits, **description: Any) -> Dataset:
    facts = {"text": "planted", "layout": "texts", "padded": True, "classes": ["a", "b"], "tokenizer": "words"}
    facts = facts | {"vocabulary": VOCABULARY} | description
    save_dataset(folder / "own", splits, Description.model_validate(facts), source="planted", seed=None, parameters={})
    return Dataset(folder / "own")


def lines(dataset: Dataset) -> str:
    return "\n".join(finding.line() for finding in check_dataset(dataset, imported=True).findings)


@pytest.mark.parametrize("each_token", [False, True])
def test_nothing_is_found_where_nothing_is_wrong(tmp_path: Path, each_token: bool) -> None:
    dataset = stored(tmp_path, texts(each_token))
    checks = check_dataset(dataset, imported=True)
    assert checks.findings == [] and checks.blank == dict.fromkeys(SPLITS, 0)
    accepted = summarise(dataset)
    drift, findings = compare(accepted, summarise(dataset, like=accepted), PSI_LIMIT)
    assert findings == [] and {measured.psi for measured in drift} == {0}
    assert set(accepted.features) == {"length", "unknown_share"}


def test_labels_of_padding_are_not_counted(tmp_path: Path) -> None:
    splits = texts(each_token=True)
    dataset = stored(tmp_path, splits)
    rows = splits["train"]["length"]
    assert label_counts(dataset.split("train"), dataset.card).tolist() == [rows[::2].sum(), rows[1::2].sum()]


def test_lengths_and_shares_of_unknown_tokens_are_what_drift_is_measured_by(tmp_path: Path) -> None:
    splits = texts()
    splits["train"]["x"][0] = [1, 1, 2, 3, 0, 0, 0, 0, 0]
    splits["train"]["length"][0] = 4
    dataset = stored(tmp_path, splits)
    found = features(dataset.split("train"), dataset.card)
    assert found["length"][0] == 4 and found["unknown_share"][0] == 0.5
    accepted = summarise(dataset)
    for other, name in ((texts(shortest=8), "length"), (texts(unknown=0.8), "unknown_share")):
        _, findings = compare(accepted, summarise(stored(tmp_path, other), like=accepted), PSI_LIMIT)
        assert [finding.statistic for finding in findings] == [f"drift of {name} (PSI to the accepted version)"]


def planted(name: str, place: Any, value: Any) -> Any:
    def plant(splits: Splits) -> None:
        splits["train"][name][place] = value

    return plant


def without_length(splits: Splits) -> None:
    for arrays in splits.values():
        del arrays["length"]


def labels_of_another_shape(splits: Splits) -> None:
    splits["test"]["y"] = np.zeros((20, 3), np.uint8)


WRONG = [
    (planted("length", 4, 10), "train length: length in row 4: found 10; allowed: 1 to 9"),
    (planted("length", 4, 0), "train length: length in row 4: found 0; allowed: 1 to 9"),
    (planted("x", (5, 0), 0), "texts whose padding does not begin at their end, first in row 5: found 1; allowed: 0"),
    (planted("x", (6, 0), 10), "train x: largest token, first too large in row 6: found 10; allowed: 9"),
    (without_length, "train: arrays: found x, y; allowed: x, length, y"),
    (labels_of_another_shape, r"test y: labels: found uint8 \[20, 3\]; allowed: integers \[20\] or \[20, 9\]"),
]


@pytest.mark.parametrize(("plant", "message"), WRONG)
def test_arrays_that_are_no_texts_are_found_out(tmp_path: Path, plant: Any, message: str) -> None:
    splits = texts()
    plant(splits)
    assert re.search(message, lines(stored(tmp_path, splits)))


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"vocabulary": VOCABULARY[1:]}, "card.json: vocabulary begins with: found <unk>, a; allowed: <pad>, <unk>"),
        ({"tokenizer": None}, "card.json: tokenizer: found none; allowed: one, as texts need it"),
        ({"padded": False}, "card.json: padded: found none"),
        ({"classes": None}, "card.json: classes: found none"),
    ],
)
def test_a_card_that_lacks_what_texts_need_is_found_out(tmp_path: Path, facts: Any, message: str) -> None:
    assert message in lines(stored(tmp_path, texts(), **facts))


def test_texts_without_a_known_token_and_texts_that_were_cut_are_warned_of(tmp_path: Path) -> None:
    splits = texts()
    splits["train"]["x"][:2] = np.where(splits["train"]["x"][:2] > 0, 1, 0)
    found = lines(stored(tmp_path, splits, cut={"train": 2, "validation": 0, "test": 5}))
    assert "train x: share of texts of which no token is known: found 0.0333; allowed: 0.01" in found
    assert "test x: texts of more than 9 tokens, whose rest is left out: found 5; allowed: 5% of 20" in found
    assert "train x: texts of more" not in found
