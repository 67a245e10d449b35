"""`python -m pipeline repro`: make what is missing or out of date, one stage after another or several side by side.

DVC decides what is out of date and writes dvc.lock; this file decides only what runs when, and on which part of the
machine. Side by side, every stage is a `dvc repro --single-item` of its own. They take turns at DVC's lock, which DVC
gives up while a stage's command runs, so no entry of dvc.lock is lost; without `--wait-for-lock` a finished stage would
be thrown away when it cannot have the lock within three seconds.
"""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from signal import SIGHUP, SIGINT, SIGKILL, SIGTERM
from threading import Event
from types import MappingProxyType
from typing import Any, NamedTuple, TextIO

import psutil

from pipeline.earlier import Earlier, with_dependents
from pipeline.errors import UserError, choices
from pipeline.lockfile import stage_names, tidy
from pipeline.mending import keep, mend
from pipeline.shares import Share, shares

LOGS = Path(".cadence") / "logs"
LINES_OF_A_FAILURE = 20
MOST_NAMED = 5
POLL_SECONDS = 0.1
SECONDS_TO_END = 10.0
INTERRUPTED = 130
LINE_BREAK = re.compile(r"[\r\n]+")
EVERYTHING = "all"


class Outcome(NamedTuple):
    """code: 0 when all is made, 1 when a stage failed, 130 after Ctrl-C. undone: stages whose earlier outputs stand.

    outdated: these, and all that are made from them. Of stages that ran apart, each with a log of its own: seconds by
    stage, the reason by stage that failed, and those that were left out because of them.
    """

    code: int
    undone: list[str]
    outdated: Sequence[str] = ()
    seconds: Mapping[str, float] = MappingProxyType({})
    failed: Mapping[str, str] = MappingProxyType({})
    left_out: Sequence[str] = ()


def repro(targets: Sequence[str], jobs: int, force: bool = False, apart: bool = False) -> Outcome:
    """Make the stages `targets` and all they need; everything where no target or `all` is named.

    A stage that fails stops only those that need it, and its earlier outputs are put back. Afterwards dvc.lock holds
    exactly dvc.yaml's stages in its order.

    Args:
        targets: names of stages (`train@memory`) or of groups of them (`train`).
        jobs: how many stages may run at a time; they divide the CPU cores, and the GPUs where there are several.
        force: run them even where nothing changed.
        apart: run each as a process of its own also where `jobs` is 1.

    Raises:
        UserError: dvc.yaml cannot be read, or has no such stage.
    """
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    if jobs < 1:
        raise UserError(f"--jobs: found {jobs}; allowed: 1 and more")
    names = [] if EVERYTHING in targets else list(targets)
    try:
        with Repo(_wait_for_lock=True) as repo:
            for line in mend(repo):
                print(line, flush=True)
            check_names(names, stage_names(repo))
            keep(repo)
            earlier = Earlier(repo)
            together = jobs == 1 and not apart
            outcome = _one_by_one(repo, names, force) if together else _side_by_side(repo, names, jobs, force)
            undone = earlier.put_back() if outcome.code else []
            if dropped := tidy(repo):
                more = f" and {len(dropped) - MOST_NAMED} others" if len(dropped) > MOST_NAMED else ""
                print(f"dvc.lock: dropped {', '.join(dropped[:MOST_NAMED])}{more}, which dvc.yaml no longer has")
            keep(repo)
            return outcome._replace(undone=undone, outdated=with_dependents(repo, undone))
    except DvcException as error:
        raise UserError(str(error)) from error


def check_names(found: Sequence[str], stages: list[str]) -> None:
    """Refuse, with a `UserError`, what is neither a stage nor a group of stages."""
    groups = {stage.partition("@")[0] for stage in stages}
    for name in found:
        if name not in {*stages, *groups}:
            group = name.partition("@")[0]
            nearest = [stage for stage in stages if stage.startswith(f"{group}@")] if "@" in name else []
            raise UserError(f"dvc.yaml: no stage {name!r}; {choices(name, nearest or groups)}")


def _one_by_one(repo: Any, targets: list[str], force: bool) -> Outcome:
    with _asked_to_stop() as stop:
        process = _dvc(repo, ["--keep-going", *["--force"] * force, *targets], {})
        while process.poll() is None and not stop.wait(POLL_SECONDS):
            pass
        if stop.is_set():
            _end_whole(repo, [process])
            return Outcome(INTERRUPTED, [])
    return Outcome(int(process.returncode != 0), [])


def _side_by_side(repo: Any, targets: list[str], jobs: int, force: bool) -> Outcome:
    run = _Run(repo, _plan(repo, targets, force), shares(jobs), force)
    with _asked_to_stop() as stop:
        while run.advance() and not stop.wait(POLL_SECONDS):
            pass
        if stop.is_set():
            _end_whole(repo, [job.process for job in run.jobs.values()])
            return Outcome(INTERRUPTED, [])
    run.summarise()
    return Outcome(int(bool(run.failed)), [], (), run.seconds, run.failed, run.skipped)


@dataclass
class _Plan:
    """What is to be made: for each stage those it needs, in an order that a serial run could take."""

    needs: dict[str, set[str]]
    changed: set[str]


def _plan(repo: Any, targets: list[str], force: bool) -> _Plan:
    from dvc.repo import lock_repo
    from dvc.repo.reproduce import collect_stages, get_active_graph, plan_repro
    from dvc.stage import PipelineStage

    with lock_repo(repo):
        graph = get_active_graph(repo.index.graph)
        stages = plan_repro(graph, collect_stages(repo, targets or ["dvc.yaml"]))
        stages = [stage for stage in stages if isinstance(stage, PipelineStage)]
        needs = {
            stage.name: {needed.name for needed in graph.successors(stage) if isinstance(needed, PipelineStage)}
            for stage in stages
        }
        return _Plan(needs, {stage.name for stage in stages if force or stage.changed()})


