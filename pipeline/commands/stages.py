"""The stages, as dvc.yaml calls them."""

import os
from collections.abc import Collection
from pathlib import Path
from typing import Annotated

import typer

from pipeline.commands.app import STAGES, Name, Variant, app
from pipeline.progress import progress_bar, say


@app.command(rich_help_panel=STAGES)
def generate(name: Name) -> None:
    """Draw a synthetic dataset into data/NAME."""
    from pipeline import config
    from pipeline.plugins import load_plugin
    from pipeline.stages.generate import generate as run

    block = config.dataset_block(name)
    source = load_plugin("datasets", block.source, f"params.yaml: datasets.{name}.source")
    card = run(name, source, block.parameters, block.seed, block.splits.model_dump(), Path("data", name))
    _made_dataset("generate", name, card)


@app.command("import", rich_help_panel=STAGES)
def import_(name: Name) -> None:
    """Read your own files into data/NAME."""
    from pipeline import config
    from pipeline.stages.ingest import ingest

    block = config.import_block(name)
    card = ingest(name, block.path, block.format, block.parameters, Path("data", name))
    _made_dataset("import", name, card)
    say(f"import@{name}: {card.text}")


@app.command(rich_help_panel=STAGES)
def derive(name: Name) -> None:
    """Compute data/NAME from another dataset."""
    from pipeline import config
    from pipeline.checking.findings import checks_folder
    from pipeline.plugins import load_plugin
    from pipeline.stages.derive import derive as run

    block = config.derived_block(name)
    method = load_plugin("derivations", block.method, f"params.yaml: derived.{name}.method")
    places = Path(block.dataset), Path(block.start), Path("data", name), checks_folder(name)
    card = run(name, method, block.parameters, *places)
    _made_dataset("derive", name, card)


@app.command(rich_help_panel=STAGES)
def check_data(name: Name) -> None:
    """Check a dataset before anything is trained on it; write reports/data/NAME."""
    from pipeline import config
    from pipeline.checking.failed import drop_failure, keep_failure
    from pipeline.checking.findings import checks_folder
    from pipeline.checking.summary import reference_path
    from pipeline.checking.summary_table import print_summaries
    from pipeline.stages.check_data import check_data as run
    from pipeline.stages.check_data import failure

    imported, limit = config.drift_limit(name)
    reports = checks_folder(name)
    checks = run(Path("data", name), reports, reference_path(name) if imported else None, limit, print_summaries)
    for finding in checks.findings:
        if finding.level == "warning":
            say(f"warning: data/{name}: {finding.line()}")
    if checks.errors:
        keep_failure(checks)
        raise failure(checks)
    drop_failure(name)
    sizes = f"{sum(checks.examples.values()):,} examples"
    say(f"check-data {name}: passed, {sizes}, {checks.warnings} warnings; {reports / 'checks.json'}")


@app.command(rich_help_panel=STAGES)
def train(name: Variant) -> None:
    """Fit a variant's network; write models/VARIANT/train."""
    from pipeline import config
    from pipeline.places import Places
    from pipeline.stages.train import train as run
    from pipeline.tracking.runs import Tracker
    from pipeline.training_bar import accuracy_of, training_bar

    block = config.variant_block(name)
    places = Places.of(name, block.dataset)
    with training_bar(name) as bar:
        fitted = run(name, block, places, Tracker(), bar)
    best = fitted.history[(fitted.best_round if block.training.keep == "best" else len(fitted.history)) - 1]
    say(
        f"train@{name}: validation loss {best['val_loss']:.4f}{accuracy_of(best, 'val_')} "
        f"after {int(best['step'])} of {fitted.num_updates} updates, {fitted.seconds:.1f} s; {places.trained}"
    )


@app.command(rich_help_panel=STAGES)
def export(name: Variant) -> None:
    """Turn a trained network into ONNX and check it; write models/VARIANT/export."""
    os.environ["KERAS_BACKEND"] = "tensorflow"  # whatever trained the network: the way to ONNX begins there
    from pipeline import config
    from pipeline.places import Places
    from pipeline.runtime import megabytes
    from pipeline.stages.export import export as run
    from pipeline.tracking.runs import Tracker

    block = config.variant_block(name)
    places = Places.of(name, block.dataset)
    difference = run(name, block, places)
    Tracker().exported(places.trained, difference)
    size = megabytes(places.exported)
    say(f"export@{name}: {size * 1e3:,.0f} kB, differs from the network by {difference:.0e} at most; {places.exported}")


@app.command(rich_help_panel=STAGES)
def evaluate(name: Variant) -> None:
    """Score a variant's export on the test split; write reports/VARIANT."""
    from pipeline import config
    from pipeline.dataset import read_card
    from pipeline.fingerprint import read_record
    from pipeline.places import Places, read_evaluation, read_history
    from pipeline.stages.evaluate import evaluate as run

    block = config.variant_block(name)
    places = Places.of(name, block.dataset)
    record, card = read_record(places.exported), read_card(places.dataset)
    with progress_bar(f"evaluate@{name}", card.num_examples("test")) as bar:
        metrics = run(block, places, bar)

    from pipeline.tracking.evaluation import Evaluation
    from pipeline.tracking.runs import Tracker  # MLflow takes longer to import than scoring takes

    found = Evaluation(metrics, read_evaluation(places.reports)[1], places)
    where = Tracker().evaluated(record, read_history(places.reports), found)
    most = "at most" if metrics["higher_is_better"] else "at least"
    ceiling = "" if metrics["ceiling"] is None else f" of {most} {metrics['ceiling']:.4f}"
    say(
        f"evaluate@{name}: {metrics['metric']} {metrics['score']:.4f}{ceiling}, gate {metrics['gate']}; "
        f"{places.reports}, {where}"
    )


@app.command(rich_help_panel=STAGES)
def report(
    into: Annotated[
        Path | None,
        typer.Option("--into", help="Also put the table between the `results` marks of this Markdown file."),
    ] = None,
) -> None:
    """Put all variants on one page and in one table; write report/."""
    from pipeline.stages.report import put_into

    make_report()
    if into:
        put_into(into, Path("report", "results.md").read_text(encoding="utf-8"))


def make_report(undone: Collection[str] = ()) -> None:
    """Write the page and the table, without the variants `undone`; say where they are."""
    from pipeline import config
    from pipeline.checking.failed import read_failure
    from pipeline.checking.findings import checks_folder, read_checks
    from pipeline.compared import read_compared
    from pipeline.stages.report import report as run

    params = config.load_params()
    blocks = params["variants"]
    variants = {name: str(block.get("dataset")) for name, block in blocks.items() if isinstance(block, dict)}
    found = {name: read_failure(name) or read_checks(checks_folder(name)) for name in config.dataset_names(params)}
    comparisons = {}
    for name in params["comparisons"]:
        block = config.comparison_block(name, params)
        comparisons[name] = block, read_compared(block.variants, params, Path("reports"))
    missing = run(variants, Path("reports"), Path("report"), undone, found, comparisons)
    lacking = f", without {', '.join(missing)} (no scores)" if missing else ""
    failed = [name for name, checks in found.items() if checks and checks.errors]
    if failed:
        say(f"report: data that failed its checks: {', '.join(failed)}")
    say(f"report: {len(variants) - len(missing)} variants{lacking}; open report/index.html, or read report/results.md")


def _made_dataset(stage: str, name: str, card: object) -> None:
    from pipeline.dataset import Card

    assert isinstance(card, Card)
    sizes = ", ".join(f"{card.num_examples(split):,} {split}" for split in card.splits)
    say(f"{stage}@{name}: {sizes}; data/{name}")
