"""`report`: all variants side by side, as one self-contained page and as a Markdown table."""

import base64
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, FileSystemLoader, select_autoescape

from pipeline.blocks import ComparisonBlock
from pipeline.checking.findings import DataChecks
from pipeline.compared import Compared
from pipeline.errors import UserError
from pipeline.files import whole_file, whole_folder
from pipeline.places import FIGURES_FOLDER, read_evaluation, read_samples
from pipeline.plugins import load_plugin

if TYPE_CHECKING:
    from pipeline.samples import Sample

TEMPLATES = Path(__file__).parents[1] / "templates"
MARKS = ("<!-- results -->", "<!-- /results -->")
UNKNOWN = "–"
COLUMNS = ("variant", "metric", "score", "ceiling", "share", "gate", "parameters", "train s", "latency ms", "run")


@dataclass(frozen=True)
class Row:
    """One variant in the report: its cells, in the order of `COLUMNS`, its figures by title, and what it wrote.

    references: the cells of what simpler readers of its dataset reach, for comparison.
    """

    variant: str
    dataset: str
    cells: tuple[str, ...]
    share: float | None
    figures: dict[str, Path]
    references: tuple[tuple[str, ...], ...]
    samples: "list[Sample]"


def report(
    variants: dict[str, str],
    folder: Path,
    target: Path,
    undone: Collection[str] = (),
    checks: Mapping[str, DataChecks | None] | None = None,
    comparisons: Mapping[str, tuple[ComparisonBlock, list[Compared]]] | None = None,
) -> list[str]:
    """Write the page and the table of `variants` (dataset by name) from `folder`; returns those that have no score.

    undone: variants whose scores are of an earlier state, as their newest run failed: they count as without.
    checks: of every dataset; None where it was not checked.
    comparisons: the figures of several variants, each with those of its variants that have scores.
    """
    rows = [None if name in undone else read_row(name, dataset, folder / name) for name, dataset in variants.items()]
    by_dataset: dict[str, list[Row]] = {}
    missing = []
    for (name, dataset), row in zip(variants.items(), rows, strict=True):
        if row is None:
            missing.append(name)
        else:
            by_dataset.setdefault(dataset, []).append(row)
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=select_autoescape(["html.j2"]),
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["picture"] = lambda path: base64.b64encode(path.read_bytes()).decode()
    content: dict[str, Any] = {"columns": COLUMNS, "by_dataset": by_dataset, "missing": missing, "checks": checks or {}}
    content["failed_data"] = [name for name, found in content["checks"].items() if found and found.errors]
    with whole_folder(target) as aside:
        content["comparisons"] = draw_comparisons(comparisons or {}, undone, aside)
        for template, file in (("report.html.j2", "index.html"), ("results.md.j2", "results.md")):
            (aside / file).write_text(environment.get_template(template).render(content), encoding="utf-8")
    return missing


def draw_comparisons(
    comparisons: Mapping[str, tuple[ComparisonBlock, list[Compared]]], undone: Collection[str], folder: Path
) -> dict[str, tuple[str, Path]]:
    """Draw each figure into `folder`; returns its text and file by its name, without those that have no scores."""
    from pipeline import figures

    drawn = {}
    for name, (block, compared) in comparisons.items():
        current = [one for one in compared if one.name not in undone]
        if current:
            plugin = load_plugin("comparisons", block.figure, name)
            path = folder / f"{name}.png"
            figures.save(plugin.draw(current, block.parameters), path)
            drawn[name] = (block.text, path)
    return drawn


def read_row(name: str, dataset: str, folder: Path) -> Row | None:
    """What a variant's outputs say, as text; None if there is no score of its newest training."""
    metrics, timing = read_evaluation(folder)
    if not metrics:
        return None
    ceiling, share = metrics["ceiling"], metrics["share_of_ceiling"]
    metric = metrics["metric"] + ("" if metrics["higher_is_better"] else " (lower is better)")
    highest = UNKNOWN if ceiling is None else f"{ceiling:.4f}"
    return Row(
        variant=name,
        dataset=dataset,
        cells=(
            name,
            metric,
            f"{metrics['score']:.4f}",
            highest,
            UNKNOWN if share is None else f"{share:.1%}",
            metrics["gate"],
            f"{metrics['num_parameters']:,}",
            f"{timing['train_seconds']:.1f}",
            f"{timing['latency_ms']:.2f}" if "latency_ms" in timing else UNKNOWN,
            f"{name}-{metrics['fingerprint'][:8]}",
        ),
        share=share,
        figures={path.stem: path for path in sorted((folder / FIGURES_FOLDER).glob("*.png"))},
        references=tuple(
            (f"({reader})", metric, f"{reached:.4f}", highest, *[UNKNOWN] * (len(COLUMNS) - 4))
            for reader, reached in metrics.get("references", {}).items()
        ),
        samples=read_samples(folder / FIGURES_FOLDER),
    )


def put_into(document: Path, table: str) -> None:
    """Replace what stands between the marks `<!-- results -->` and `<!-- /results -->` of a Markdown file."""
    before, opening, rest = document.read_text(encoding="utf-8").partition(MARKS[0])
    _, closing, after = rest.partition(MARKS[1])
    if not (opening and closing):
        raise UserError(
            f"{document}: no results marks; allowed: a file with a line {MARKS[0]} and, below it, {MARKS[1]}"
        )
    with whole_file(document) as aside:
        aside.write_text(f"{before}{opening}\n{table.strip()}\n{closing}{after}", encoding="utf-8")
