"""Datasets computed from others: answers in the units of the data, joined and stacked examples, and what is refused."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from exported import write_echo_export
from tables import refused

from pipeline.checking.content import check_dataset
from pipeline.dataset import SPLITS, Arrays, Dataset, Description, Scaling, save_dataset
from pipeline.derivations import answers, joined, stacked
from pipeline.views import VIEWS

NUM_EXAMPLES = 8
OLD = Scaling(x_mean=[100], x_scale=[10], y_mean=[100], y_scale=[10])
NEW = Scaling(x_mean=[200], x_scale=[1], y_mean=[200], y_scale=[1])


def stored(folder: Path, steps: int = 4, near: float = 200, **differs: Any) -> Dataset:
    """Sequences of one feature around `near`, each to be answered with its first value; `differs` of the card."""
    rng, splits = np.random.default_rng(steps), {}
    for split in SPLITS:
        x = near + rng.normal(size=(NUM_EXAMPLES, steps, 1)).astype(np.float32)
        splits[split] = {"x": x, "y": x[:, 0].copy()}
        if differs.get("padded"):
            length = rng.integers(2, steps + 1, NUM_EXAMPLES).astype(np.int32)
            beyond = np.arange(steps) >= length[:, None]
            y = x.copy() if differs.get("first_answer") is not None else splits[split]["y"]
            splits[split] = {"x": np.where(beyond[..., None], np.float32(0), x), "y": y, "length": length}
            if y.ndim == x.ndim:
                y[beyond] = 0
    given: dict[str, Any] = {"features": ["load"], "outputs": ["load"], "disjoint": False}
    description = Description(text=folder.name, layout="sequences", **given | differs)
    save_dataset(folder, splits, description, source="tests", seed=0, parameters={})
    return Dataset(folder)


def derived(folder: Path, method: Any, dataset: Dataset, start: Path, **parameters: Any) -> Dataset:
    splits, description = method.derive(dataset, start, method.Parameters(**parameters))
    save_dataset(folder, splits, description, source="tests", seed=0, parameters={})
    return Dataset(folder)


@pytest.mark.parametrize("new_scaling", [NEW, None])
def test_answers_are_those_of_the_network_as_it_was_trained_in_units_of_the_data(
    tmp_path: Path, new_scaling: Scaling | None
) -> None:
    """The export answers the first value of what it reads: in the old scaling, as it was trained."""
    write_echo_export(tmp_path / "export", "echo", stored(tmp_path / "old", near=100, scaling=OLD), first=0)
    new = stored(tmp_path / "new", scaling=new_scaling)
    found = derived(tmp_path / "answers", answers, new, tmp_path / "export")
    for split in SPLITS:
        arrays, origin = found.split(split), new.split(split)
        np.testing.assert_allclose(arrays["x"][:, 0], origin["x"][:, 0], rtol=1e-6)
        np.testing.assert_array_equal(arrays["y"], origin["y"])
    assert found.card.features == ["load"] and found.card.scaling == new_scaling
    view = VIEWS["sequence_to_value"]
    test = found.split("test")
    # right answers are right as a network sees them too, so that the mean of several stays the mean
    np.testing.assert_allclose(view.inputs(test, found.card)[:, 0], view.targets(test, found.card), atol=1e-4)
    assert not check_dataset(found, True).errors


def test_answers_to_unseen_examples_are_those_of_the_validation_split(tmp_path: Path) -> None:
    new = stored(tmp_path / "new")
    write_echo_export(tmp_path / "export", "echo", new, first=0)
    found = derived(tmp_path / "answers", answers, new, tmp_path / "export", learn_from="validation")
    whole = derived(tmp_path / "whole", answers, new, tmp_path / "export")
    halves = [found.split(split)["x"] for split in ("train", "validation")]
    assert [len(half) for half in halves] == [NUM_EXAMPLES // 2] * 2
    np.testing.assert_array_equal(np.concatenate(halves), whole.split("validation")["x"])
    np.testing.assert_array_equal(found.split("test")["x"], whole.split("test")["x"])


def test_a_variant_that_reads_or_answers_something_else_is_refused(tmp_path: Path) -> None:
    write_echo_export(tmp_path / "export", "echo", stored(tmp_path / "old"), first=0)
    for name, differs, words in (
        (
            "features",
            {"features": ["wind"]},
            ["was trained on features ['load'], ", "has ['wind']", "the same features"],
        ),
        ("outputs", {"outputs": ["wind"]}, ["was trained on outputs ['load'], ", "has ['wind']"]),
        ("padded", {"padded": True}, ["was trained on sequences of one length", "has shorter ones"]),
    ):
        with refused(str(tmp_path / "export"), *words):
            answers.derive(stored(tmp_path / name, **differs), tmp_path / "export", answers.Parameters())


def test_steps_of_another_width_are_refused(tmp_path: Path) -> None:
    write_echo_export(tmp_path / "export", "echo", stored(tmp_path / "old", features=None), first=0)
    wide = {"x": np.zeros((2, 4, 3), np.float32), "y": np.zeros((2, 1), np.float32)}
    description = Description(text="wide", layout="sequences", outputs=["load"])
    save_dataset(tmp_path / "wide", dict.fromkeys(SPLITS, wide), description, source="tests", seed=0, parameters={})
    with refused("was trained on steps of [1]", "has [3]"):
        answers.derive(Dataset(tmp_path / "wide"), tmp_path / "export", answers.Parameters())


def test_one_validation_example_cannot_be_learnt_from_and_validate(tmp_path: Path) -> None:
    one: Arrays = {"x": np.zeros((1, 4, 1), np.float32), "y": np.zeros((1, 1), np.float32)}
    description = Description(text="one", layout="sequences", features=["load"], outputs=["load"])
    save_dataset(tmp_path / "one", dict.fromkeys(SPLITS, one), description, source="tests", seed=0, parameters={})
    write_echo_export(tmp_path / "export", "echo", Dataset(tmp_path / "one"), first=0)
    with refused("holds 1 validation example", "2 or more"):
        answers.derive(Dataset(tmp_path / "one"), tmp_path / "export", answers.Parameters(learn_from="validation"))


# ---- joined ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("new_steps", "old_steps"), [(5, 7), (7, 5), (5, 5)])
@pytest.mark.parametrize("first_answer", [None, 1], ids=["one answer", "an answer at each step"])
def test_shorter_sequences_are_filled_up_to_the_longest_of_both(
    tmp_path: Path, new_steps: int, old_steps: int, first_answer: int | None
) -> None:
    differs = {"padded": True} | ({} if first_answer is None else {"first_answer": first_answer})
    new, old = (
        stored(tmp_path / name, steps, near, **differs)
        for name, steps, near in (("new", new_steps, 200), ("old", old_steps, 100))
    )
    found = derived(tmp_path / "both", joined, new, old.folder)
    assert found.card.padded and found.card.example_shape() == (max(new_steps, old_steps), 1)
    assert not check_dataset(found, True).errors
    train = found.split("train")
    assert train["length"].tolist() == [*old.split("train")["length"], *new.split("train")["length"]]
    for row, (x, length) in enumerate(zip(train["x"], train["length"], strict=True)):
        origin = (old if row < NUM_EXAMPLES else new).split("train")
        np.testing.assert_array_equal(x[:length], origin["x"][row % NUM_EXAMPLES][:length])
        assert not x[length:].any()
        if first_answer is not None:
            np.testing.assert_array_equal(train["y"][row][:length], origin["y"][row % NUM_EXAMPLES][:length])
    assert len(found.split("test")["x"]) == NUM_EXAMPLES


@pytest.mark.parametrize("padded", [False, True])
def test_the_scaling_is_that_of_the_examples_together(tmp_path: Path, padded: bool) -> None:
    new, old = (
        stored(tmp_path / name, 4, near, padded=padded, scaling=scaling)
        for name, near, scaling in (("new", 200, NEW), ("old", 100, OLD))
    )
    found = derived(tmp_path / "both", joined, new, old.folder)
    train, scaling = found.split("train"), found.card.scaling
    assert scaling is not None
    lengths = train.get("length", np.full(2 * NUM_EXAMPLES, 4))
    real = np.concatenate([x[:length, 0] for x, length in zip(train["x"], lengths, strict=True)]).astype(np.float64)
    assert (scaling.x_mean[0], scaling.x_scale[0]) == pytest.approx((real.mean(), real.std()))
    asked = train["y"].astype(np.float64)
    assert (scaling.y_mean[0], scaling.y_scale[0]) == pytest.approx((asked.mean(), asked.std()))
    assert 49 < scaling.x_scale[0] < 52  # half of what lies between the old and the new, and not the new one's 1
    unscaled = derived(tmp_path / "plain", joined, stored(tmp_path / "bare"), old.folder.with_name("bare"))
    assert unscaled.card.scaling is None


def test_features_that_both_leave_as_they_are_stay_so(tmp_path: Path) -> None:
    as_they_are = Scaling(x_mean=[0], x_scale=[1], y_mean=[5], y_scale=[2])
    new, old = (stored(tmp_path / name, scaling=as_they_are) for name in ("new", "old"))
    scaling = derived(tmp_path / "both", joined, new, old.folder).card.scaling
    assert scaling is not None and (scaling.x_mean, scaling.x_scale) == ([0], [1]) and scaling.y_mean[0] > 190


@pytest.mark.parametrize(
    ("differs", "words"),
    [
        ({"padded": True}, ["padded is True", "allowed: False"]),
        ({"first_answer": 2}, ["first_answer is 2", "allowed: 0"]),
        ({"later_steps_answer": True}, ["later_steps_answer is True", "allowed: False"]),
        ({"steps": 5}, ["their examples differ in shape"]),
    ],
)
def test_datasets_that_do_not_go_together_are_not_joined(tmp_path: Path, differs: Any, words: list[str]) -> None:
    old = stored(tmp_path / "old", **differs)
    with refused("cannot be joined to", *words):
        joined.derive(stored(tmp_path / "new"), old.folder, joined.Parameters())
    if "padded" in differs:
        with refused("padded is False", "allowed: True"):
            joined.derive(old, tmp_path / "new", joined.Parameters())


# ---- stacked --------------------------------------------------------------------------------------------------------


def test_steps_stand_behind_each_other(tmp_path: Path) -> None:
    new = stored(tmp_path / "new", scaling=NEW)
    found = derived(tmp_path / "both", stacked, new, new.folder)
    x = new.split("train")["x"]
    np.testing.assert_array_equal(found.split("train")["x"], np.concatenate([x, x], axis=1))
    assert found.card.scaling == NEW
    with refused("not the same train examples"):
        stacked.derive(new, stored(tmp_path / "other", near=100).folder, stacked.Parameters())


def test_what_has_no_common_steps_is_not_stacked(tmp_path: Path) -> None:
    padded = stored(tmp_path / "padded", padded=True)
    with refused(f"{padded.folder} cannot be stacked: sequences that end early", "sequences of one length"):
        stacked.derive(padded, padded.folder, stacked.Parameters())
    symbols = {split: {"x": np.zeros((4, 5), np.uint8)} for split in SPLITS}
    description = Description(text="symbols", layout="symbols", vocabulary=["a", "b"], disjoint=False)
    save_dataset(tmp_path / "symbols", symbols, description, source="tests", seed=0, parameters={})
    with refused("symbols cannot be stacked: layout symbols"):
        stacked.derive(Dataset(tmp_path / "symbols"), tmp_path / "symbols", stacked.Parameters())
