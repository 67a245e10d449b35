"""Where a training stands after each round, so that one that was killed goes on from there with the same result.

Checkpoints lie in an ignored scratch folder, a file for each fingerprint, which is the hash of all that determines the
weights. They are no stage's output, so DVC's run cache works as ever. The order of examples is drawn from the seed and
the number of the pass, so that a restored training sees what it would have seen.
"""

import json
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from filelock import FileLock, Timeout

from pipeline.dataset import Array
from pipeline.files import whole_file
from pipeline.places import project_root
from pipeline.progress import say
from pipeline.samples import Sample

if TYPE_CHECKING:
    import keras

FOLDER = Path(".cadence", "checkpoints")
SECONDS_KEPT = 14 * 24 * 3600  # of a training that nobody took up again
DAMAGED = (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile)


@dataclass
class Fitted:
    """history: one row per validation. seconds: of fitting, tracing included. best_round: counted from 1.
    samples: what a language model wrote meanwhile."""

    history: list[dict[str, float]] = field(default_factory=list)
    seconds: float = 0.0
    best_round: int = 0
    samples: list[Sample] = field(default_factory=list)

    @property
    def num_updates(self) -> int:
        """How many updates were made up to the last validation."""
        return int(self.history[-1]["step"]) if self.history else 0

    @property
    def best_loss(self) -> float:
        """The validation loss of the best round; infinite before the first."""
        return self.history[self.best_round - 1]["val_loss"] if self.best_round else float("inf")


class Checkpoint:
    """The checkpoint of one training, held by this process alone."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.useless = False

    def save(self, model: "keras.Model", fitted: Fitted, best_weights: list[Array] | None) -> None:
        """Keep the state after a round; a disk that is full or read-only costs the checkpoint, not the training."""
        if self.useless:
            return
        arrays = {f"state.{n}": np.asarray(value) for n, value in enumerate(_state(model))}
        arrays |= {f"best.{n}": value for n, value in enumerate(best_weights or [])}
        arrays["fitted"] = np.frombuffer(json.dumps(asdict(fitted)).encode(), dtype=np.uint8)
        try:
            with whole_file(self.path) as aside, aside.open("wb") as file:
                np.savez(file, allow_pickle=False, **arrays)
        except OSError as error:
            self.useless = True
            say(f"{self.path}: no checkpoint can be written ({error.strerror}); going on without")

    def restore(self, model: "keras.Model") -> tuple[Fitted, list[Array] | None]:
        """Put a compiled model into the state of its last checkpoint; untouched, and nothing fitted, if there is none.

        Returns what was fitted, and the weights of the best round where they were kept.
        """
        if not self.path.is_file():
            return Fitted(), None
        try:
            with np.load(self.path, allow_pickle=False) as arrays:
                fitted = Fitted(**json.loads(arrays["fitted"].tobytes()))
                state = [arrays[f"state.{n}"] for n in range(len(_state(model)))]
                best = [arrays[f"best.{n}"] for n in range(len(model.weights))] if "best.0" in arrays else None
            if [value.shape for value in state] != [tuple(variable.shape) for variable in _variables(model)]:
                raise ValueError("of another network")
        except DAMAGED as error:
            say(f"{self.path}: damaged ({error}); beginning anew")
            return Fitted(), None
        for variable, value in zip(_variables(model), state, strict=True):
            variable.assign(value)
        return fitted, best

    def clear(self) -> None:
        """The training is done: its outputs say the same."""
        self.path.unlink(missing_ok=True)


@contextmanager
def checkpoint_of(fingerprint: str) -> Iterator[Checkpoint]:
    """The checkpoint of a training; waits while another process trains the same. Old checkpoints are swept away."""
    root = project_root() / FOLDER
    root.mkdir(parents=True, exist_ok=True)
    for left in root.iterdir():
        with suppress(FileNotFoundError):  # another training clears its own
            if time.time() - left.stat().st_mtime > SECONDS_KEPT:
                left.unlink()
    path = root / f"{fingerprint[:16]}.npz"
    lock = FileLock(path.with_suffix(".lock"))
    try:
        lock.acquire(timeout=0)
    except Timeout:
        say("waiting for another process that trains the same")
        lock.acquire()
    try:
        yield Checkpoint(path)
    finally:
        lock.release()


def _variables(model: "keras.Model") -> list[Any]:
    """All that training changes: weights, carried states, the states of random generators, the optimizer's moments."""
    return [*model.variables, *model.optimizer.variables]


def _state(model: "keras.Model") -> list[Any]:
    return [variable.value for variable in _variables(model)]
