"""What differs from a commit: scores and parameters, as Markdown tables: `dvc metrics diff` and `dvc params diff`."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pipeline.errors import UserError
from pipeline.places import METRICS_FILE

UNKNOWN = "–"
LEFT_OUT = ("fingerprint",)  # differs whenever anything does
SIGNIFICANT_DIGITS = 6


class Difference(NamedTuple):
    """One value before and now; None where there is none. what: a variant's name, or a file other than params.yaml."""

    what: str
    key: str
    before: Any
    now: Any


class Comparison(NamedTuple):
    """Everything that differs."""

    scores: list[Difference]
    parameters: list[Difference]


def compare(revision: str = "HEAD") -> Comparison:
    """The metrics of all variants and the parameters of all stages here, against those of a commit.

    Raises:
        UserError: git knows no such commit, or dvc.yaml or params.yaml cannot be read.
    """
    from dvc.exceptions import DvcException
    from dvc.repo import Repo
    from dvc.scm import RevError, resolve_rev

    try:
        with Repo(_wait_for_lock=True) as repo:
            if repo.scm.no_commits:
                return Comparison([], [])
            resolve_rev(repo.scm, revision)
            metrics = repo.metrics.diff(a_rev=revision).get("diff", {})
            parameters = repo.params.diff(a_rev=revision).get("diff", {})
    except RevError:
        raise UserError(f"git has no commit {revision!r} here; allowed: a commit, branch or tag") from None
    except DvcException as error:
        raise UserError(str(error)) from error
    files = {Path(file): keys for file, keys in metrics.items() if Path(file).name == METRICS_FILE}
    return Comparison(
        list(_differences((file.parent.name, keys) for file, keys in sorted(files.items()))),
        list(_differences(sorted(parameters.items()))),
    )


def as_markdown(comparison: Comparison, revision: str) -> str:
    """Two sections with a table each, or one sentence where nothing differs."""
    scores = [(d.what, d.key, _text(d.before), _text(d.now), _change(d)) for d in comparison.scores]
    parameters = [(f"`{d.key}`", _text(d.before), _text(d.now)) for d in comparison.parameters]
    return "\n".join(
        [
            "## Scores",
            "",
            table(("variant", "metric", "before", "now", "change"), scores) or f"None differs from {revision}.",
            "",
            "## Parameters",
            "",
            table(("parameter", "before", "now"), parameters) or f"None differs from {revision}.",
            "",
        ]
    )


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table; empty where there is no row."""
    cells = [[cell(text) for text in row] for row in rows]
    lines = [f"| {' | '.join(row)} |" for row in (columns, ["---"] * len(columns), *cells)]
    return "\n".join(lines) if cells else ""


def cell(text: str) -> str:
    """Text that stays in its cell of a table."""
    return " ".join(text.split()).replace("|", "\\|")


def _differences(found: Iterable[tuple[str, dict[str, Any]]]) -> Iterator[Difference]:
    for what, keys in found:
        for key, values in sorted(keys.items()):
            if key not in LEFT_OUT:
                yield Difference(what, key, values.get("old"), values.get("new"))


def _text(value: Any) -> str:
    if value is None:
        return UNKNOWN
    return f"{value:.{SIGNIFICANT_DIGITS}g}" if isinstance(value, float) else str(value)


def _change(difference: Difference) -> str:
    before, now = difference.before, difference.now
    if isinstance(before, (int, float)) and isinstance(now, (int, float)):
        return f"{now - before:+.{SIGNIFICANT_DIGITS}g}"
    return ""
