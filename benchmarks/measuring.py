"""How a comparison is measured: the contestants in processes of their own, taking turns, so that a noisy machine is
noisy to all of them; of each the best round counts. Standard library only: the PyTorch contestant has little else.
"""

import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
BYTES_PER_MAXRSS = 1 if sys.platform == "darwin" else 1024
WARM_UP_STEPS = 10  # builds graphs, grows memory pools
UNTIMED_STEPS = 4  # of every round: they find batches that were made ahead while the process waited for its turn


@dataclass(frozen=True)
class Row:
    """One line of the table. peer and ratio are empty where nobody is raced; met is None where there is no bar."""

    comparison: str
    ours: str
    peer: str = ""
    ratio: str = ""
    bar: str = ""
    met: bool | None = None


def faster(comparison: str, ours: float, peer: float, unit: str, least: float | None) -> Row:
    """Seconds against seconds: how many times faster ours is, and whether that is at least `least`."""
    return _compared(comparison, f"{ours:.3g} {unit}", f"{peer:.3g} {unit}", peer / ours, least)


def more(comparison: str, ours: float, peer: float, unit: str, least: float | None) -> Row:
    """Rate against rate."""
    return _compared(comparison, f"{ours:.0f} {unit}", f"{peer:.0f} {unit}", ours / peer, least)


def below(comparison: str, ours: float, limit: float, unit: str, peer: float | None = None) -> Row:
    """A value that must stay under a limit, with the peer's for comparison."""
    theirs, ratio = ("", "") if peer is None else (f"{peer:.4g} {unit}", f"{peer / ours:.1f}x less")
    return Row(comparison, f"{ours:.3g} {unit}", theirs, ratio, f"< {limit:g} {unit}", ours < limit)


def _compared(comparison: str, ours: str, peer: str, ratio: float, least: float | None) -> Row:
    bar, met = ("", None) if least is None else (f">= {least:g}x", ratio >= least)
    return Row(comparison, ours, peer, f"{ratio:.1f}x", bar, met)


def peak_megabytes() -> float:
    """The most memory this process has had so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * BYTES_PER_MAXRSS / 1e6


def answer(**values: Any) -> None:
    """Tell the process that started this one."""
    print(json.dumps(values), flush=True)


class Contestant:
    """A process that measures itself: every answer is one JSON object in a line of its stdout."""

    def __init__(self, module: str, *arguments: str, python: str = sys.executable) -> None:
        self.command = [python, "-m", f"benchmarks.{module}", *arguments]
        # Not a pipe, which would block when nobody reads it; closed by `end`.
        self.complaints = tempfile.TemporaryFile("w+")  # noqa: SIM115
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(
            self.command, cwd=ROOT, stdin=pipe, stdout=pipe, stderr=self.complaints, text=True
        )

    def ask(self, request: str = "") -> dict[str, Any]:
        """The next answer, after sending `request` if there is one."""
        assert self.process.stdin and self.process.stdout
        if request:
            self.process.stdin.write(request + "\n")
            self.process.stdin.flush()
        for line in self.process.stdout:
            if line.startswith("{"):
                found: dict[str, Any] = json.loads(line)
                return found
        self.complaints.seek(0)
        raise RuntimeError(f"{' '.join(self.command)} ended without an answer:\n{self.complaints.read()[-2000:]}")

    def end(self) -> None:
        """Stop the process, whatever it is doing."""
        self.process.kill()
        self.process.communicate()
        self.complaints.close()


@contextmanager
def contestants(**named: Contestant) -> Iterator[dict[str, Contestant]]:
    """Ends them all in the end."""
    with ExitStack() as ended:
        for contestant in named.values():
            ended.callback(contestant.end)
        yield named


def race(racing: dict[str, Contestant], rounds: int) -> dict[str, list[dict[str, Any]]]:
    """What each answers after each round, one running at a time; through the warm-up as well."""
    for contestant in racing.values():
        contestant.ask("start")
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in racing}
    for _ in range(rounds):
        for name, contestant in racing.items():
            found[name].append(contestant.ask("go"))
    return found


def shortest(found: dict[str, list[dict[str, Any]]]) -> dict[str, float]:
    """The seconds of the shortest round of each."""
    return {name: min(each["seconds"] for each in answers) for name, answers in found.items()}


def largest_rate(found: dict[str, list[dict[str, Any]]]) -> dict[str, float]:
    """How much each did in a second of its best round."""
    return {name: max(each["amount"] / each["seconds"] for each in answers) for name, answers in found.items()}


def measured(module: str, *arguments: str) -> dict[str, Any]:
    """The one answer of a process that does its work once."""
    with contestants(one=Contestant(module, *arguments)) as running:
        return running["one"].ask()


class Stopwatch:
    """The contestant's side of a training race: warm up, then run so many steps whenever it is this one's turn.

    Call `step` after each training step; it waits while others run. Steps that differ in size say how much they did.
    """

    def __init__(self, steps_per_round: int) -> None:
        self.left = WARM_UP_STEPS
        self.num_steps = steps_per_round
        self.started: float | None = None
        self.amount = 0.0

    def step(self, amount: float = 1.0) -> None:
        """One step is done, and so much of the work with it."""
        self.left -= 1
        self.amount = 0.0 if self.started is None else self.amount + amount
        if self.left == self.num_steps and self.started is None:
            self.started = time.perf_counter()
        if self.left:
            return
        seconds = None if self.started is None else time.perf_counter() - self.started
        answer(seconds=seconds, amount=self.amount, peak_megabytes=peak_megabytes())
        sys.stdin.readline()
        self.left, self.started = self.num_steps + UNTIMED_STEPS, None
