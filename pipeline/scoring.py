"""An export on the test split: what it answers there, and how long it takes."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.dataset import Array, Arrays, Dataset, Description
from pipeline.errors import StageFailure
from pipeline.runtime import Export

LATENCY_RUNS, LATENCY_WARM_UP = 30, 3
Rows = Callable[[slice | list[int]], Array]


@dataclass(frozen=True)
class Answers:
    """Outputs [N, ...] and targets [N, ...] of all test examples, in the units of the data, as tasks take them.

    inputs, shown: give some rows as the network reads them, and as figures show them.
    """

    outputs: Array
    targets: Array
    inputs: Rows
    shown: Rows


def answer_test(export: Export, dataset: Dataset, advance: Callable[[int], Any]) -> Answers:
    """Run an export over the test split; `advance` hears how many examples are done more.

    Raises `StageFailure` where it answers NaN or infinity.
    """
    arrays, view, card = dataset.split("test"), export.view, dataset.card
    inputs, shown = _rows(view.inputs, arrays, card), _rows(view.shown, arrays, card)
    outputs = export.run_batches(card.num_examples("test"), inputs, advance)
    if not np.isfinite(outputs).all():
        raise StageFailure(f"{export.folder}: the export answers NaN or infinity for some test examples")
    found, asked = (view.in_units(values, arrays["x"], card) for values in (outputs, view.targets(arrays, card)))
    return Answers(found, asked, inputs, shown)


def test_inputs(export: Export, dataset: Dataset) -> Rows:
    """What gives an export's inputs of some test examples."""
    return _rows(export.view.inputs, dataset.split("test"), dataset.card)


def _rows(turn: Callable[[Arrays, Description], Array], arrays: Arrays, description: Description) -> Rows:
    return lambda rows: turn({key: values[rows] for key, values in arrays.items()}, description)


def latencies_ms(timed: Sequence[tuple[Export, Array]]) -> list[float]:
    """Median milliseconds of exports for their own inputs, run in turn: what disturbs one disturbs all alike."""
    seconds: list[list[float]] = [[] for _ in timed]
    for _ in range(LATENCY_WARM_UP + LATENCY_RUNS):
        for (export, inputs), durations in zip(timed, seconds, strict=True):
            started = time.perf_counter()
            export.run(inputs)
            durations.append(time.perf_counter() - started)
    return [round(float(np.median(durations[LATENCY_WARM_UP:])) * 1000, 3) for durations in seconds]
