"""Processes are killed at random moments, for real; whatever runs next ends as if nothing had happened."""

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
from project import MEMORY, VARIANTS, Finished, Project, Store, write_project

pytest_plugins = ["project"]
pytestmark = pytest.mark.slow

KILLS, KILLS_OF_A_LONG_RUN = 5, 50
LONGEST_WAIT = 200.0
NOT_COMPARED = ("system/", "latency_ms", "train_seconds", "examples_per_second", "peak_megabytes")
TIMINGS = ("train_timing.json", "inference_timing.json", "derive_timing.json")
STAGES = ("generate", "import", "derive", "train", "export", "evaluate", "report")
# Each kill: of what it waits for (None: of nothing; or of whichever stage is next), and how long it then lets it go on,
# in seconds at most.
ANY = "any"
Moments = list[tuple[str | None, float]]
MOMENTS: Moments = [(None, 20.0), *((stage, 6.0) for stage in STAGES), ("train", 12.0)]
MANY_MOMENTS: Moments = [(None, 20.0), (ANY, 4.0), (ANY, 8.0), (ANY, 12.0)]


def test_what_was_killed_a_few_times_ends_as_if_nothing_had_happened(made: Project, tmp_path: Path) -> None:
    assert kill_until_done(made, tmp_path, KILLS, MOMENTS, misses=2 * KILLS, seed=1)


@pytest.mark.faults
@pytest.mark.timeout(3 * 3600)
def test_so_it_does_after_fifty_kills(made: Project, tmp_path: Path) -> None:
    done, seed = 0, 100
    while done < KILLS_OF_A_LONG_RUN:
        seed += 1
        # In new projects: one that is whole has nothing left to be killed at.
        done += kill_until_done(
            made, tmp_path / str(seed), KILLS_OF_A_LONG_RUN - done, MANY_MOMENTS, misses=0, seed=seed
        )
        print(f"{done} kills", flush=True)


def kill_until_done(made: Project, folder: Path, most: int, moments: Moments, misses: int, seed: int) -> int:
    """Kill `repro` at up to `most` moments, let it finish, compare with `made`; returns how many kills hit.

    misses: how many times it may be faster than the kill, before it is left in peace.
    """
    rng = random.Random(seed)
    folder.mkdir(parents=True, exist_ok=True)
    victim = write_project(folder / "project")
    hits = missed = 0
    while hits < most and missed <= misses:
        stage, seconds = rng.choice(moments)
        whom = rng.choice(["all", "all", "dvc", "stage"])
        hit = kill_at(victim, rng.choice(["1", "2"]), stage, rng.uniform(0, seconds), whom)
        hits, missed = hits + hit, missed + (not hit)
    victim.pipeline("repro", timeout=600).succeeded()
    assert_same(victim, made)
    assert victim.dvc("repro").succeeded().out.count("Running stage") == 0
    return hits


def kill_at(project: Project, jobs: str, stage: str | None, seconds: float, whom: str) -> bool:
    """Start `repro`, wait for a stage to run (or for none), some seconds more, and kill; False where it was faster."""
    process = project.start("repro", "--jobs", jobs)
    ours = psutil.Process(process.pid)
    try:
        given_up = time.monotonic() + LONGEST_WAIT
        while stage and process.poll() is None and time.monotonic() < given_up and not running(ours, stage):
            time.sleep(0.02)
        if waits(process, seconds):
            return False
        family = [ours, *ours.children(recursive=True)]
        stages = [one for one in family if is_stage(one)]
        dvc = [one for one in family if "repro" in arguments(one) and one != ours]
        for victim in {"all": family, "dvc": dvc, "stage": stages}[whom] or family:
            kill(victim)
        for orphan in family:  # what goes on without its parents ends by itself before anything else begins
            gone(orphan)
        return True
    finally:
        for one in [ours, *([] if not ours.is_running() else ours.children(recursive=True))]:
            kill(one)
        process.communicate()


def waits(process: subprocess.Popen[str], seconds: float) -> bool:
    """Whether it ended within so many seconds."""
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        return False
    return True


def running(ours: psutil.Process, stage: str) -> list[psutil.Process]:
    stages = [one for one in ours.children(recursive=True) if is_stage(one)]
    return [one for one in stages if stage == ANY or stage in arguments(one)]


def is_stage(process: psutil.Process) -> bool:
    return "pipeline" in arguments(process) and "repro" not in arguments(process)


