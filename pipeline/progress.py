"""Progress bars with time left, and the last line of a stage. All on stderr, so that stdout holds results only."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

console = Console(stderr=True, highlight=False, soft_wrap=True)


class Bar(Protocol):
    """A running progress bar."""

    def advance(self, steps: int, note: str = "") -> None:
        """So many steps more are done; `note` stands beside the bar."""


@contextmanager
def progress_bar(title: str, total: int, done: int = 0) -> Iterator[Bar]:
    """A bar with time left where somebody watches; silent where nobody does (a log file, CI)."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )
    with Progress(*columns, console=console, transient=True, disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task(title, total=total, completed=done, note="")

        class _Bar:
            def advance(self, steps: int, note: str = "") -> None:
                progress.update(task, advance=steps, note=note)

        yield _Bar()


def say(line: str) -> None:
    """One line for the person who watches."""
    console.print(line, markup=False)
