"""Real DVC on a toy project of `cp` stages: a root, eight copies of it, and a stage that needs them all."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipeline.errors import UserError
from pipeline.scheduler import repro
from pipeline.shares import shares as shares_of
from pipeline.verify import verify

COPIES = "abcdefgh"
SOURCE = Path(__file__).parent.parent
PROJECT = """
stages:
  root:
    cmd: cp start.txt root.txt
    deps: [start.txt]
    params: [letter]
    outs: [root.txt]
  copy:
    foreach: {copies}
    do:
      cmd: {command}
      deps: [root.txt]
      outs: ["${{item}}.txt"]
  end:
    cmd: cat {files} > end.txt
    deps: [{inputs}]
    outs:
    - end.txt:
        cache: false
"""


def write_project(copies: str = COPIES, command: str = "cp root.txt ${item}.txt") -> None:
    files = [f"{copy}.txt" for copy in copies]
    text = PROJECT.format(copies=list(copies), command=command, files=" ".join(files), inputs=", ".join(files))
    Path("dvc.yaml").write_text(text)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DVC_NO_ANALYTICS", "1")
    monkeypatch.setenv("DVC_SITE_CACHE_DIR", str(tmp_path / "site"))
    monkeypatch.setenv("PYTHONPATH", str(SOURCE))
    subprocess.run(["git", "init", "--quiet"], check=True)
    subprocess.run([sys.executable, "-m", "dvc", "init", "--quiet"], check=True)
    Path("start.txt").write_text("start\n")
    Path("params.yaml").write_text("letter: a\n")
    write_project()
    return tmp_path


def test_side_by_side_leaves_the_same_lock_as_one_by_one_and_then_has_nothing_to_do(project, capfd):
    assert repro([], jobs=1).code == 0
    serial = Path("dvc.lock").read_bytes()
    Path("dvc.lock").unlink()
    for file in project.glob("?.txt"):
        file.unlink()
    assert repro(["all"], jobs=4, force=True).code == 0
    assert Path("dvc.lock").read_bytes() == serial
    assert (project / "end.txt").read_text() == "start\n" * len(COPIES)
    capfd.readouterr()
    assert repro([], jobs=4).code == 0
    assert capfd.readouterr().out == "0 made, 10 up to date\n"


def test_a_failure_stops_only_what_needs_it(project, capfd):
    command = "sh -c 'echo trying; test ${item} != c && cp root.txt ${item}.txt'"
    write_project(command=command)
    assert repro([], jobs=2).code == 1
    out = capfd.readouterr().out
    assert "8 made, 0 up to date, 1 failed: copy@c\n" in out
    assert "left out, as they need these: end\n" in out
    assert "       trying\n" in out
    assert all(Path(f"{copy}.txt").exists() for copy in COPIES if copy != "c")
    write_project(copies="ab")
    assert repro(["end"], jobs=2).code == 0


def test_stages_that_run_apart_say_how_long_they_took_and_why_they_failed(project):
    write_project(copies="abc", command="sh -c 'echo no ${item} >&2; test ${item} != c && cp root.txt ${item}.txt'")
    outcome = repro([], jobs=1, apart=True)
    assert outcome.code == 1
    assert set(outcome.seconds) == {"root", "copy@a", "copy@b", "copy@c"}
    assert all(seconds > 0 for seconds in outcome.seconds.values())
    assert outcome.failed == {"copy@c": "no c"}
    assert outcome.left_out == ["end"]


@pytest.mark.parametrize("jobs", [1, 2])
def test_what_a_failed_stage_had_made_is_put_back(project, jobs, capfd):
    assert repro([], jobs=1).code == 0
    lock = Path("dvc.lock").read_bytes()
    write_project(command="sh -c 'test ${item} != c && cp root.txt ${item}.txt'")
    Path("start.txt").write_text("second start\n")
    assert repro([], jobs=jobs)[:2] == (1, ["copy@c"])
    assert "as they were before: the outputs of copy@c" in capfd.readouterr().out
    assert Path("c.txt").read_text() == "start\n" and Path("b.txt").read_text() == "second start\n"

    write_project()
    Path("start.txt").write_text("start\n")
    assert repro([], jobs=1).code == 0
    assert Path("dvc.lock").read_bytes() == lock
    Path("dvc.yaml").write_text(Path("dvc.yaml").read_text().replace("cmd: cat", "cmd: false && cat"))
    assert repro([], jobs=jobs)[:2] == (1, ["end"])  # whose output is not in DVC's cache
    assert Path("end.txt").read_text() == "start\n" * len(COPIES)


def test_stages_that_are_gone_leave_the_lock_and_the_order_is_that_of_dvc_yaml(project, capfd):
    write_project(copies="cab")
    assert repro([], jobs=1).code == 0
    write_project(copies="ac")
    assert repro([], jobs=1).code == 0
    assert "dvc.lock: dropped copy@b" in capfd.readouterr().out
    lines = Path("dvc.lock").read_text().splitlines()
    assert [line.strip(" :") for line in lines if line.startswith("  ") and line[2] != " "] == [
        *("root", "copy@a", "copy@c", "end")
    ]


@pytest.mark.parametrize("jobs", [1, 2])
def test_ctrl_c_ends_the_stages_and_leaves_the_lock_whole(project, jobs):
    write_project(copies="ab", command="sh -c 'touch ${item}.started; sleep 300'")
    code = f"import sys; from pipeline.scheduler import repro; sys.exit(repro([], {jobs}).code)"
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        start_new_session=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 60
    while len(list(project.glob("*.started"))) < jobs and time.monotonic() < deadline:
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 130, out
    assert len(list(project.glob("*.started"))) == jobs
    assert "root:" in Path("dvc.lock").read_text()
    write_project(copies="ab")
    assert repro([], jobs=1).code == 0


def test_no_such_stage_is_an_error_of_the_user(project):
    with pytest.raises(UserError, match="nosuch"):
        repro(["nosuch"], jobs=2)
    with pytest.raises(UserError, match="--jobs"):
        repro([], jobs=0)


def test_cores_are_divided_without_remainder_or_overlap():
    if not hasattr(os, "sched_getaffinity"):
        pytest.skip("this system does not pin processes")
    cores = os.sched_getaffinity(0)
    shares = [share.cores for share in shares_of(len(cores))]
    assert set().union(*shares) == cores
    assert sum(map(len, shares)) == len(cores)
    assert not any(share.cores for share in shares_of(len(cores) + 1))


def test_verify_names_every_difference(project, capfd):
    assert len(verify()) == 10
    write_project(copies="ab")
    assert repro([], jobs=1).code == 0
    capfd.readouterr()
    assert verify() == []
    assert "4 stages" in capfd.readouterr().out

    Path("a.txt").unlink()
    assert verify() == []
    assert "not here (dvc pull or make repro): 1 outputs, a.txt the first" in capfd.readouterr().out

    Path("b.txt").unlink()
    Path("b.txt").write_text("by hand\n")
    Path("start.txt").write_text("changed\n")
    Path("params.yaml").write_text("letter: b\n")
    Path("end.txt").unlink()
    lock = Path("dvc.lock").read_text()
    Path("dvc.lock").write_text(lock.replace("  copy@a:", "  copy@z:"))
    found = "\n".join(verify())
    assert "copy@z: stands in dvc.lock, but is no stage of dvc.yaml" in found
    assert "copy@a: has no entry in dvc.lock" in found
    assert "copy@b: b.txt differs: recorded " in found
    assert "root: start.txt differs: recorded " in found
    assert "root: params.yaml: letter is modified" in found
    assert "end: end.txt is missing; git keeps it" in found
