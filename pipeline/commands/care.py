"""Commands that make everything, and look after it."""

import sys
from typing import Annotated

import typer

from pipeline.commands.app import CARE, Name, app
from pipeline.commands.stages import make_report
from pipeline.errors import UserError
from pipeline.progress import progress_bar, say


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
        make_report(undone={name.partition("@")[2] for name in undone})
    sys.exit(code)


@app.command(rich_help_panel=CARE)
def accept_data(name: Name) -> None:
    """Make an import as it is here the version that later ones are compared with."""
    from pipeline import config
    from pipeline.checking.accept import accept
    from pipeline.checking.summary_table import print_summaries

    config.import_block(name)
    path = accept(name, print_summaries)
    if path is None:
        say(f"accept-data {name}: this version is accepted already; nothing changed")
    else:
        say(f"accept-data {name}: {path}; keep it with: git add {path} && git commit, then go on with: make repro")


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
