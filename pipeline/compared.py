"""What a figure of several variants is drawn from: their blocks, scores and curves, as the report finds them.

A figure's kind is a plug-in, `pipeline/comparisons/<kind>.py`, with `Parameters` and `draw(compared, parameters)`.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.places import read_evaluation, read_history


@dataclass(frozen=True)
class Compared:
    """One variant that was scored: its block and its dataset's, as in params.yaml, metrics and folder of reports."""

    name: str
    variant: dict[str, Any]
    dataset: dict[str, Any]
    metrics: dict[str, Any]
    folder: Path

    @property
    def history(self) -> list[dict[str, float]]:
        """The rows of its training history."""
        return read_history(self.folder)


def read_compared(names: list[str], params: dict[str, dict[str, Any]], reports: Path) -> list[Compared]:
    """The variants `names` that have scores of their newest training, in this order."""
    found = []
    for name in names:
        metrics, _ = read_evaluation(reports / name)
        variant = params["variants"][name]
        blocks: dict[str, Any] = params["derived"] | params["imports"] | params["datasets"]
        if metrics:
            found.append(Compared(name, variant, blocks[variant["dataset"]], metrics, reports / name))
    return found