def arguments(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def kill(process: psutil.Process) -> None:
    with suppress(ProcessLookupError):
        os.kill(process.pid, signal.SIGKILL)


def gone(process: psutil.Process) -> None:
    """Wait for the end of a process that is no child of ours; nobody may ever collect it."""
    given_up = time.monotonic() + LONGEST_WAIT
    with suppress(psutil.NoSuchProcess):
        while process.status() != psutil.STATUS_ZOMBIE and time.monotonic() < given_up:
            time.sleep(0.02)


def assert_same(found: Project, expected: Project) -> None:
    """The same bytes but for timings, and MLflow has everything once."""

    def comparable(project: Project) -> dict[str, str]:
        hashes = project.hashes("data", "models", "reports")
        return {name: value for name, value in hashes.items() if not name.endswith(TIMINGS)}

    assert comparable(found) == comparable(expected)
    assert list(found.lock()) == list(expected.lock())
    store, other = found.store(), expected.store()
    for variant in VARIANTS:
        run = store.run(variant)
        assert run.info.status == "FINISHED"
        assert points(store, run) == points(other, other.run(variant))
        assert {tag for tag in run.data.tags if tag.startswith(("stage.", "evaluation."))} == {
            "stage.train", "stage.export", "stage.evaluate", "evaluation.0"
        }  # fmt: skip
        assert [model.status for model in models(store, run)] == ["READY"]
        assert len(run.inputs.dataset_inputs) == 1


def points(store: Store, run: Any) -> dict[str, Counter[tuple[int, float]]]:
    """How often each metric has each point; times and memory differ between two runs."""
    names = [name for name in run.data.metrics if not name.startswith(NOT_COMPARED)]
    return {
        name: Counter((point.step, point.value) for point in store.client.get_metric_history(run.info.run_id, name))
        for name in names
    }


def models(store: Store, run: Any) -> list[Any]:
    found = store.client.search_logged_models([run.info.experiment_id])
    return [model for model in found if model.source_run_id == run.info.run_id]


@pytest.mark.parametrize(
    ("folder", "command"),
    [
        ("data", ("generate", "moving_square")),
        ("data", ("import", "own")),
        ("models", ("train", MEMORY)),
        (f"models/{MEMORY}", ("export", MEMORY)),
        (f"reports/{MEMORY}", ("evaluate", MEMORY)),
    ],
    ids=lambda value: value if isinstance(value, str) else " ".join(value),
)
def test_a_full_disk_is_said_in_one_line_and_nothing_half_is_left(
    changeable: Project, folder: str, command: tuple[str, ...]
) -> None:
    before = changeable.hashes(folder)
    finished = on_a_full_disk(changeable, folder, *command)
    assert finished.code == 1, finished.text
    assert "Traceback" not in finished.text
    failures = [line for line in finished.err.splitlines() if line.startswith("failed: ")]
    assert len(failures) == 1 and "No space left on device" in failures[0] and folder in failures[0], finished.text
    assert finished.out.splitlines() == [f"{name} {value}" for name, value in sorted(before.items())]


def test_a_full_scratch_folder_costs_the_checkpoint_and_not_the_training(changeable: Project) -> None:
    before = changeable.hashes(f"models/{MEMORY}/train")
    finished = on_a_full_disk(changeable, ".cadence", "train", MEMORY)
    assert finished.code == 0, finished.text
    assert finished.err.count("no checkpoint can be written (No space left on device)") == 1
    assert changeable.hashes(f"models/{MEMORY}/train") == before


def on_a_full_disk(project: Project, folder: str, *command: str) -> Finished:
    """Run a command with a copy of `folder` on a file system of its own that has no room left; prints its hashes."""
    mounting = ["unshare", "--map-root-user", "--mount", "sh", "-c"]
    trial = subprocess.run([*mounting, "mount -t tmpfs tmpfs /mnt"], capture_output=True, text=True)
    if trial.returncode:
        pytest.skip(f"no file system of one's own can be mounted here: {trial.stderr.strip()}")
    script = """
        cp -a "$1" "$1.copy" && mount -t tmpfs -o size=16m tmpfs "$1" && cp -a "$1.copy/." "$1" && rm -rf "$1.copy"
        dd if=/dev/zero of="$1/filler" bs=4k status=none 2>/dev/null
        folder=$1; shift; "$@"; code=$?
        rm "$folder/filler"; find "$folder" -type f | sort | xargs sha256sum | sed -E 's/^([^ ]+) +(.*)/\\2 \\1/'
        exit $code
    """
    return project.run(*mounting, script, "sh", folder, sys.executable, "-m", "pipeline", *command, timeout=300)
