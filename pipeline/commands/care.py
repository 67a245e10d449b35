"""Commands that make everything, and look after it."""

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.commands.app import CARE, Name, app
from pipeline.commands.stages import make_report
from pipeline.errors import UserError
from pipeline.progress import progress_bar, say

if TYPE_CHECKING:
    from pipeline.scheduler import Outcome


@app.command(rich_help_panel=CARE)
def check() -> None:
    """Say what is wrong in params.yaml, all of it at once."""
    from pipeline import config

    errors = config.check_all()
    if errors:
        raise UserError("\n       ".join(errors))
    params = config.load_params()
    say(f"params.yaml: {len(config.dataset_names(params))} datasets and {len(params['variants'])} variants, all fine")


@app.command("set", rich_help_panel=CARE)
def set_(
    settings: Annotated[
        list[str], typer.Argument(metavar="KEY=VALUE", help="Such as variants.memory_lstm.training.steps=400.")
    ],
) -> None:
    """Change values in params.yaml, and nothing else in it.

    Blocks that share theirs by a YAML anchor keep the old value; there `dvc exp run --set-param` changes them all, or
    none.
    """
    from pipeline.config import PARAMS_FILE
    from pipeline.files import whole_file
    from pipeline.overrides import with_settings

    text = with_settings(settings)
    with whole_file(PARAMS_FILE) as aside:
        aside.write_text(text, encoding="utf-8")
    say(f"params.yaml: {', '.join(settings)}; git diff params.yaml shows it, dvc exp run tries it")


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

    outcome = run(targets or [], jobs, force)
    _report_on_the_rest(outcome, targets or [])
    sys.exit(outcome.code)


def _report_on_the_rest(outcome: "Outcome", targets: Sequence[str]) -> None:
    """DVC leaves out a report that needs what failed: make it without."""
    if outcome.code == 1 and not set(targets) - {"all"}:
        stages = (name.partition("@") for name in outcome.outdated)
        make_report(undone={variant for group, _, variant in stages if group in ("train", "export", "evaluate")})


@app.command(rich_help_panel=CARE)
def retrain(
    target: Annotated[
        list[str] | None,
        typer.Option("--target", envvar="RETRAIN_TARGETS", help="A stage or group of stages; all if none is named."),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", envvar="RETRAIN_SETTINGS", help="Change params.yaml first."),
    ] = None,
    jobs: Annotated[int, typer.Option("--jobs", "-j", min=1, help="Independent stages side by side.")] = 1,
) -> None:
    """Retrain what data, parameters or code changed since; choose champions; write reports/retrain.md.

    Pulls from DVC's remote where one is configured and updates imports first. Where nothing changed, nothing is done
    or written. --target and --set may be repeated: --set variants.memory_lstm.training.steps=400.

    Exit codes: 0 all done, or nothing to do; 1 something failed, the rest was finished and the report names it; 2 a
    mistake in what was asked for or in params.yaml, nothing was changed; 130 interrupted.
    """
    from pipeline.retraining import retrain as run

    found = run(target or [], settings or [], jobs)
    if not (found.changed or found.code or found.updated or found.settings or found.verdicts):
        say("retrain: nothing changed, so there was nothing to do")
        return

    from pipeline.comparison import compare as compare_with
    from pipeline.retraining_report import REPORT, headline, write_report

    _report_on_the_rest(found.outcome, found.targets)
    write_report(found, compare_with("HEAD"))
    say(f"retrain: {headline(found)}; read {REPORT}")
    sys.exit(found.code)


@app.command(rich_help_panel=CARE)
def compare(
    revision: Annotated[str, typer.Argument(help="A commit, branch or tag.")] = "HEAD",
) -> None:
    """Print, as Markdown, the scores and parameters that differ from a commit."""
    from pipeline.comparison import as_markdown
    from pipeline.comparison import compare as run

    print(as_markdown(run(revision), f"`{revision}`"))


@app.command(rich_help_panel=CARE)
def prune(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would go, and remove nothing.")] = False,
) -> None:
    """Remove what variants and datasets that params.yaml no longer has left: in dvc.lock, data/, models/, reports/."""
    from pipeline.pruning import prune as run

    num_removed = run(dry_run)
    if not num_removed:
        say("prune: nothing to remove")
    elif dry_run:
        say(f"prune: would remove {num_removed}; to do so: python -m pipeline prune")
    else:
        say(f"prune: removed {num_removed}; DVC's cache keeps the data until dvc gc -w drops what is not used here")


@app.command(rich_help_panel=CARE)
def smoke(
    jobs: Annotated[int, typer.Option("--jobs", "-j", min=1, help="Independent stages side by side.")] = 1,
) -> None:
    """Run the whole pipeline, every dataset and variant in a small form, in a copy that is thrown away."""
    from pipeline.smoke import smoke as run

    say(f"smoke: {run(jobs)}")


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
        say(f"accept-data {name}: {path}; keep it with: git add {path} && git commit, then: make repro, or one variant")


@app.command(rich_help_panel=CARE)
def sync() -> None:
    """Bring MLflow in line with the outputs here: add the runs it does not have."""
    from pipeline import config
    from pipeline.tracking.sync import sync_variant

    variants = list(config.load_params()["variants"])
    untrained = []
    with progress_bar("sync", len(variants)) as bar:
        for name in variants:
            added = sync_variant(name, config.variant_block(name).dataset)
            bar.advance(1)
            if added is None:
                untrained.append(name)
            elif added:
                say(f"sync: {name}: added {' and '.join(added)}")
    without = f", without {', '.join(untrained)} (not trained here)" if untrained else ""
    delivered = len(variants) - len(untrained)
    say(f"sync: MLflow has what the outputs of {delivered} variants say{without}; look at it with: make ui")


@app.command(rich_help_panel=CARE)
def verify() -> None:
    """Compare every hash in dvc.lock with the files here, running nothing."""
    from pipeline.verify import verify as run

    sys.exit(1 if run() else 0)
