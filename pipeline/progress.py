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
def progress_bar(title: str, total: int | None, done: int = 0) -> Iterator[Bar]:
    """A bar with time left where somebody watches; silent where nobody does (a log file, CI).

    total: None where nobody knows. Results that are printed meanwhile stay on stdout, above the bar if that is where
    they go.
    """
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )
    silent, same_screen = not sys.stderr.isatty(), sys.stdout.isatty()
    with Progress(*columns, console=console, transient=True, disable=silent, redirect_stdout=same_screen) as progress:
        task = progress.add_task(title, total=total, completed=done, note="")

        class _Bar:
            def advance(self, steps: int, note: str = "") -> None:
                progress.update(task, advance=steps, note=note)

        yield _Bar()


def say(line: str) -> None:
    """One line for the person who watches."""
    console.print(line, markup=False)
