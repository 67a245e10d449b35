"""reports/retrain.md: what came of the last retraining, for the person who reads its pull request."""

import os
import platform
from collections.abc import Iterator
from pathlib import Path

from pipeline.comparison import Comparison, as_markdown, cell, table
from pipeline.files import whole_file
from pipeline.retraining import Retraining
from pipeline.tracking.tags import git_commit

REPORT = Path("reports", "retrain.md")


def write_report(found: Retraining, comparison: Comparison) -> None:
    """Write the page; comparison: with the commit that was checked out."""
    with whole_file(REPORT) as aside:
        aside.write_text("\n".join(_lines(found, comparison)), encoding="utf-8")


def headline(found: Retraining) -> str:
    """What came of it, in one sentence."""
    outcome = found.outcome
    if outcome.code not in (0, 1):
        return "interrupted"
    parts = [f"stages made: {len(found.made)}"]
    parts += [f"imports updated: {len(found.updated)}"] if found.updated else []
    failed = _reasons(found)
    parts += [f"failed: {', '.join(failed)}"] if failed else []
    parts += [f"left out because of that: {len(outcome.left_out)}"] if outcome.left_out else []
    return "; ".join(parts)


def _lines(found: Retraining, comparison: Comparison) -> Iterator[str]:
    yield from (f"# Retraining of {found.started:%Y-%m-%d %H:%M} UTC", "", f"**{headline(found)}.**", "")
    yield table(
        ("", ""),
        [
            ("commit", git_commit()),
            ("asked for", ", ".join(found.targets) or "everything"),
            ("changed with --set", ", ".join(f"`{cell(setting)}`" for setting in found.settings) or "nothing"),
            ("took", _duration(found.seconds)),
            ("machine", _machine()),
        ],
    )
    yield ""
    yield from _failures(found)
    if found.updated:
        yield from ("## Updated imports", "", *(f"* {cell(path)}" for path in found.updated), "")
    yield as_markdown(comparison, "the commit")
    yield from ("## Champions", "")
    verdicts = [(v.dataset, v.action, v.champion, v.reason) for v in found.verdicts]
    yield table(("dataset", "verdict", "champion", "why"), verdicts) or "No variant was scored anew."
    yield from ("", "## Time", "")
    rows = sorted(found.outcome.seconds.items(), key=lambda row: -row[1])
    yield table(("stage", "seconds"), [(name, f"{seconds:.1f}") for name, seconds in rows]) or "No stage ran."
    yield ""


def _failures(found: Retraining) -> Iterator[str]:
    outcome = found.outcome
    reasons = _reasons(found)
    if not reasons:
        return
    yield from ("## Failed", "", table(("what", "why"), list(reasons.items())), "")
    if outcome.left_out:
        yield from (f"Left out, as they need these: {', '.join(outcome.left_out)}.", "")
    if outcome.undone:
        yield from (f"Their earlier results stand: {', '.join(outcome.undone)}.", "")


def _reasons(found: Retraining) -> dict[str, str]:
    """Why, by what failed."""
    undecided = {f"promotion of {verdict.dataset}": verdict.reason for verdict in found.verdicts if verdict.failed}
    return {**found.troubles, **found.outcome.failed, **undecided}


def _machine() -> str:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{platform.system()} {platform.machine()}, {cores} cores, Python {platform.python_version()}"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
