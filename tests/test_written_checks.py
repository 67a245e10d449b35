"""What is wrong with texts that are asked for is found, of texts, pictures and clips; and what they are is counted."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.checking.content import check_dataset
from pipeline.checking.drift import compare
from pipeline.checking.stability import PSI_LIMIT
from pipeline.checking.summary import features, summarise
from pipeline.checking.summary_table import print_summaries
from pipeline.dataset import SPLITS, Dataset, Description, TextAnswers, save_dataset
from pipeline.datasets import journeys, parallel_grammar, scenes
from pipeline.labels import names_of
from pipeline.stages.generate import generate

NUMBERS = {"train": 60, "validation": 20, "test": 20}
VOCABULARY = ["<pad>", "<unk>", "<s>", "</s>", *"abcdefgh"]
ANSWERS = TextAnswers(vocabulary=VOCABULARY, tokenizer="spaces")
WIDTH = 6
Splits = dict[str, dict[str, Any]]


def answers(rng: np.random.Generator, number: int) -> dict[str, Any]:
    length = rng.integers(2, WIDTH + 1, number, dtype=np.int32)
    y = rng.integers(4, len(VOCABULARY), (number, WIDTH), dtype=np.uint16)
    y[np.arange(WIDTH) >= length[:, None]] = 0
    reference = np.full((number, 3), ord("a"), np.uint8)
    reference[::2, 2] = 0
    return {"y": y, "y_length": length, "reference": reference}


def pairs(layout: str = "texts") -> Splits:
    rng = np.random.default_rng(1)
    splits: Splits = {}
    for split, number in NUMBERS.items():
        if layout == "texts":
            length = rng.integers(3, WIDTH + 1, number, dtype=np.int32)
            x = np.where(np.arange(WIDTH) < length[:, None], rng.integers(2, 12, (number, WIDTH)), 0).astype(np.uint16)
            splits[split] = {"x": x, "length": length}
        elif layout == "images":
            splits[split] = {"x": rng.integers(0, 256, (number, 4, 4, 3), dtype=np.uint8)}
        else:
            arrival = rng.integers(0, 4, (number, 4, 4, 2), dtype=np.uint8)
            splits[split] = {"x": arrival, "departure": np.maximum(arrival, 3).astype(np.uint8)}
        splits[split] |= answers(rng, number)
    return splits


def stored(folder: Path, splits: Splits, layout: str = "texts", **description: Any) -> Dataset:
    facts: dict[str, Any] = {"text": "planted", "layout": layout, "answers": ANSWERS}
    if layout == "texts":
        facts |= {"padded": True, "tokenizer": "spaces", "vocabulary": ["<pad>", "<unk>", *"abcdefghij"]}
    if layout == "arrival_times":
        facts["num_steps"] = 4
    save_dataset(
        folder / "own",
        splits,
        Description.model_validate(facts | description),
        source="planted",
        seed=None,
        parameters={},
    )
    return Dataset(folder / "own")


def lines(dataset: Dataset) -> str:
    return "\n".join(finding.line() for finding in check_dataset(dataset, imported=True).findings)


@pytest.mark.parametrize("layout", ["texts", "images", "arrival_times"])
def test_nothing_is_found_where_nothing_is_wrong_and_both_sides_are_counted(tmp_path: Path, layout: str) -> None:
    splits = pairs(layout)
    dataset = stored(tmp_path, splits, layout)
    checks = check_dataset(dataset, imported=True)
    assert checks.findings == [] and checks.names == names_of(dataset.card) == [] and checks.shares == {}
    counted, test = checks.texts["test"], splits["test"]
    assert counted["answer_tokens"] == pytest.approx(test["y_length"].mean(), abs=1e-4)
    assert counted["answer_longest"] == WIDTH and counted["answer_unknown_share"] == 0
    assert counted["answer_padding_share"] == pytest.approx((test["y"] == 0).mean(), abs=1e-4)
    assert ("tokens" in counted) == (layout == "texts")
    if layout == "texts":
        assert counted["tokens"] == pytest.approx(test["length"].mean(), abs=1e-4)
    accepted = summarise(dataset)
    assert {"answer_length", "answer_unknown_share"} <= set(accepted.features)
    drift, findings = compare(accepted, summarise(dataset, like=accepted), PSI_LIMIT)
    assert findings == [] and {measured.psi for measured in drift} == {0}
    print_summaries(accepted, accepted)


def planted(name: str, place: Any, value: Any) -> Any:
    def plant(splits: Splits) -> None:
        splits["train"][name][place] = value

    return plant


def replaced(name: str, values: Any) -> Any:
    def plant(splits: Splits) -> None:
        for arrays in splits.values():
            arrays.pop(name)
            if values is not None:
                arrays[name] = values(len(arrays["x"]))

    return plant


WRONG = [
    (planted("y", (5, 0), 0), "train y: answers whose padding does not begin at their end, first in row 5: found 1"),
    (
        planted("y", (7, 0), 12),
        r"answers with a token beyond the vocabulary, first in row 7: found 1; allowed: 0 \(tok",
    ),
    (planted("y", (8, 1), 3), r"train y: answers that hold <s> or </s>, first in row 8: found 1; allowed: 0, as they"),
    (planted("y_length", 4, 7), "train y_length: length in row 4: found 7; allowed: 1 to 6"),
    (planted("y_length", 4, 0), "train y_length: length in row 4: found 0; allowed: 1 to 6"),
    (
        planted("reference", (3, 0), 0xFF),
        "train reference: row 3: found 'utf-8' codec can't decode .*; allowed: text in UTF",
    ),
    (planted("reference", 6, 0), "train reference: row 6: found nothing; allowed: a text"),
    (replaced("reference", None), "train: arrays: found .*; allowed: reference as well"),
    (replaced("y_length", None), "test: arrays: found .*; allowed: y_length as well"),
    (replaced("y", np.zeros), r"y: texts: found float64 \[60\]; allowed: unsigned integers \[N, T\]"),
    (
        replaced("reference", lambda n: np.ones((n, 2), np.int32)),
        r"reference: texts: found int32 .*; allowed: uint8 \[N, R",
    ),
]


@pytest.mark.parametrize(("plant", "message"), WRONG)
@pytest.mark.parametrize("layout", ["texts", "images"])
def test_arrays_that_are_no_answers_are_found_out(tmp_path: Path, layout: str, plant: Any, message: str) -> None:
    splits = pairs(layout)
    plant(splits)
    assert re.search(message, lines(stored(tmp_path, splits, layout)))


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        (
            {"answers": {"vocabulary": VOCABULARY[2:], "tokenizer": "spaces"}},
            "answers.vocabulary begins with: found <s>, </s>, a, b; allowed: <pad>, <unk>, <s>, </s>",
        ),
        ({"tokenizer": "subwords"}, "card.json: subwords: found none; allowed: a model, as the tokenizer is subwords"),
        (
            {"answers": {"vocabulary": VOCABULARY, "tokenizer": "spaces", "subwords": "x"}},
            "card.json: answers.subwords: found a model; allowed: none, as the tokenizer is spaces",
        ),
        ({"classes": [str(n) for n in range(99)]}, "classes: found 99; allowed: none, as texts are asked for"),
    ],
)
def test_a_card_that_lacks_what_answers_need_is_found_out(tmp_path: Path, facts: Any, message: str) -> None:
    assert message in lines(stored(tmp_path, pairs(), **facts))


@pytest.mark.parametrize(
    ("plant", "message"),
    [
        (
            planted("departure", (2, 0, 0, 0), 5),
            "goes out before it lit up, first in row 2: found 1; allowed: 0 .up to 4",
        ),
        (
            planted("departure", 3, 0),
            "train departure: clips with a pixel that goes out before it lit up, first in row 3",
        ),
        (
            replaced("departure", lambda n: np.ones((n, 2), np.uint8)),
            r"departure: type and shape: found uint8 \[60, 2\]; a",
        ),
    ],
)
def test_pixels_that_go_out_before_they_light_up_are_found_out(tmp_path: Path, plant: Any, message: str) -> None:
    splits = pairs("arrival_times")
    plant(splits)
    assert re.search(message, lines(stored(tmp_path, splits, "arrival_times")))


def test_answers_that_no_token_says_and_leaked_pairs_are_warned_of(tmp_path: Path) -> None:
    splits = pairs()
    splits["test"]["y"][:, 0] = 1
    for name, values in splits["test"].items():
        values[3] = splits["train"][name][5]
    found = lines(stored(tmp_path, splits, disjoint=False))
    assert "test y: share of the tokens that are <unk>: found 0.2" in found and "train y: share" not in found
    assert "test x: examples that train holds too, first row 3 = train row 5: found 1" in found


def test_light_of_a_clip_ends_when_its_pixels_go_out(tmp_path: Path) -> None:
    splits = pairs("arrival_times")
    dataset = stored(tmp_path, splits, "arrival_times")
    train = dataset.split("train")
    frames = (train["x"][:, None] <= np.arange(4)[:, None, None, None]) & (
        np.arange(4)[:, None, None, None] < train["departure"][:, None]
    )
    found = features(train, dataset.card)["brightness"]
    np.testing.assert_allclose(found, frames.mean(axis=(1, 2, 3, 4)), atol=1e-6)


@pytest.mark.parametrize("source", [parallel_grammar, scenes, journeys], ids=lambda source: source.__name__[18:])
def test_synthetic_texts_pass(tmp_path: Path, source: Any) -> None:
    generate("own", source, source.Parameters(), 1, {"train": 400, "validation": 50, "test": 50}, tmp_path / "own")
    checks = check_dataset(Dataset(tmp_path / "own"), imported=False)
    assert checks.findings == [] and set(checks.texts) == set(SPLITS)
