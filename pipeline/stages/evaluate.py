"""`evaluate@<variant>`: score the exported graphs on the test split, and log exactly what was scored as the model."""

import shutil
from typing import Any

import numpy as np
import pandas as pd

from pipeline import figures
from pipeline.blocks import VariantBlock
from pipeline.dataset import Dataset
from pipeline.errors import UserError
from pipeline.files import whole_file, whole_folder, write_json
from pipeline.places import (
    FIGURES_FOLDER,
    GRADIENTS_FILE,
    HISTORY_FILE,
    INFERENCE_TIMING_FILE,
    METRICS_FILE,
    MISTAKES_FILE,
    PREDICTIONS_FILE,
    SAMPLES_FILE,
    STATISTICS_FILE,
    Places,
    read_history,
)
from pipeline.progress import Bar
from pipeline.runtime import Export
from pipeline.scoring import Answers, answer_test, latencies_ms

DIGITS = 4


def evaluate(block: VariantBlock, places: Places, bar: Bar) -> dict[str, Any]:
    """Score a variant and write metrics, predictions, statistics, figures and timing; returns the metrics."""
    history = read_history(places.reports)
    if not history:
        path = places.reports / HISTORY_FILE
        raise UserError(f"{path}: not found; make it with: dvc repro train@{places.reports.name}")
    export = Export(places.exported)
    dataset = Dataset(places.dataset)
    answers = answer_test(export, dataset, bar.advance)
    outputs, targets = answers.outputs, answers.targets
    more = () if answers.texts is None else (answers.texts,)
    metrics = score(export, answers, dataset, block)

    card = export.described(dataset.card)
    pictures = export.task.figures(outputs, targets, card, answers.shown, *more)
    with whole_folder(places.reports / FIGURES_FOLDER) as folder:
        figures.save(figures.curves(history), folder / "curves.png")
        for title, figure in pictures.items():
            figures.save(figure, folder / f"{title}.png")
        if hasattr(export.task, "mistakes") and dataset.card.layout == "texts":
            wrong = export.task.mistakes(outputs, targets, card, answers.inputs)
            pd.DataFrame(wrong).to_csv(folder / MISTAKES_FILE, index=False, lineterminator="\n")
        if (places.exported / GRADIENTS_FILE).is_file():
            gradients = pd.read_csv(places.exported / GRADIENTS_FILE)
            # Kept beside its picture for the figures of several variants.
            gradients.to_csv(folder / GRADIENTS_FILE, index=False, lineterminator="\n")
            figures.save(figures.gradients({places.reports.name: gradients}), folder / "gradients.png")
        if (places.exported / SAMPLES_FILE).is_file():
            shutil.copyfile(places.exported / SAMPLES_FILE, folder / SAMPLES_FILE)
    with whole_file(places.reports / PREDICTIONS_FILE) as aside:
        pd.DataFrame(export.task.predictions(outputs, targets, card, *more)).to_csv(
            aside, index=False, lineterminator="\n"
        )
    with whole_file(places.reports / STATISTICS_FILE) as aside, aside.open("wb") as file:
        np.save(file, export.task.statistics(outputs, targets, card), allow_pickle=False)
    (latency,) = latencies_ms([(export, answers.inputs([0]))])
    write_json(places.reports / INFERENCE_TIMING_FILE, {"latency_ms": latency})
    write_json(places.reports / METRICS_FILE, metrics)
    return metrics


def score(export: Export, answers: Answers, dataset: Dataset, block: VariantBlock) -> dict[str, Any]:
    """The content of metrics.json, rounded: `score` is the deciding metric, `ceiling` its best reachable value.

    signatures: how others' programs computed the metrics, by their name.
    """
    task, manifest = export.task, export.manifest
    more = () if answers.texts is None else (answers.texts,)
    measured = task.measure(answers.outputs, answers.targets, export.described(dataset.card), *more)
    metrics = {name: round(value, DIGITS) for name, value in measured.items()}
    ceiling = dataset.card.ceilings.get(task.METRIC)
    found, higher = metrics[task.METRIC], task.METRIC not in task.LOWER_IS_BETTER
    reached = {name: known[task.METRIC] for name, known in dataset.card.references.items() if task.METRIC in known}
    references = {name: round(value, DIGITS) for name, value in reached.items()}
    return {
        "task": manifest.task,
        "metric": task.METRIC,
        "score": found,
        "ceiling": None if ceiling is None else round(ceiling, DIGITS),
        "share_of_ceiling": None if ceiling is None else round(share(found, ceiling, higher), DIGITS),
        "higher_is_better": higher,
        "num_parameters": manifest.num_parameters,
        "num_examples": dataset.card.num_examples("test"),
        "gate": verdict(metrics, block.gate, task),
        "fingerprint": manifest.fingerprint,
        "test_split": dataset.card.split_hash("test"),
        **({"references": references} if references else {}),
        **({"signatures": task.signatures()} if hasattr(task, "signatures") else {}),
        **metrics,
    }


def share(found: float, ceiling: float, higher_is_better: bool) -> float:
    """How much of the best reachable value was reached."""
    part, whole = (found, ceiling) if higher_is_better else (ceiling, found)
    return part / whole if whole else 1.0


def verdict(metrics: dict[str, float], gate: dict[str, float], task: Any) -> str:
    """`passed`, `failed`, or `none` where nothing is asked."""
    if not gate:
        return "none"
    return "passed" if passes(metrics, gate, task) else "failed"


def passes(metrics: dict[str, float], gate: dict[str, float], task: Any) -> bool:
    """Whether every metric of the gate keeps its bound: at least it for those where higher is better."""
    return all(
        metrics[name] <= bound if name in task.LOWER_IS_BETTER else metrics[name] >= bound
        for name, bound in gate.items()
    )
