"""An export on the test split: what it answers there, and how long it takes."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.dataset import Array, Dataset
from pipeline.errors import StageFailure
from pipeline.runtime import Export

LATENCY_RUNS, LATENCY_WARM_UP = 30, 3
Inputs = Callable[[slice | list[int]], Array]


@dataclass(frozen=True)
class Answers:
    """Outputs [N, ...] and targets [N, ...] of all test examples; `inputs` gives the network's inputs of some rows."""

    outputs: Array
    targets: Array
    inputs: Inputs


def answer_test(export: Export, dataset: Dataset, advance: Callable[[int], Any]) -> Answers:
    """Run an export over the test split; `advance` hears how many examples are done more.

    Raises `StageFailure` where it answers NaN or infinity.
    """
    inputs, targets = test_examples(export, dataset)
    outputs = export.run_batches(dataset.card.num_examples("test"), inputs, advance)
    if not np.isfinite(outputs).all():
        raise StageFailure(f"{export.folder}: the export answers NaN or infinity for some test examples")
    return Answers(outputs, targets, inputs)


def test_examples(export: Export, dataset: Dataset) -> tuple[Inputs, Array]:
    """What gives an export's inputs of some test examples, and the targets [N, ...] of all."""
    arrays = dataset.split("test")

    def inputs(rows: slice | list[int]) -> Array:
        return export.view.inputs({key: values[rows] for key, values in arrays.items()}, dataset.card)

    return inputs, export.view.targets(arrays, dataset.card)


def latencies_ms(timed: Sequence[tuple[Export, Array]]) -> list[float]:
    """Median milliseconds of exports for their own inputs, run in turn: what disturbs one disturbs all alike."""
    seconds: list[list[float]] = [[] for _ in timed]
    for _ in range(LATENCY_WARM_UP + LATENCY_RUNS):
        for (export, inputs), durations in zip(timed, seconds, strict=True):
            started = time.perf_counter()
            export.run(inputs)
            durations.append(time.perf_counter() - started)
    return [round(float(np.median(durations[LATENCY_WARM_UP:])) * 1000, 3) for durations in seconds]
