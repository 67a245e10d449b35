"""Two versions of an import side by side, for the person who is to accept the second."""

from collections.abc import Sequence

from rich.box import SIMPLE
from rich.table import Table

from pipeline.checking.summary import DataSummary
from pipeline.dataset import SPLITS
from pipeline.progress import console

UNKNOWN = "–"
LABELS_SHOWN, FEATURES_SHOWN = 8, 2


def print_summaries(accepted: DataSummary | None, found: DataSummary) -> None:
    """Print counts, label shares and quantiles of the accepted version and of the one that is here."""
    table = Table(title=f"data/{found.dataset}", title_justify="left", box=SIMPLE, pad_edge=False)
    for heading in ("", "accepted", "here"):
        table.add_column(heading)
    before, after = (_rows(summary) if summary else {} for summary in (accepted, found))
    for row in before | after:
        old, new = before.get(row, UNKNOWN), after.get(row, UNKNOWN)
        table.add_row(row, old, new, style="bold" if accepted and old != new else "")
    console.print(table)


def _rows(summary: DataSummary) -> dict[str, str]:
    rows = {
        "train, validation, test": ", ".join(f"{summary.examples[split]:,}" for split in SPLITS),
        "an example": f"{summary.layout} {summary.shape} {summary.dtype}",
    }
    if summary.names:
        rows["symbols" if summary.layout == "symbols" else "labels"] = str(len(summary.names))
    shares = [_shares(summary.labels[split]) for split in SPLITS]
    for name, *by_split in list(zip(summary.names, *shares, strict=True))[:LABELS_SHOWN]:
        rows[f"share of {name}"] = ", ".join(by_split)
    for name, feature in list(summary.features.items())[:FEATURES_SHOWN]:
        quantiles = feature.quantiles
        rows[f"{name} (least, median, most)"] = ", ".join(
            f"{value:.3g}" for value in (quantiles[0], quantiles[len(quantiles) // 2], quantiles[-1])
        )
    return rows


def _shares(counts: Sequence[int]) -> list[str]:
    return [f"{count / sum(counts):.1%}" for count in counts]
