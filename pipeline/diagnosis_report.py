"""The diagnosis of a variant from its files: text for a person, JSON for a program, one table of all variants."""

import json
import math
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pipeline.blocks import VariantBlock
from pipeline.config import load_params, variant_block
from pipeline.diagnosis import Diagnosis, diagnose
from pipeline.errors import UserError
from pipeline.fingerprint import read_record
from pipeline.places import HISTORY_FILE, Places, read_evaluation, read_history
from pipeline.remedies import Remedy, remedies

BLOCKS = "▁▂▃▄▅▆▇█"
WIDEST = 60  # rounds drawn, evenly chosen where there are more
CURVES = ("loss", "val_loss")
NOTHING = "–"


class Examined(NamedTuple):
    """A variant's curves and what they say. changed: what of its training differs from params.yaml; mostly nothing."""

    variant: str
    history: list[dict[str, float]]
    diagnosis: Diagnosis
    remedies: list[Remedy]
    changed: str


class EveryVariant(NamedTuple):
    """All variants of params.yaml: those with a history, names without one, and errors in the blocks of others."""

    examined: list[Examined]
    untrained: list[str]
    problems: list[str]


def examine(variant: str) -> Examined:
    """Diagnose one variant.

    Raises:
        UserError: params.yaml has no such variant, or an error in it, or it was not trained here.
    """
    block = variant_block(variant)
    places = Places.of(variant, block.dataset)
    history = read_history(places.reports)
    if not history:
        path = places.reports / HISTORY_FILE
        raise UserError(f"{path}: not found, {variant} was not trained here; make it with: dvc repro train@{variant}")
    metrics, _ = read_evaluation(places.reports)
    diagnosis = diagnose(history, metrics, continued=block.start != f"data/{block.dataset}")
    tried = remedies(variant, diagnosis, block, history)
    return Examined(variant, history, diagnosis, tried, _changed(block, places))


def examine_all() -> EveryVariant:
    """Diagnose every variant that has a history, in the order of params.yaml; an error in one stops no other."""
    examined, untrained, problems = [], [], []
    for variant in load_params()["variants"]:
        if not (Path("reports", str(variant)) / HISTORY_FILE).is_file():
            untrained.append(str(variant))
            continue
        try:
            examined.append(examine(variant))
        except UserError as error:
            problems.append(str(error))
    return EveryVariant(examined, untrained, problems)


def as_text(found: Examined) -> Iterator[str]:
    """Lines: verdict, both curves, the reason, what to try next, and the command that tries the first of it."""
    yield f"{found.variant}: {found.diagnosis.verdict}"
    lines = sparklines([[row[name] for row in found.history] for name in CURVES])
    for name, line in zip(CURVES, lines, strict=True):
        yield f"  {name:<8}  {line}  {found.history[0][name]:.4g} -> {found.history[-1][name]:.4g}"
    yield f"why: {found.diagnosis.reason}"
    yield "next:"
    yield from (f"  {number}. {remedy}" for number, remedy in enumerate(found.remedies, start=1))
    if first := _first_setting(found):
        setting = shlex.quote(f"variants.{found.variant}.{first.key}={json.dumps(first.then)}")
        yield f"try {first.key}: python -m pipeline set {setting} && dvc exp run evaluate@{found.variant}"


def as_json(found: Examined) -> dict[str, Any]:
    """The same as an object; `key`, `now` and `then` of a remark are null."""
    return {
        "variant": found.variant,
        "verdict": found.diagnosis.verdict,
        "sign": found.diagnosis.sign,
        "reason": found.diagnosis.reason,
        "next": [
            {"key": remedy.key, "now": remedy.now, "then": remedy.then, "why": remedy.why} for remedy in found.remedies
        ],
    }


def print_table(examined: Sequence[Examined]) -> None:
    """One row for each variant, on stdout."""
    from rich.console import Console
    from rich.table import Column, Table

    table = Table(Column("variant", no_wrap=True), "verdict", *CURVES, "next")
    for found in examined:
        ends = (f"{found.history[-1][name]:.4g}" for name in CURVES)
        first = _first_setting(found)
        table.add_row(found.variant, found.diagnosis.verdict, *ends, first.short if first else NOTHING)
    Console(highlight=False).print(table)


def sparklines(curves: Sequence[Sequence[float]]) -> list[str]:
    """Each curve as a row of blocks, all on one scale: of logarithms, as the figures have it, where all are above 0."""
    logarithmic = all(value > 0 for curve in curves for value in curve)
    heights = [[math.log(value) if logarithmic else value for value in _thinned(curve)] for curve in curves]
    lowest, highest = min(map(min, heights)), max(map(max, heights))
    step = (highest - lowest) / (len(BLOCKS) - 1) or 1.0
    return ["".join(BLOCKS[round((height - lowest) / step)] for height in curve) for curve in heights]


def _thinned(curve: Sequence[float]) -> list[float]:
    """Values of at most `WIDEST` rounds, the first and the last among them."""
    if len(curve) <= WIDEST:
        return list(curve)
    return [curve[round(place * (len(curve) - 1) / (WIDEST - 1))] for place in range(WIDEST)]


def _first_setting(found: Examined) -> Remedy | None:
    return next((remedy for remedy in found.remedies if remedy.key), None)


def _changed(block: VariantBlock, places: Places) -> str:
    """Which keys the weights here were trained with another value of; nothing where only the history is here."""
    try:
        trained = read_record(places.trained).parameters
    except UserError:
        return ""
    now = {"training": block.training.model_dump(mode="json"), "network": block.network.model_dump(mode="json")}
    return ", ".join(
        f"{part}.{key}" for part, values in now.items() for key in values if values[key] != trained[part].get(key)
    )
