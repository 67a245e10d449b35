"""`evaluate@<variant>`: score the exported graphs on the test split, and log exactly what was scored as the model."""

import time
from typing import Any

import numpy as np
import pandas as pd

from pipeline import figures
from pipeline.config import VariantBlock
from pipeline.dataset import Array, Dataset
from pipeline.errors import StageFailure, UserError
from pipeline.files import whole_file, whole_folder, write_json
from pipeline.places import (
    FIGURES_FOLDER,
    HISTORY_FILE,
    INFERENCE_TIMING_FILE,
    METRICS_FILE,
    PREDICTIONS_FILE,
    Places,
    read_history,
)
from pipeline.progress import Bar
from pipeline.runtime import Export

DIGITS = 4
LATENCY_RUNS, LATENCY_WARM_UP = 30, 3


def evaluate(block: VariantBlock, places: Places, bar: Bar) -> dict[str, Any]:
    """Score a variant and write metrics, predictions, figures and timing; returns the metrics."""
    history = read_history(places.reports)
    if not history:
        path = places.reports / HISTORY_FILE
        raise UserError(f"{path}: not found; make it with: dvc repro train@{places.reports.name}")
    export = Export(places.exported)
    dataset = Dataset(places.dataset)
    arrays = dataset.split("test")
    num_examples = dataset.card.num_examples("test")

    def inputs(rows: slice | list[int]) -> Array:
        return export.view.inputs({key: values[rows] for key, values in arrays.items()}, dataset.card)

    outputs = export.run_batches(num_examples, inputs, bar.advance)
    if not np.isfinite(outputs).all():
        raise StageFailure(f"{places.exported}: the export answers NaN or infinity for some test examples")
    targets = export.view.targets(arrays, dataset.card)
    metrics = score(export, outputs, targets, dataset, block)

    pictures = export.task.figures(outputs, targets, dataset.card, inputs)
    with whole_folder(places.reports / FIGURES_FOLDER) as folder:
        figures.save(figures.curves(history), folder / "curves.png")
        for title, figure in pictures.items():
            figures.save(figure, folder / f"{title}.png")
    with whole_file(places.reports / PREDICTIONS_FILE) as aside:
        pd.DataFrame(export.task.predictions(outputs, targets, dataset.card)).to_csv(
            aside, index=False, lineterminator="\n"
        )
    write_json(places.reports / INFERENCE_TIMING_FILE, {"latency_ms": latency(export, inputs([0]))})
    write_json(places.reports / METRICS_FILE, metrics)
    return metrics


def score(export: Export, outputs: Array, targets: Array, dataset: Dataset, block: VariantBlock) -> dict[str, Any]:
    """The content of metrics.json, rounded: `score` is the deciding metric, `ceiling` its best reachable value."""
    task, manifest = export.task, export.manifest
    metrics = {name: round(value, DIGITS) for name, value in task.measure(outputs, targets, dataset.card).items()}
    ceiling = dataset.card.ceilings.get(task.METRIC)
    found, higher = metrics[task.METRIC], task.METRIC not in task.LOWER_IS_BETTER
    return {
        "task": manifest.task,
        "metric": task.METRIC,
        "score": found,
        "ceiling": None if ceiling is None else round(ceiling, DIGITS),
        "share_of_ceiling": None if ceiling is None else round(share(found, ceiling, higher), DIGITS),
        "higher_is_better": higher,
        "num_parameters": manifest.num_parameters,
        "num_examples": dataset.card.num_examples("test"),
        "gate": "passed" if passes(metrics, block.gate, task) else "failed",
        "fingerprint": manifest.fingerprint,
        **metrics,
    }


def share(found: float, ceiling: float, higher_is_better: bool) -> float:
    """How much of the best reachable value was reached."""
    part, whole = (found, ceiling) if higher_is_better else (ceiling, found)
    return part / whole if whole else 1.0


def passes(metrics: dict[str, float], gate: dict[str, float], task: Any) -> bool:
    """Whether every metric of the gate keeps its bound: at least it for those where higher is better."""
    return all(
        metrics[name] <= bound if name in task.LOWER_IS_BETTER else metrics[name] >= bound
        for name, bound in gate.items()
    )


def latency(export: Export, inputs: Array) -> float:
    """Median milliseconds for one example."""
    seconds = []
    for _ in range(LATENCY_WARM_UP + LATENCY_RUNS):
        started = time.perf_counter()
        export.run(inputs)
        seconds.append(time.perf_counter() - started)
    return round(float(np.median(seconds[LATENCY_WARM_UP:])) * 1000, 3)
