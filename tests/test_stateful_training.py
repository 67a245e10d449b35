"""Carried state and reproducibility: the same updates as Keras' stateful LSTM, and the same bytes in every process."""

import json
import os
import re
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from found import ONE_EACH, VARIANTS, Case

from pipeline.checkpoint import Fitted
from pipeline.dataset import Array
from pipeline.errors import UserError
from pipeline.files import sha256
from pipeline.network import network_outputs, network_spec, reset_carried_state
from pipeline.places import HISTORY_FILE, WEIGHTS_FILE, Places
from pipeline.stages.train import train
from pipeline.training import Training, fit, split_batches
from pipeline.training_bar import Silent

STATEFUL = next(case for case in VARIANTS if case.block.model == "memory_lstm")
NUM_EPOCHS, NUM_SEQUENCES = 10, 2


def truncated(length: int, **options: Any) -> Case:
    """The stateful network, trained on sequences cut into calls of `length` steps."""
    given = {"learning_rate": 0.01, "batch_size": 1, "truncate_steps": length, "shuffle": False, "keep": "last"}
    training = Training.model_validate({"epochs": NUM_EPOCHS} | given | options)
    return Case(f"{STATEFUL.name}-{length}", STATEFUL.block.model_copy(update={"training": training}))


def trained_here(case: Case, start: list[Array] | None = None) -> tuple[Any, Fitted]:
    model = case.build()
    if start is not None:
        for weight, value in zip(model.trainable_weights, start, strict=True):
            weight.assign(value)
    batches = [
        replace(
            split_batches(case.dataset, split, case.view, case.block.training, 1), arrays=case.examples(NUM_SEQUENCES)
        )
        for split in ("train", "validation")
    ]
    return model, fit(model, case.architecture.loss(case.spec), case.block.training, *batches, [])


@pytest.mark.parametrize("steps", [1, 2, 4])
def test_the_same_updates_as_a_stateful_lstm_reset_between_the_sequences(keras: Any, steps: int) -> None:
    case = truncated(steps)
    units, symbols = case.block.network.units, case.spec.num_outputs
    reference = keras.Sequential(
        [
            keras.Input(batch_shape=(1, steps, symbols)),
            keras.layers.LSTM(units, stateful=True, return_sequences=True),
            keras.layers.Dense(symbols, activation="sigmoid"),
        ]
    )
    start = [weight.numpy() for weight in reference.trainable_weights]
    found, _ = trained_here(case, start)

    reference.compile(optimizer=keras.optimizers.Adam(0.01), loss=case.architecture.loss(case.spec))
    arrays = case.examples(NUM_SEQUENCES)
    inputs, targets = case.view.inputs(arrays, case.dataset.card), case.view.targets(arrays, case.dataset.card)
    for _ in range(NUM_EPOCHS):
        for sequence, answers in zip(inputs[:, :, None], targets[:, :, None], strict=True):
            calls, wanted = sequence.reshape(-1, steps, symbols), answers.reshape(-1, steps)
            reference.fit(calls, wanted, batch_size=1, shuffle=False, verbose=0)
            reference.layers[0].reset_state()
    pairs = list(zip(found.trainable_weights, reference.trainable_weights, strict=True))
    assert all(np.abs(value - weight.numpy()).max() > 1e-2 for value, (_, weight) in zip(start, pairs, strict=True))
    for ours, theirs in pairs:
        np.testing.assert_allclose(ours.numpy(), theirs.numpy(), atol=1e-5)


def test_calls_carry_the_state_and_begin_anew_with_each_sequence(keras: Any) -> None:
    whole, cut = truncated(4), truncated(1)
    inputs = cut.view.inputs(cut.examples(2), cut.dataset.card)
    models = [case.build() for case in (whole, cut)]
    models[1].set_weights(models[0].get_weights())
    expected = [network_outputs(models[0], whole.spec, sequence[None]) for sequence in inputs]
    for _ in range(2):
        for sequence, outputs in zip(inputs, expected, strict=True):
            np.testing.assert_allclose(network_outputs(models[1], cut.spec, sequence[None]), outputs, atol=1e-6)
    assert any(np.abs(weight.numpy()).max() > 0 for weight in models[1].non_trainable_weights)
    reset_carried_state(models[1])
    assert all(np.abs(weight.numpy()).max() == 0 for weight in models[1].non_trainable_weights)