@dataclass
class _Job:
    """A stage that runs now."""

    process: subprocess.Popen[bytes]
    share: Share
    log: Path
    started: float


class _Run:
    """A parallel run: stages go from `waiting` to `jobs`, and from there to `made` or `failed`."""

    def __init__(self, repo: Any, plan: _Plan, shares: list[Share], force: bool) -> None:
        self.repo, self.plan, self.shares, self.force = repo, plan, shares, force
        self.logs = Path(repo.root_dir) / LOGS
        self.logs.mkdir(parents=True, exist_ok=True)
        self.waiting = list(plan.needs)
        self.jobs: dict[str, _Job] = {}
        self.unchanged: set[str] = set()
        self.made: set[str] = set()
        self.seconds: dict[str, float] = {}
        self.failed: dict[str, str] = {}
        self.skipped: list[str] = []

    def advance(self) -> bool:
        """Take what is finished, start what can start; False when nothing is left."""
        for name in [name for name, job in self.jobs.items() if job.process.poll() is not None]:
            self._finish(name)
        self.waiting = [name for name in self.waiting if not self._settled(name)]
        return bool(self.waiting or self.jobs)

    def _settled(self, name: str) -> bool:
        """Whether `name` no longer waits: it was started now, has nothing to do, or lost what it needs."""
        needs = self.plan.needs[name]
        if needs & {*self.failed, *self.skipped}:
            self.skipped.append(name)
        elif not needs <= self.made | self.unchanged:
            return False
        elif name not in self.plan.changed and not needs & self.made:
            self.unchanged.add(name)
        elif not self.shares:
            return False
        else:
            self._start(name)
        return True

    def _start(self, name: str) -> None:
        share = self.shares.pop(0)
        log = self.logs / f"{name}.log"
        with log.open("w", encoding="utf-8") as stream:
            arguments = ["--quiet", "--single-item", *["--force"] * self.force, name]
            process = _dvc(self.repo, arguments, {"CUDA_VISIBLE_DEVICES": share.gpu} if share.gpu else {}, stream)
        if share.cores:
            os.sched_setaffinity(process.pid, share.cores)
        self.jobs[name] = _Job(process, share, log, time.monotonic())
        print(f"start  {name}", flush=True)

    def _finish(self, name: str) -> None:
        job = self.jobs.pop(name)
        self.shares.append(job.share)
        seconds = self.seconds[name] = time.monotonic() - job.started
        text = job.log.read_text(encoding="utf-8", errors="replace")
        lines = [line.rstrip() for line in LINE_BREAK.split(text) if line.strip()]
        if job.process.returncode == 0:
            self.made.add(name)
            last = lines[-1] if lines else "no run needed: unchanged, or taken from the cache"
            print(f"done   {name} in {seconds:.0f} s: {last}", flush=True)
        else:
            self.failed[name] = _reason(lines)
            print(f"FAILED {name} after {seconds:.0f} s; the end of {LOGS / job.log.name}:", flush=True)
            for line in lines[-LINES_OF_A_FAILURE:]:
                print(f"       {line}", flush=True)

    def summarise(self) -> None:
        """Say what was made, what failed and what was left out because of it."""
        counts = f"{len(self.made)} made, {len(self.unchanged)} up to date"
        if not self.failed:
            print(counts)
            return
        print(f"{counts}, {len(self.failed)} failed: {', '.join(self.failed)}")
        if self.skipped:
            print(f"left out, as they need these: {', '.join(self.skipped)}")


def _reason(lines: list[str]) -> str:
    """The line of a failed stage's log that says why: the last of ours, or else the last that is not DVC's."""
    ours = [line for line in lines if line.startswith(("error: ", "failed: "))]
    others = [line for line in lines if not line.startswith("ERROR: ")]
    return (ours or others or lines or ["its log is empty"])[-1]


def _dvc(
    repo: Any, arguments: list[str], variables: dict[str, str], log: TextIO | None = None
) -> subprocess.Popen[bytes]:
    """Start `dvc repro` in a session of its own, so that a Ctrl-C of the terminal reaches nobody but us."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    return subprocess.Popen(
        [sys.executable, "-m", "pipeline.quick_dvc", "--wait-for-lock", "repro", *arguments],
        cwd=repo.root_dir,
        env={**os.environ, **variables, "PATH": path, "PYTHONUNBUFFERED": "1"},
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log and subprocess.STDOUT,
        start_new_session=True,
    )


@contextmanager
def _asked_to_stop() -> Iterator[Event]:
    """Give an event that Ctrl-C, SIGTERM or a closed terminal sets, in place of an exception at any point."""
    stop = Event()
    before = {number: signal.signal(number, lambda *_: stop.set()) for number in (SIGINT, SIGTERM, SIGHUP)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _end_whole(repo: Any, processes: list[subprocess.Popen[bytes]]) -> None:
    """End DVC processes and the stages they run, none while it writes.

    Who holds DVC's lock knows that nobody writes: ended in the middle, an output would be there without its entry in
    dvc.lock, or the other way round.
    """
    print("\nending as soon as DVC has written what it is writing", flush=True)
    with repo.lock:
        running = [psutil.Process(process.pid) for process in processes if process.poll() is None]
        _end([child for process in running for child in process.children(recursive=True)])
        _end(running)
    print("ended; dvc.lock is whole, and the same command goes on from here", flush=True)


def _end(processes: list[psutil.Process]) -> None:
    for number in (SIGINT, SIGKILL):
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                process.send_signal(number)
        _, processes = psutil.wait_procs(processes, timeout=SECONDS_TO_END)
