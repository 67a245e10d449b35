"""What our writer of dvc.lock leaves is what DVC's own leaves, byte for byte."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from dvc.fs import localfs
from dvc.utils.serialize import load_yaml

from pipeline.quick_dvc import load_params, modify_lock

SOURCE = Path(__file__).parent.parent
PROJECT = """
stages:
  copy:
    foreach: [first, second, third]
    do:
      cmd: cp start.txt ${item}.txt
      deps: [start.txt]
      params: ["values.${item}"]
      outs: ["${item}.txt"]
  last:
    cmd: cat first.txt second.txt > last.txt
    deps: [first.txt, second.txt]
    outs:
    - last.txt:
        cache: false
"""
PARAMS = f"""
values: {{first: 1.0e-05, second: [1, {{deep: 0.30000000000000004}}, "{"a: 'word' " * 30}"], third: null}}
"""


def dvc(module: str, *arguments: str) -> None:
    command = [sys.executable, "-m", module, *arguments]
    subprocess.run(command, check=True, capture_output=True, env=os.environ | {"PYTHONPATH": str(SOURCE)})


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DVC_NO_ANALYTICS", "1")
    monkeypatch.setenv("DVC_SITE_CACHE_DIR", str(tmp_path / "site"))
    subprocess.run(["git", "init", "--quiet"], check=True)
    dvc("dvc", "init", "--quiet")
    Path("dvc.yaml").write_text(PROJECT)
    Path("params.yaml").write_text(PARAMS)
    Path("start.txt").write_text("start\n")
    return tmp_path


def runs(module: str) -> list[bytes]:
    """dvc.lock after a first run, after a change of one parameter, and after a stage became another."""
    locks = []
    for before, after in (("x", "x"), ("deep: 0.30000000000000004", "deep: 1e-7"), ("start.txt", "start.txt")):
        params = Path("params.yaml")
        params.write_text(params.read_text().replace(before, after))
        dvc(module, "repro")
        locks.append(Path("dvc.lock").read_bytes())
    Path("start.txt").write_text("another\n")
    dvc(module, "repro", "--single-item", "copy@second")
    return [*locks, Path("dvc.lock").read_bytes()]


def test_the_same_bytes_as_dvc_after_each_run(project):
    params = Path("params.yaml").read_bytes()
    expected = runs("dvc")
    Path("dvc.lock").unlink()
    shutil.rmtree(".dvc/cache")
    Path("params.yaml").write_bytes(params)
    Path("start.txt").write_text("start\n")
    assert runs("pipeline.quick_dvc") == expected
    assert len(set(expected)) == 3


def test_entries_that_do_not_change_keep_their_text(project):
    dvc("dvc", "repro")
    lock = Path("dvc.lock").resolve()
    marked = lock.read_text().replace("cmd: cp start.txt third.txt", "cmd:   cp start.txt third.txt")
    lock.write_text(marked)
    with modify_lock(str(lock)) as content:
        content["stages"].update({"last": {"cmd": "true"}, "new": {"cmd": "false"}})
    head, _ = marked.split("  last:\n")
    assert lock.read_text() == f"{head}  last:\n    cmd: 'true'\n  new:\n    cmd: 'false'\n"


@pytest.mark.parametrize(
    "text",
    [
        "schema: '2.0'\nstages:\n  one:\n    cmd: cp a b",
        "schema: '2.0'\nstages:\n  one: # of old\n    cmd: cp a b\n",
        "schema: '2.0'\nstages:\n    one:\n        cmd: cp a b\n",
        "schema: '2.0'\nstages: {one: {cmd: cp a b}}\n",
    ],
    ids=["no end of line", "comment", "wide", "flow"],
)
def test_a_lock_that_somebody_edited_is_left_to_dvc(project, text):
    lock = Path("dvc.lock").resolve()
    lock.write_text(text)
    with modify_lock(str(lock)) as content:
        content["stages"]["two"] = {"cmd": "cp b c"}
    assert load_yaml(str(lock)) == {"schema": "2.0", "stages": {"one": {"cmd": "cp a b"}, "two": {"cmd": "cp b c"}}}


def test_what_is_added_beside_the_stages_is_kept(project):
    lock = Path("dvc.lock").resolve()
    lock.write_text("schema: '2.0'\nstages:\n  one:\n    cmd: cp a b\n")
    with modify_lock(str(lock)) as content:
        content["datasets"] = [{"name": "pictures"}]
    assert lock.read_text() == "schema: '2.0'\nstages:\n  one:\n    cmd: cp a b\ndatasets:\n- name: pictures\n"


def test_a_lock_with_more_in_it_than_stages_is_left_to_dvc(project):
    lock = Path("dvc.lock").resolve()
    lock.write_text("schema: '2.0'\nstages:\n  one:\n    cmd: cp a b\ndatasets:\n- name: pictures\n")
    with modify_lock(str(lock)) as content:
        content["stages"]["two"] = {"cmd": "cp b c"}
    assert lock.read_text() == (
        "schema: '2.0'\nstages:\n  one:\n    cmd: cp a b\n  two:\n    cmd: cp b c\ndatasets:\n- name: pictures\n"
    )


def test_parameters_are_read_again_where_the_file_has_changed(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text("a: {b: 1}")
    first = load_params(str(path), localfs)
    first["a"]["b"] = 2  # of the reader's own
    assert load_params(str(path), localfs) == {"a": {"b": 1}}
    path.write_text("a: {b: 3}")
    assert load_params(str(path), localfs) == {"a": {"b": 3}}
