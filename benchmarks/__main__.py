"""`python -m benchmarks [NAMES] [--quick]`: run the comparisons and print one table."""

import json
import os
import platform
import time
from dataclasses import asdict
from importlib import import_module, metadata
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from benchmarks.measuring import ROOT, Row

COMPARISONS = (
    "generation",
    "training",
    "recurrent",
    "forecasting",
    "texts",
    "images",
    "tagging",
    "decoding",
    "memory",
    "language",
    "translation",
    "video",
    "startup",
    "serving",
)
RESULTS_FILE = ROOT / "benchmarks" / "results.json"
PACKAGES = ("numpy", "tensorflow", "keras", "dvc", "mlflow", "onnxruntime")
VERDICTS = {True: "[green]met[/]", False: "[red]missed[/]", None: ""}
console = Console()


def main(
    names: Annotated[list[str] | None, typer.Argument(help=f"{', '.join(COMPARISONS)}; all if none is named.")] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Few rounds, small sizes: does it run? Saves nothing.")
    ] = False,
) -> None:
    """Measure the project against what one would write instead. Bars missed are shown, and are no error."""
    chosen = names or list(COMPARISONS)
    for name in chosen:
        if name not in COMPARISONS:
            raise typer.BadParameter(f"no comparison {name!r}; allowed: {', '.join(COMPARISONS)}")
    found = {}
    for name in chosen:
        console.print(f"{name} ...", style="dim")
        comparison = import_module(f"benchmarks.{name}")
        found[name] = comparison.rows(quick)
        show(f"{name}: {comparison.TITLE}", found[name])
    rows = [row for each in found.values() for row in each]
    missed = [row.comparison for row in rows if row.met is False]
    console.print(machine(), style="dim")
    console.print(
        f"{sum(row.met is True for row in rows)} bars met, {len(missed)} missed" + ": " * bool(missed), end=""
    )
    console.print("; ".join(missed))
    if quick:
        console.print("--quick: sizes and rounds are too small for these numbers to mean anything; nothing was saved")
    else:
        save(found)


def show(title: str, rows: list[Row]) -> None:
    """The table of one comparison."""
    table = Table("comparison", "ours", "peer", "ratio", "bar", "", title=title, title_justify="left")
    for row in rows:
        table.add_row(row.comparison, row.ours, row.peer, row.ratio, row.bar, VERDICTS[row.met])
    console.print(table)


def machine() -> str:
    """Processor, system and versions."""
    cpu_file = Path("/proc/cpuinfo")
    lines = cpu_file.read_text(encoding="utf-8").splitlines() if cpu_file.is_file() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    load = f"load {os.getloadavg()[0]:.1f}"
    versions = ", ".join(f"{package} {metadata.version(package)}" for package in PACKAGES)
    model = models[0] if models else platform.processor()
    return f"{os.cpu_count()} cores, {model}, {load}; Python {platform.python_version()}, {versions}"


def save(found: dict[str, list[Row]]) -> None:
    """Replace the results of what was measured, keep the others."""
    results: dict[str, Any] = json.loads(RESULTS_FILE.read_text(encoding="utf-8")) if RESULTS_FILE.is_file() else {}
    for name, rows in found.items():
        results[name] = {"date": time.strftime("%Y-%m-%d"), "machine": machine(), "rows": [asdict(row) for row in rows]}
    RESULTS_FILE.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    console.print(f"Saved in {RESULTS_FILE.relative_to(ROOT)}", style="dim")


if __name__ == "__main__":
    typer.run(main)
