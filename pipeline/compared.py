"""What a figure of several variants is drawn from: their blocks, scores and curves, as the report finds them.

A figure's kind is a plug-in, `pipeline/comparisons/<kind>.py`, with `Parameters` and `draw(compared, parameters)`;
where it cannot show every variant, also with `check(blocks, parameters)`, which raises `ValueError` beforehand.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.files import read_json
from pipeline.places import DERIVE_TIMING_FILE, PREDICTIONS_FILE, read_evaluation, read_history


@dataclass(frozen=True)
class Blocks:
    """One variant: its block and its dataset's, as in params.yaml."""

    name: str
    variant: dict[str, Any]
    dataset: dict[str, Any]


@dataclass(frozen=True)
class Compared(Blocks):
    """One variant that was scored: also its metrics, and its folder of reports."""

    metrics: dict[str, Any]
    folder: Path

    @property
    def history(self) -> list[dict[str, float]]:
        """The rows of its training history."""
        return read_history(self.folder)

    @property
    def timings(self) -> dict[str, float]:
        """What was measured of its training, of its answering, and of the making of its dataset, if that is derived."""
        path = self.folder.parent / "data" / self.variant["dataset"] / DERIVE_TIMING_FILE
        return read_evaluation(self.folder)[1] | (read_json(path) if path.is_file() else {})


def blocks_of(name: str, params: dict[str, dict[str, Any]]) -> Blocks:
    """The blocks of a variant, whose dataset there must be."""
    variant = params["variants"][name]
    datasets: dict[str, Any] = params["derived"] | params["imports"] | params["datasets"]
    return Blocks(name, variant, datasets[variant["dataset"]])


def read_compared(names: list[str], params: dict[str, dict[str, Any]], reports: Path) -> list[Compared]:
    """The variants `names` that have scores of their newest training and were scored here, in this order.

    A clone holds the scores of all, and of those that nobody made in it nothing to draw: those are left out."""
    found = []
    for name in names:
        metrics, _ = read_evaluation(reports / name)
        if metrics and (reports / name / PREDICTIONS_FILE).is_file():
            blocks = blocks_of(name, params)
            found.append(Compared(name, blocks.variant, blocks.dataset, metrics, reports / name))
    return found
