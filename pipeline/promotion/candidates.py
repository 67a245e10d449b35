"""The scored variants of a dataset, from their outputs: who may become its champion."""

from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from pipeline.blocks import PromotionBlock
from pipeline.config import UPPER_BOUNDS
from pipeline.dataset import Array, Card
from pipeline.errors import UserError
from pipeline.fingerprint import TrainingRecord, hash_export, read_record
from pipeline.places import INFERENCE_TIMING_FILE, STATISTICS_FILE, Places, read_evaluation
from pipeline.plugins import load_plugin
from pipeline.runtime import megabytes

PASSED = "passed"


@dataclass(frozen=True)
class Scored:
    """A variant with its current evaluation: content of metrics.json and timings, statistics [N, K], hash and size."""

    record: TrainingRecord
    places: Places
    metrics: dict[str, Any]
    timing: dict[str, float]
    statistics: Array
    export: str
    megabytes: float

    @property
    def task(self) -> ModuleType:
        """What it was measured by."""
        return load_plugin("tasks", self.metrics["task"], str(self.places.reports))

    def rank(self) -> tuple[float, float]:
        """Sorts the best first: by the deciding metric, not rounded, then by size."""
        value = float(self.task.metric_of(self.statistics.sum(axis=0)))
        return value if self.task.METRIC in self.task.LOWER_IS_BETTER else -value, self.megabytes

    def gates(self, settings: PromotionBlock) -> dict[str, str]:
        """For the variant's own gate and every bound of `promotion`: `passed`, or what was found instead."""
        verdicts = {"own gate": PASSED if self.metrics["gate"] in (PASSED, "none") else "failed"}
        found = self.metrics | {"megabytes": self.megabytes} | self.timing
        for name, bound in settings.gate.items():
            value = found.get(name)
            if value is None:
                verdicts[name] = f"task {self.metrics['task']} does not measure it"
            elif name in UPPER_BOUNDS or name in self.task.LOWER_IS_BETTER:
                verdicts[name] = PASSED if value <= bound else f"{value:.4g} is above {bound:g}"
            else:
                verdicts[name] = PASSED if value >= bound else f"{value:.4g} is below {bound:g}"
        return verdicts


def scored_variants(dataset: str, params: dict[str, dict[str, Any]], card: Card) -> tuple[list[Scored], dict[str, str]]:
    """The variants of a dataset that are scored on its test split, the best first; and why others are left out.

    Raises `UserError` where there is none, or where they are measured by different tasks.
    """
    found, left_out = [], {}
    for name, block in params["variants"].items():
        if isinstance(block, dict) and block.get("dataset") == dataset:
            scored = _scored(Places.of(str(name), dataset), card)
            if isinstance(scored, str):
                left_out[str(name)] = scored
            else:
                found.append(scored)
    if not found:
        reasons = "; ".join(f"{name} is {why}" for name, why in left_out.items()) or "no variant has it as its dataset"
        raise UserError(f"promote {dataset}: no scored variant ({reasons}); make scores with: dvc repro")
    tasks = {scored.metrics["task"] for scored in found}
    if len(tasks) > 1:
        raise UserError(
            f"promote {dataset}: its variants are measured by different tasks ({', '.join(sorted(tasks))}); "
            "allowed: one task for all variants of a dataset that has a champion"
        )
    return sorted(found, key=Scored.rank), left_out


def _scored(places: Places, card: Card) -> Scored | str:
    """A variant with its scores, or what it lacks."""
    metrics, timing = read_evaluation(places.reports)
    if not all((places.reports / file).is_file() for file in (STATISTICS_FILE, INFERENCE_TIMING_FILE)) or not metrics:
        return "not scored"
    try:
        record = read_record(places.exported)
    except UserError:
        return "not exported"
    if metrics["fingerprint"] != record.fingerprint:
        return "not scored since its last training"
    if metrics.get("test_split") != card.split_hash("test"):
        return "scored on another test split than data/ holds now"
    return Scored(
        record=record,
        places=places,
        metrics=metrics,
        timing=timing,
        statistics=read_statistics(places.reports / STATISTICS_FILE),
        export=hash_export(places.exported),
        megabytes=megabytes(places.exported),
    )


def read_statistics(path: Path) -> Array:
    """Statistics [N, K] as `evaluate` wrote them; a damaged file is a `UserError`."""
    try:
        statistics: Array = np.load(path, allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise UserError(f"{path}: damaged, not an array ({error}); make it again with dvc repro") from None
    return statistics