def test_validating_in_the_middle_of_a_sequence_changes_no_update(keras: Any) -> None:
    """Validation takes the carried state elsewhere: it has to be put back."""
    start = [np.random.default_rng(1).normal(size=w.shape) * 0.3 for w in truncated(1).build().trainable_weights]
    rare, often = (trained_here(truncated(1, epochs=None, steps=16, validate_every=every), start) for every in (16, 1))
    for one, other in zip(rare[0].trainable_weights, often[0].trainable_weights, strict=True):
        np.testing.assert_array_equal(one.numpy(), other.numpy())


def test_the_validation_is_the_mean_over_the_steps_of_all_calls(keras: Any) -> None:
    case = truncated(2, epochs=None, steps=2, validate_every=2, learning_rate=1e-12)
    model, found = trained_here(case)
    arrays, card = case.examples(NUM_SEQUENCES), case.dataset.card
    inputs, targets = case.view.inputs(arrays, card), case.view.targets(arrays, card)
    whole = truncated(4).build()
    whole.set_weights(model.get_weights())
    outputs = np.concatenate([network_outputs(whole, truncated(4).spec, sequence[None]) for sequence in inputs])
    expected = np.mean(case.architecture.loss(case.spec)(targets, outputs))
    assert found.history[0]["val_loss"] == pytest.approx(float(expected), abs=1e-6)
    assert found.history[0]["val_accuracy"] == pytest.approx((outputs.argmax(-1) == targets).mean(), abs=1e-6)


def test_a_batch_that_would_not_be_full_is_refused_before_training() -> None:
    case = truncated(1, batch_size=5)
    with pytest.raises(UserError, match="do not divide into batches of 5"):
        network_spec(case.view, case.dataset, case.block.training)


def test_calls_that_would_differ_in_length_are_refused_before_training() -> None:
    case = truncated(3)
    with pytest.raises(UserError, match=r"of 4 steps do not divide into calls of 3; .* for truncate_steps: 1, 2, 4$"):
        network_spec(case.view, case.dataset, case.block.training)


@pytest.mark.parametrize("length", [2, 4])
def test_a_lag_that_training_cannot_reach_is_said(
    keras: Any, length: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    case = truncated(length, epochs=1)
    places = replace(Places.of(case.name, case.block.dataset, tmp_path), dataset=case.dataset.folder)
    train(case.name, case.block, places, NoTracker(), Silent())
    said = "truncate_steps is 2 of 4 steps: what lies further back than a call is carried on, but never learnt from"
    assert (said in capsys.readouterr().err) == (length == 2)


@pytest.mark.slow
@pytest.mark.parametrize("bucket", [None, 2])
def test_the_share_of_padding_is_said(
    keras: Any, bucket: int | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    case = next(case for case in ONE_EACH if case.block.model == "sentence_cnn")
    training = case.block.training.model_copy(update={"batch_size": 4, "bucket": bucket, "epochs": 1})
    block = case.block.model_copy(update={"training": training})
    places = replace(Places.of(case.name, case.block.dataset, tmp_path), dataset=case.dataset.folder)
    train(case.name, block, places, NoTracker(), Silent())
    said = r"% of the tokens in its batches are padding" + (r" \(\d+\.\d% without buckets\)\n" if bucket else r"\n")
    assert re.search(said, capsys.readouterr().err)


class NoTracker:
    @contextmanager
    def training(self, record: Any, dataset: Any) -> Any:
        yield []


def train_each_architecture(folder: Path) -> None:
    """Train each architecture for a moment and print the SHA-256 of its weights and history."""
    found = {}
    for case in ONE_EACH:
        places = replace(Places.of(case.name, case.block.dataset, folder), dataset=case.dataset.folder)
        train(case.name, case.block, places, NoTracker(), Silent())
        found[case.name] = [sha256(places.trained / WEIGHTS_FILE), sha256(places.reports / HISTORY_FILE)]
    print(json.dumps(found))


def test_training_in_two_processes_gives_the_same_bytes(tmp_path: Path) -> None:
    path = os.pathsep.join([str(Path(__file__).parent), str(Path.cwd())])
    code = "import sys, pathlib, test_stateful_training as t; t.train_each_architecture(pathlib.Path(sys.argv[1]))"
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path / hash_seed)],
            env=os.environ | {"PYTHONPATH": path, "PYTHONHASHSEED": hash_seed},
            stdout=subprocess.PIPE,
            text=True,
        )
        for hash_seed in ("1", "2")
    ]
    outputs = [process.communicate(timeout=300)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    one, other = (json.loads(output.splitlines()[-1]) for output in outputs)
    assert one == other
    assert len({digests[0] for digests in one.values()}) == len(ONE_EACH)
