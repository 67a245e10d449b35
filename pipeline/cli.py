"""The command line. What a command needs is imported when it runs, so that `--help` answers at once."""

import os
import sys
from collections.abc import Collection
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from pipeline.errors import StageFailure, UserError
from pipeline.progress import progress_bar, say


class Commands(TyperGroup):
    """Says what a Ctrl-C has left; Typer alone would end in silence."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command that was asked for."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            by_dvc = "DVC_STAGE" in os.environ  # which took the earlier outputs away before it called the stage
            say("interrupted" if by_dvc else "interrupted: earlier results are as they were")
            sys.exit(130)


app = typer.Typer(
    cls=Commands,
    name="pipeline",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Generate or import data, train, export, score and report every variant of params.yaml. "
    "`dvc repro` calls the stages in order and skips what is up to date; each can be run on its own.",
)
STAGES, USE, CARE = "Stages (what dvc.yaml calls)", "Use what was made", "Look after it"
Name = Annotated[str, typer.Argument(metavar="NAME", help="A key of the section in params.yaml.")]
Variant = Annotated[str, typer.Argument(metavar="VARIANT", help="A key under `variants` in params.yaml.")]


def main() -> None:
    """Run a command; errors are one clear message: exit code 2 for the user's mistakes, 1 for failures."""
    try:
        app(standalone_mode=True)
    except UserError as error:
        say(f"error: {error}")
        sys.exit(2)
    except StageFailure as error:
        say(f"failed: {error}")
        sys.exit(1)
    except OSError as error:
        say(f"failed: {error}")
        sys.exit(1)


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


@app.command(rich_help_panel=STAGES)
def derive(name: Name) -> None:
    """Compute data/NAME from another dataset."""
    from pipeline import config
    from pipeline.plugins import load_plugin
    from pipeline.stages.derive import derive as run

    block = config.derived_block(name)
    method = load_plugin("derivations", block.method, f"params.yaml: derived.{name}.method")
    card = run(name, method, block.parameters, Path(block.dataset), Path(block.start), Path("data", name))
    _made_dataset("derive", name, card)


@app.command(rich_help_panel=STAGES)
def train(name: Variant) -> None:
    """Fit a variant's network; write models/VARIANT/train."""
    from pipeline import config
    from pipeline.places import Places
    from pipeline.stages.train import train as run
    from pipeline.tracking.runs import Tracker
    from pipeline.training_bar import training_bar

    block = config.variant_block(name)
    places = Places.of(name, block.dataset)
    with training_bar(name) as bar:
        fitted = run(name, block, places, Tracker(), bar)
    best = fitted.history[(fitted.best_round if block.training.keep == "best" else len(fitted.history)) - 1]
    say(
        f"train@{name}: validation loss {best['val_loss']:.4f}, accuracy {best['val_accuracy']:.4f} "
        f"after {int(best['step'])} of {fitted.num_updates} updates, {fitted.seconds:.1f} s; {places.trained}"
    )


@app.command(rich_help_panel=STAGES)
def export(name: Variant) -> None:
    """Turn a trained network into ONNX and check it; write models/VARIANT/export."""
    os.environ["KERAS_BACKEND"] = "tensorflow"  # whatever trained the network: the way to ONNX begins there
    from pipeline import config
    from pipeline.fingerprint import read_record
    from pipeline.places import Places
    from pipeline.stages.export import export as run
    from pipeline.tracking.runs import Tracker

    block = config.variant_block(name)
    places = Places.of(name, block.dataset)
    difference = run(name, block, places)
    Tracker().exported(read_record(places.trained), difference)
    size = sum(file.stat().st_size for file in places.exported.glob("*.onnx"))
    say(f"export@{name}: {size / 1e3:,.0f} kB, differs from the network by {difference:.0e} at most; {places.exported}")


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

    from pipeline.tracking.runs import Evaluation, Tracker  # MLflow takes longer to import than scoring takes

    found = Evaluation(metrics, read_evaluation(places.reports)[1], places)
    where = Tracker().evaluated(record, card, read_history(places.reports), found)
    ceiling = "" if metrics["ceiling"] is None else f" of at most {metrics['ceiling']:.4f}"
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

    _report()
    if into:
        put_into(into, Path("report", "results.md").read_text(encoding="utf-8"))


