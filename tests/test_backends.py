"""Every architecture learns the same on JAX as on TensorFlow: from the same weights, on the same batches."""

import json
import sys
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from jax_process import run_on_jax

sys.path.insert(0, str(Path(__file__).parents[1]))

from found import ARCHITECTURES, VARIANTS, Case

from pipeline.batches import Batches
from pipeline.network import loss_of, prepare_backend
from pipeline.training import Training, fit
from pipeline.training_bar import Silent

UPDATES = 20
LARGEST_DIFFERENCE = 1e-4


def cases() -> list[Case]:
    """One variant of each architecture, and of some each cell, both directions, attention and padding."""
    found: dict[tuple[Any, ...], Case] = {}
    for case in VARIANTS:
        network = case.block.network
        form = (
            getattr(network, name, None) for name in ("cell", "bidirectional", "decoder", "attention", "input_feeding")
        )
        key = (case.block.model, *form, case.spec.padded)
        found.setdefault(key, case)
    return [without_dropout(case) for case in found.values()]


def without_dropout(case: Case) -> Case:
    network = case.block.network
    if getattr(network, "dropout", 0):
        network = network.model_copy(update={"dropout": 0.0})
    return replace(case, block=case.block.model_copy(update={"network": network}))


class Losses(Silent):
    """Hears the loss of each update."""

    def __init__(self) -> None:
        self.found: list[float] = []

    def on_round(self, row: dict[str, float]) -> None:
        self.found += [row["loss"], row["val_loss"]]


def losses(case: Case) -> list[float]:
    """Training and validation loss after each of the updates."""
    batch_size = case.spec.batch_size or 4
    options = {"learning_rate": 0.01, "batch_size": batch_size, "steps": UPDATES, "validate_every": 1, "clip_norm": 1.0}
    training = Training.model_validate({**options, "truncate_steps": case.block.training.truncate_steps})
    prepare_backend(training, seed=1)
    model = case.build()
    rng = np.random.default_rng(2)
    for weight in model.trainable_weights:
        weight.assign(0.3 * rng.normal(size=weight.shape).astype(np.float32))
    train, validation = (
        Batches(
            arrays=case.examples(8, split),
            view=case.view,
            description=case.dataset.card,
            batch_size=batch_size,
            seed=3,
            shuffle=split == "train",
            truncate_steps=training.truncate_steps,
        )
        for split in ("train", "validation")
    )
    heard = Losses()
    fit(model, loss_of(case.architecture, case.spec, training), training, train, validation, [heard])
    return heard.found


@cache
def on_jax() -> dict[str, list[float]]:
    """The losses of all cases, found in one process, as its start takes longest."""
    code = "import json, test_backends as t; print(json.dumps({case.name: t.losses(case) for case in t.cases()}))"
    return json.loads(run_on_jax(code))


def test_every_architecture_is_tried() -> None:
    assert {case.block.model for case in cases()} == set(ARCHITECTURES)
    recurrent = [case.block.network.cell for case in cases() if case.block.model == "recurrent"]
    assert set(recurrent) == {"lstm", "gru", "simple_rnn", "peephole_lstm"}
    assert any(case.spec.padded for case in cases())


@pytest.mark.full
@pytest.mark.parametrize("case", cases(), ids=lambda case: case.name)
def test_jax_learns_what_tensorflow_learns(keras: Any, case: Case) -> None:
    found = on_jax()[case.name]
    expected = losses(case)
    assert len(expected) == 2 * UPDATES and expected[-2] != expected[0]
    np.testing.assert_allclose(found, expected, atol=LARGEST_DIFFERENCE)
