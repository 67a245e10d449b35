"""A training that is interrupted and goes on from its checkpoint ends like one that nobody disturbed."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from found import ONE_EACH, Case, label

from pipeline.batches import Batches
from pipeline.checkpoint import Checkpoint, Fitted, checkpoint_of
from pipeline.dataset import Array
from pipeline.network import loss_of, prepare_backend
from pipeline.training import Training, fit, split_batches
from pipeline.training_bar import Silent

SEED = 3
# Which weights are kept is no matter of the network.
BEST_AND_LAST = [*((case, "best") for case in ONE_EACH), (ONE_EACH[0], "last")]


class Killed(Exception):
    """In place of a signal, at an update that the test chooses."""


@dataclass
class Killer(Silent):
    """Ends a training at an update, or right after a round."""

    update: int | None = None
    round: int | None = None
    resumed: int | None = None

    def on_resume(self, history: list[dict[str, float]]) -> None:
        self.resumed = int(history[-1]["step"])

    def on_step(self, step: int, num_steps: int, loss: float) -> None:
        if step == self.update:
            raise Killed

    def on_round(self, row: dict[str, float]) -> None:
        if row["epoch"] == self.round:
            raise Killed


def training_of(case: Case, **options: Any) -> Training:
    """Rounds that are no whole passes, a rate that changes, moments in the optimizer."""
    given = {"learning_rate": 0.01, "schedule": "cosine", "clip_norm": 1.0, "steps": 15, "validate_every": 3}
    if case.block.training.truncate_steps:
        given |= {"batch_size": case.spec.batch_size, "truncate_steps": case.block.training.truncate_steps}
    else:
        given |= {"batch_size": 7}
    return Training.model_validate(given | options)


def train(case: Case, training: Training, killer: Killer, checkpoint: Checkpoint | None) -> tuple[list[Array], Fitted]:
    prepare_backend(training, SEED)
    model = case.build()
    batches: list[Batches] = [
        split_batches(case.dataset, split, case.view, training, SEED) for split in ("train", "validation")
    ]
    fitted = fit(model, loss_of(case.architecture, case.spec, training), training, *batches, [killer], checkpoint)
    return model.get_weights(), fitted


def assert_same(found: tuple[list[Array], Fitted], expected: tuple[list[Array], Fitted]) -> None:
    for ours, theirs in zip(found[0], expected[0], strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert found[1].history == expected[1].history
    assert found[1].best_round == expected[1].best_round


@pytest.mark.parametrize(("case", "keep"), BEST_AND_LAST, ids=[f"{label(case)}-{keep}" for case, keep in BEST_AND_LAST])
def test_interrupted_again_and_again_it_ends_with_the_same_weights(
    keras: Any, case: Case, keep: str, tmp_path: Path
) -> None:
    training = training_of(case, keep=keep)
    undisturbed = train(case, training, Killer(), None)
    checkpoint = Checkpoint(tmp_path / "state.npz")
    kills = [Killer(update=2), Killer(update=5), Killer(round=2), Killer(update=13), Killer(round=5)]
    for killer in kills:
        with pytest.raises(Killed):
            train(case, training, killer, checkpoint)
    assert [killer.resumed for killer in kills] == [None, None, 3, 6, 12]
    last = Killer()
    assert_same(train(case, training, last, checkpoint), undisturbed)
    assert last.resumed == 15, "killed after its last round, it has nothing left to fit"


def test_one_that_stopped_early_does_not_begin_again(keras: Any, tmp_path: Path) -> None:
    case = ONE_EACH[0]
    training = training_of(case, steps=60, early_stopping=1, learning_rate=1.0, optimizer="sgd", clip_norm=None)
    undisturbed = train(case, training, Killer(), None)
    rounds = len(undisturbed[1].history)
    assert rounds < 20
    checkpoint = Checkpoint(tmp_path / "state.npz")
    with pytest.raises(Killed):
        train(case, training, Killer(round=rounds), checkpoint)
    assert_same(train(case, training, Killer(), checkpoint), undisturbed)


@pytest.mark.parametrize("damage", ["cut off", "of another network", "no archive"])
def test_a_damaged_checkpoint_is_said_and_not_used(
    keras: Any, tmp_path: Path, damage: str, capfd: pytest.CaptureFixture[str]
) -> None:
    case = ONE_EACH[0]
    training = training_of(case, steps=3)
    undisturbed = train(case, training, Killer(), None)
    checkpoint = Checkpoint(tmp_path / "state.npz")
    if damage == "of another network":
        other = ONE_EACH[1]
        train(other, training_of(other, steps=3), Killer(), checkpoint)
    else:
        train(case, training, Killer(), checkpoint)
        whole = checkpoint.path.read_bytes()
        checkpoint.path.write_bytes(whole[: len(whole) // 2] if damage == "cut off" else b"nothing")
    killer = Killer()
    assert_same(train(case, training, killer, checkpoint), undisturbed)
    assert killer.resumed is None
    assert "state.npz: damaged" in capfd.readouterr().err


def test_the_time_before_the_interruption_counts(keras: Any, tmp_path: Path) -> None:
    case, checkpoint = ONE_EACH[0], Checkpoint(tmp_path / "state.npz")
    with pytest.raises(Killed):
        train(case, training_of(case), Killer(round=2), checkpoint)
    with np.load(checkpoint.path) as arrays:
        before = arrays["fitted"].tobytes().decode()
    seconds = float(before.split('"seconds": ')[1].split(",")[0])
    assert train(case, training_of(case), Killer(), checkpoint)[1].seconds > seconds > 0


def test_checkpoints_that_nobody_took_up_again_are_swept_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    monkeypatch.chdir(tmp_path)
    folder = tmp_path / ".cadence/checkpoints"
    folder.mkdir(parents=True)
    old, young = folder / "old.npz", folder / "young.npz"
    for path, age in ((old, 15), (young, 13)):
        path.write_bytes(b"")
        os.utime(path, (path.stat().st_mtime - age * 86400,) * 2)
    (folder / "cleared_meanwhile.npz").symlink_to("nothing")  # listed, and then not there
    with checkpoint_of("f" * 64) as checkpoint:
        assert checkpoint.path.parent == folder
    assert young.exists() and not old.exists()