@app.command(rich_help_panel=USE)
def predict(
    variant: Variant,
    input: Annotated[
        str | None, typer.Option("--input", "-i", help=".npy .npz .png .jpg .txt .csv .jsonl, or - for stdin.")
    ] = None,
    example: Annotated[
        int | None, typer.Option("--example", "-e", min=0, help="Take this example of the test split.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object per example.")] = False,
) -> None:
    """Answer examples from a file, from stdin or from the test split, with the exported model."""
    from pipeline.predict import predict as run

    for line in run(variant, input, example, as_json):
        typer.echo(line)


@app.command(rich_help_panel=USE)
def repeat(
    variant: Variant,
    seeds: Annotated[int, typer.Option("--seeds", "-k", min=1, help="How many trainings.")] = 5,
    new_data: Annotated[bool, typer.Option("--new-data", help="Draw new data for each seed as well.")] = False,
) -> None:
    """Train a variant with several seeds and say how much the score depends on them."""
    from pipeline.repeat import repeat as run

    run(variant, seeds, new_data)


@app.command(rich_help_panel=CARE)
def check() -> None:
    """Say what is wrong in params.yaml, all of it at once."""
    from pipeline import config

    errors = config.check_all()
    if errors:
        raise UserError("\n       ".join(errors))
    params = config.load_params()
    say(f"params.yaml: {len(config.dataset_names(params))} datasets and {len(params['variants'])} variants, all fine")


@app.command(rich_help_panel=CARE)
def repro(
    targets: Annotated[
        list[str] | None, typer.Argument(help="Stages, such as evaluate@memory_lstm; all if none is named.")
    ] = None,
    jobs: Annotated[int, typer.Option("--jobs", "-j", min=1, help="Independent stages side by side.")] = 1,
    force: Annotated[bool, typer.Option("--force", "-f", help="Also what is up to date.")] = False,
) -> None:
    """Make what is missing or out of date: `dvc repro`, side by side where stages do not need each other."""
    from pipeline.scheduler import repro as run

    code, undone = run(targets or [], jobs, force)
    if code == 1 and not set(targets or []) - {"all"}:  # DVC leaves out a report that needs what failed
        _report(undone={name.partition("@")[2] for name in undone})
    sys.exit(code)


@app.command(rich_help_panel=CARE)
def sync() -> None:
    """Bring MLflow in line with the outputs here: add the runs it does not have."""
    from pipeline import config
    from pipeline.tracking.sync import sync_variant

    variants = list(config.load_params()["variants"])
    with progress_bar("sync", len(variants)) as bar:
        for name in variants:
            added = sync_variant(name, config.variant_block(name).dataset)
            bar.advance(1)
            if added:
                say(f"sync: {name}: added {' and '.join(added)}")
    say(f"sync: MLflow has what the outputs of {len(variants)} variants say; look at it with: make ui")


@app.command(rich_help_panel=CARE)
def verify() -> None:
    """Compare every hash in dvc.lock with the files here, running nothing."""
    from pipeline.verify import verify as run

    sys.exit(1 if run() else 0)


def _report(undone: Collection[str] = ()) -> None:
    from pipeline import config
    from pipeline.stages.report import report as run

    blocks = config.load_params()["variants"]
    variants = {name: str(block.get("dataset")) for name, block in blocks.items() if isinstance(block, dict)}
    missing = run(variants, Path("reports"), Path("report"), undone)
    lacking = f", without {', '.join(missing)} (no scores)" if missing else ""
    say(f"report: {len(variants) - len(missing)} variants{lacking}; open report/index.html, or read report/results.md")


def _made_dataset(stage: str, name: str, card: object) -> None:
    from pipeline.dataset import Card

    assert isinstance(card, Card)
    sizes = ", ".join(f"{card.num_examples(split):,} {split}" for split in card.splits)
    say(f"{stage}@{name}: {sizes}; data/{name}")
