"""Where the stages of a variant read and write, what the files are called, and how reports are read back."""

import csv
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.errors import UserError
from pipeline.files import read_json

if TYPE_CHECKING:
    from pipeline.samples import Sample

WEIGHTS_FILE = "model.weights.h5"
HISTORY_FILE = "history.csv"
METRICS_FILE = "metrics.json"
PREDICTIONS_FILE = "predictions.csv"
STATISTICS_FILE = "statistics.npy"
TRAIN_TIMING_FILE = "train_timing.json"
INFERENCE_TIMING_FILE = "inference_timing.json"
DERIVE_TIMING_FILE = "derive_timing.json"  # of a dataset, beside what was found in it
FIGURES_FOLDER = "figures"
# Made in some trainings, and handed on: gradients if that is asked for, samples by networks that write.
GRADIENTS_FILE = "gradients.csv"
SAMPLES_FILE = "samples.csv"
MISTAKES_FILE = "mistakes.csv"  # of texts: those answered wrongly, most surely first
# What every metrics.json holds; all other keys are the task's own metrics.
SHARED_KEYS = (
    "task",
    "metric",
    "score",
    "ceiling",
    "share_of_ceiling",
    "higher_is_better",
    "num_parameters",
    "num_examples",
    "gate",
    "fingerprint",
    "test_split",
    "references",
    "signatures",
)


def project_root() -> Path:
    """The project's folder; in a temporary workspace of `dvc exp run`, that of the project it was started from."""
    root = Path(os.environ.get("DVC_ROOT") or Path.cwd()).resolve()
    for parent in root.parents:
        if parent.name == ".dvc" and root.is_relative_to(parent / "tmp"):
            return parent.parent
    return root


@dataclass(frozen=True)
class Places:
    """The folders of one variant: its dataset, and what train, export and evaluate make of it."""

    dataset: Path
    trained: Path
    exported: Path
    reports: Path

    @classmethod
    def of(cls, variant: str, dataset: str, root: Path = Path()) -> "Places":
        """The folders that dvc.yaml names."""
        models = root / "models" / variant
        return cls(root / "data" / dataset, models / "train", models / "export", root / "reports" / variant)


def read_history(folder: Path) -> list[dict[str, float]]:
    """The rows of the training history; none where there is none. A damaged file is a `UserError`."""
    path = folder / HISTORY_FILE
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    try:
        return [{name: float(value) for name, value in row.items()} for row in rows]
    except (TypeError, ValueError) as error:  # a row that is longer or shorter than the heading, or no number
        raise UserError(f"{path}: damaged ({error}); make it again with: dvc repro train@{folder.name}") from None


def read_samples(folder: Path) -> "list[Sample]":
    """What a language model wrote in training; nothing where there is no such file. A damaged one is a `UserError`."""
    path = folder / SAMPLES_FILE
    if not path.is_file():
        return []
    try:
        with path.open(newline="", encoding="utf-8") as file:
            return [
                {"round": int(row["round"]), "temperature": float(row["temperature"]), "text": row["text"]}
                for row in csv.DictReader(file)
            ]
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"{path}: damaged ({error}); make it again with: dvc repro -f on its stage") from None


def read_evaluation(folder: Path) -> tuple[dict[str, Any], dict[str, float]]:
    """Metrics and timings of a variant; empty where it was not evaluated, or trained again since."""
    metrics, training, inference = (
        read_json(folder / file) if (folder / file).is_file() else {}
        for file in (METRICS_FILE, TRAIN_TIMING_FILE, INFERENCE_TIMING_FILE)
    )
    if metrics.get("fingerprint") != training.pop("fingerprint", None):
        return {}, {}
    return metrics, training | inference


def task_metrics(metrics: dict[str, Any]) -> dict[str, float]:
    """The task's own metrics in the content of a metrics.json."""
    return {name: value for name, value in metrics.items() if name not in SHARED_KEYS}
