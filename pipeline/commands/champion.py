"""Commands that choose the champion of a dataset, take it back and say who it was."""

import json
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.commands.app import CHAMPION, DatasetName, app
from pipeline.progress import say

if TYPE_CHECKING:
    from pipeline.promotion.decisions import Candidate, Decision, Reign


@app.command(rich_help_panel=CHAMPION)
def promote(dataset: DatasetName) -> None:
    """Compare all scored variants with the champion; give its place to one that is better beyond doubt."""
    from pipeline.promotion.champion import promote as run

    decision = run(dataset)
    for candidate in decision.candidates:
        say(f"  {_numbers(candidate)}")
    for variant, why in decision.left_out.items():
        say(f"  {variant}: {why}")
    if decision.is_new:
        say(f"promote {dataset}: {decision.action}: {decision.reason}; {_where(decision)}")
    else:
        say(f"promote {dataset}: nothing new since {decision.time}: {decision.reason}; {_where(decision)}")


@app.command(rich_help_panel=CHAMPION)
def rollback(dataset: DatasetName) -> None:
    """Give the champion's place back to the model that held it before."""
    from pipeline.promotion.champion import rollback as run

    decision = run(dataset)
    say(f"rollback {dataset}: {decision.reason}; {_where(decision)}")


@app.command(rich_help_panel=CHAMPION)
def history(
    dataset: DatasetName,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON array.")] = False,
) -> None:
    """Say who was champion of a dataset, from when to when, and why."""
    from pipeline import config
    from pipeline.promotion.champion import check_dataset
    from pipeline.promotion.decisions import decisions_file, read_decisions, reigns

    check_dataset(dataset, config.load_params())
    found = reigns(read_decisions(dataset))
    if as_json:
        typer.echo(json.dumps([reign.model_dump() for reign in found], indent=2))
    elif found:
        _show(found)
    where = f"all decisions with their numbers are in {decisions_file(dataset)}"
    say(
        f"history {dataset}: champions so far: {len(found)}"
        + (f"; {where}" if found else f"; choose: promote {dataset}")
    )


def _numbers(candidate: "Candidate") -> str:
    """A candidate in one line."""
    found = candidate.comparison
    compared = ""
    if found:
        low, high = found.interval
        compared = f", {found.difference:+.4f} [{low:+.4f}, {high:+.4f}] against the champion, p {found.p:.4f}"
    size = f"{candidate.megabytes:.3f} MB, {candidate.latency_ms:.2f} ms"
    return f"{candidate.run_name}: {candidate.score:.4f}{compared}, {size}: {candidate.verdict}"


def _where(decision: "Decision") -> str:
    from pipeline.promotion.decisions import decisions_file

    dataset, champion = decision.dataset, decision.champion_after
    alias = f"models:/{dataset}@champion is version {champion.version}" if champion else "no champion"
    return f"{alias}; {decisions_file(dataset)}, python -m pipeline history {dataset}"


def _show(reigns: "list[Reign]") -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("version", "champion", "score", "since (UTC)", "until", "why")
    for reign in reversed(reigns):
        champion, until = reign.champion, reign.until
        ended = "now" if until is None else f"{until[:16].replace('T', ' ')}, by {reign.ended}"
        since = reign.since[:16].replace("T", " ")
        table.add_row(champion.version, champion.run_name, f"{champion.score:.4f}", since, ended, reign.why)
    Console(highlight=False).print(table)
