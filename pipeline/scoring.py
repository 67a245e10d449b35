"""An export on the test split: what it answers there, and how long it takes."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.answered_texts import AnsweredTexts, Attended
from pipeline.dataset import END, Array, Arrays, Dataset, Description
from pipeline.decoding.translator import lengths_of
from pipeline.errors import StageFailure
from pipeline.runtime import Export, batch_slices

LATENCY_RUNS, LATENCY_WARM_UP = 30, 3
MAPS, SHORTEST_MAP, LONGEST_MAP = 4, 4, 20  # texts whose attention is shown, and how many tokens such have, if any do
Rows = Callable[[slice | list[int] | Array], Array]


@dataclass(frozen=True)
class Answers:
    """Outputs [N, ...] and targets [N, ...] of all test examples, in the units of the data, as tasks take them.

    inputs, shown: give some rows as the network reads them, and as figures show them. texts: what else there is to know
    where texts are asked for, which outputs and targets then are.
    """

    outputs: Array
    targets: Array
    inputs: Rows
    shown: Rows
    texts: AnsweredTexts | None = None


def answer_test(export: Export, dataset: Dataset, advance: Callable[[int], Any]) -> Answers:
    """Run an export over the test split; `advance` hears how many examples are done more.

    Raises `StageFailure` where it answers NaN or infinity.
    """
    arrays, view, card = dataset.split("test"), export.view, dataset.card
    inputs, shown = _rows(view.inputs, arrays, card), _rows(view.shown, arrays, card)
    if export.writes:
        return _answer_with_texts(export, dataset, advance)
    outputs = export.run_batches(card.num_examples("test"), inputs, advance)
    if not np.isfinite(outputs).all():
        raise StageFailure(f"{export.folder}: the export answers NaN or infinity for some test examples")
    return Answers(view.in_units(outputs, arrays["x"], card), view.references(arrays, card), inputs, shown)


def _answer_with_texts(export: Export, dataset: Dataset, advance: Callable[[int], Any]) -> Answers:
    """Each test example's text and its reference [N]; those that are about equally long are answered together."""
    arrays, view, card = dataset.split("test"), export.view, dataset.card
    inputs, shown = _rows(view.inputs, arrays, card), _rows(view.shown, arrays, card)
    lengths, num_examples = view.lengths(arrays), card.num_examples("test")
    order = np.arange(num_examples) if lengths is None else np.argsort(lengths, kind="stable")
    outputs = export.run_batches(num_examples, inputs, advance, order)
    nats = np.zeros((num_examples, 2))
    for rows in batch_slices(num_examples):
        some = view.trimmed({key: values[order[rows]] for key, values in arrays.items()})
        read, previous = view.training_inputs(some, card)
        nats[order[rows]] = export.translator.nats(read, previous, view.targets(some, card))
    if not np.isfinite(nats).all():
        raise StageFailure(f"{export.folder}: the export answers NaN or infinity for some test examples")
    is_text = card.layout == "texts"
    texts = AnsweredTexts(
        nats,
        sources=view.as_given(arrays, card) if is_text else None,
        lengths=lengths_of(inputs(slice(None))) if is_text else None,
        attended=_attended(export, dataset, outputs) if is_text else [],
    )
    found, asked = view.in_units(outputs, arrays["x"], card), view.references(arrays, card)
    return Answers(found, asked, inputs, shown, texts)


def _attended(export: Export, dataset: Dataset, outputs: Array) -> list[Attended]:
    """Where the export looked while it wrote the answers [N, L] to some texts; nothing if it looks nowhere."""
    arrays, view, card = dataset.split("test"), export.view, dataset.card
    lengths = lengths_of(view.inputs(arrays, card))
    fit = (lengths >= SHORTEST_MAP) & (lengths <= LONGEST_MAP)
    rows = np.flatnonzero(fit if fit.any() else lengths > 0)[:MAPS]
    return attended(export, view.as_given({key: values[rows] for key, values in arrays.items()}, card), outputs[rows])


def attended(export: Export, given: Array, outputs: Array) -> list[Attended]:
    """Where the export looks while it answers texts [N], as a user gives them, with tokens [N, L]."""
    description = export.manifest.description
    assert description.answers, "whoever answers with texts knows how"
    maps = []
    for text, tokens in zip(given, outputs, strict=True):
        written = tokens[tokens > 0]
        weights = export.translator.attention(export.accept(np.array(text)), written[None])
        if weights is None:
            return []
        (source,) = export.view.tokens(np.array(text), description)
        answer = [*(description.answers.vocabulary[token] for token in written), END]
        maps.append(Attended(source, answer, weights[0]))
    return maps


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
