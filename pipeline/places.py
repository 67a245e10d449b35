"""Where the stages of a variant read and write, what the files are called, and how reports are read back."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

WEIGHTS_FILE = "model.weights.h5"
HISTORY_FILE = "history.csv"
METRICS_FILE = "metrics.json"
PREDICTIONS_FILE = "predictions.csv"
TRAIN_TIMING_FILE = "train_timing.json"
INFERENCE_TIMING_FILE = "inference_timing.json"
FIGURES_FOLDER = "figures"
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
)


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
    """The rows of the training history."""
    path = folder / HISTORY_FILE
    if not path.is_file():
        return []
    return [{str(name): float(value) for name, value in row.items()} for row in pd.read_csv(path).to_dict("records")]


def read_evaluation(folder: Path) -> tuple[dict[str, Any], dict[str, float]]:
    """Metrics and timings of a variant; empty where it was not evaluated."""
    metrics = _read(folder / METRICS_FILE)
    return metrics, _read(folder / TRAIN_TIMING_FILE) | _read(folder / INFERENCE_TIMING_FILE)


def _read(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


def task_metrics(metrics: dict[str, Any]) -> dict[str, float]:
    """The task's own metrics in the content of a metrics.json."""
    return {name: value for name, value in metrics.items() if name not in SHARED_KEYS}
