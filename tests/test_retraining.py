"""`retrain` as a runner calls it, in a small project of its own."""

import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import yaml
from project import IMAGE, MEMORY, Finished, Project

from pipeline.comparison import as_markdown, compare
from pipeline.errors import UserError

pytest_plugins = ["project"]
Cli = Callable[..., Finished]
REPORT = "reports/retrain.md"
NOBODY = "http://127.0.0.1:9"  # where no server listens
RUN = """
import runpy, sys
sys.argv = ["pipeline", "retrain"]
try:
    runpy.run_module("pipeline", run_name="__main__", alter_sys=True)
except SystemExit as end:
    assert not end.code, end.code
finally:
    print(*{"mlflow", "keras", "tensorflow", "pandas"} & set(sys.modules))
"""


def rows(text: str, heading: str) -> list[list[str]]:
    """The cells of the table below a heading, without its first two lines."""
    section = text.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[2:]]


def test_where_nothing_changed_nothing_is_done_and_nothing_heavy_is_imported(made: Project):
    before = made.hashes()
    finished = made.run(sys.executable, "-c", RUN).succeeded()
    assert finished.out == "\n"
    assert "retrain: nothing changed, so there was nothing to do" in finished.err
    assert made.hashes() == before
    assert made.run("git", "status", "--porcelain").out == ""


def test_results_that_are_elsewhere_are_fetched_and_not_made(changeable: Project):
    changeable.dvc("remote", "add", "--default", "storage", str(changeable / "storage")).succeeded()
    changeable.dvc("push").succeeded()
    before = changeable.hashes()
    for folder in ("data/digits", "data/memory", "models", "report", ".dvc/cache"):
        shutil.rmtree(changeable / folder)
    finished = changeable.pipeline("retrain").succeeded()
    assert "nothing changed" in finished.err
    assert changeable.hashes() == before

    shutil.rmtree(changeable / "models")
    changeable.dvc("remote", "modify", "storage", "url", "ssh://127.0.0.1:1/storage").succeeded()
    finished = changeable.pipeline("retrain", "--set", f"variants.{MEMORY}.seed=2")
    assert finished.code == 1, finished.text
    assert "failed: dvc pull of " in finished.err and "; nothing was run" in finished.err
    assert "Traceback" not in finished.text
    assert changeable.params()["variants"][MEMORY]["seed"] == 1


@pytest.mark.slow
def test_what_changed_is_made_and_the_report_says_what_came_of_it(changeable: Project):
    settings = [f"variants.{MEMORY}.seed=2", f"variants.{MEMORY}.training.steps=200"]
    options = [word for setting in settings for word in ("--set", setting)]
    finished = changeable.pipeline("retrain", "--target", f"train@{MEMORY}", *options).succeeded()
    assert re.fullmatch(rf"retrain: stages made: \d; read {REPORT}", finished.err.splitlines()[-1])
    text = (changeable / REPORT).read_text()
    assert rows(text, "Parameters") == [
        [f"`variants.{MEMORY}.seed`", "1", "2"],
        [f"`variants.{MEMORY}.training.steps`", "400", "200"],
    ]
    assert f"train@{MEMORY}" in [name for name, _ in rows(text, "Time")]
    assert changeable.run("git", "rev-parse", "HEAD").out.strip() in text
    assert "No variant was scored anew." in text and "## Failed" not in text
    again = changeable.pipeline("retrain", "--target", f"train@{MEMORY}").succeeded()
    assert "nothing changed" in again.err
    assert (changeable / REPORT).read_text() == text


@pytest.mark.slow
def test_a_failure_stops_neither_the_others_nor_the_report(changeable: Project):
    settings = f"variants.{IMAGE}.training.learning_rate=1e30 variants.{MEMORY}.training.steps=200"
    earlier = changeable.metrics(IMAGE)
    finished = changeable.pipeline(
        *("retrain", "--jobs", "2"), RETRAIN_SETTINGS=settings, MLFLOW_TRACKING_URI=NOBODY, timeout=400
    )
    assert finished.code == 1, finished.text
    assert "Traceback" not in finished.text
    text = (changeable / REPORT).read_text()
    failed = dict(rows(text, "Failed"))
    assert set(failed) == {f"train@{IMAGE}", "promotion of memory"}
    assert "failed: " in failed[f"train@{IMAGE}"] and "became nan" in failed[f"train@{IMAGE}"]
    assert f"export@{IMAGE}, evaluate@{IMAGE}" in text and f"Their earlier results stand: train@{IMAGE}" in text
    assert changeable.metrics(IMAGE) == earlier
    assert changeable.metrics(MEMORY)["fingerprint"] in (changeable / f"models/{MEMORY}/export/export.json").read_text()
    made = [name for name, _ in rows(text, "Time")]
    assert {f"{stage}@{MEMORY}" for stage in ("train", "export", "evaluate")} <= set(made)
    assert f"failed: train@{IMAGE}" in finished.err.splitlines()[-1]
    assert (changeable / "report/results.md").read_text().splitlines()[-1].endswith(f"evaluated: {IMAGE}.")


def test_imports_are_updated(changeable: Project, tmp_path: Path):
    origin, own = tmp_path / "own.npz", changeable / "raw/own.npz"
    shutil.copy(own, origin)
    changeable.dvc("import-url", str(origin), "raw/newest.npz").succeeded()
    with changeable.changing_params() as params:
        params["imports"]["own"]["path"] = "raw/newest.npz"
    changeable.pipeline("retrain", "--target", "import@own").succeeded()
    assert "Updated imports" not in (changeable / REPORT).read_text()
    assert not re.search(r"modified: +reports$", changeable.dvc("status", "report").out, re.MULTILINE)
    assert "nothing changed" in changeable.pipeline("retrain", "--target", "import@own").succeeded().err

    digest = yaml.safe_load((changeable / "raw/newest.npz.dvc").read_text())["outs"][0]["md5"]
    for path in ("raw/newest.npz", f".dvc/cache/files/md5/{digest[:2]}/{digest[2:]}"):
        (changeable / path).unlink()  # as in a fresh clone
    assert "nothing changed" in changeable.pipeline("retrain", "--target", "import@own").succeeded().err

    arrays = dict(np.load(own))
    arrays["x"][0, 0, 0] ^= 1
    np.savez(origin, **arrays)
    before = changeable.hashes("data/own")
    finished = changeable.pipeline("retrain", "--target", "import@own").succeeded()
    assert "imports updated: 1" in finished.err
    assert changeable.hashes("data/own") != before
    assert "## Updated imports\n\n* raw/newest.npz.dvc\n" in (changeable / REPORT).read_text()

    origin.unlink()
    finished = changeable.pipeline("retrain", "--target", "import@own")
    assert finished.code == 1 and "Traceback" not in finished.text
    assert [what for what, _ in rows((changeable / REPORT).read_text(), "Failed")] == ["update of raw/newest.npz.dvc"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("--set variants.memory_lstm.seed=-1", "params.yaml: variants.memory_lstm.seed: found -1"),
        ("--set seed=1", "no section 'seed'"),
        ("--target train@memori_lstm", "no stage 'train@memori_lstm'; did you mean 'train@memory_lstm'?"),
    ],
)
def test_a_mistake_changes_nothing(made: Project, cli: Cli, arguments: str, words: str):
    finished = cli(made, "retrain", *arguments.split())
    assert finished.code == 2 and words in finished.err and "Traceback" not in finished.text
    assert made.run("git", "status", "--porcelain").out == ""


def test_compare_shows_scores_and_parameters(changeable: Project, cli: Cli, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(changeable.folder)
    assert as_markdown(compare(), "HEAD").count("None differs from HEAD.") == 2
    file = changeable / f"reports/{MEMORY}/metrics.json"
    file.write_text(
        file.read_text().replace('"score": 1.0', '"score": 0.75').replace('"gate": "passed"', '"gate": "a|b"')
    )
    finished = cli(changeable, "compare").succeeded()
    assert rows(finished.out, "Scores") == [
        [MEMORY, "gate", "passed", "a\\|b", ""],
        [MEMORY, "score", "1", "0.75", "-0.25"],
    ]
    with pytest.raises(UserError, match="git has no commit 'nosuch'"):
        compare("nosuch")


def test_decisions_that_wait_for_their_merge_are_taken_over(fresh: Project, monkeypatch: pytest.MonkeyPatch):
    from pipeline.promotion.pending import take_over

    folder = fresh / "reports/promotions"
    folder.mkdir(parents=True)
    ahead, other, same = (folder / f"{name}.jsonl" for name in ("ahead", "other", "same"))
    for file in (ahead, other, same):
        file.write_text("1\n")
    fresh.commit("main")
    ahead.write_text("1\n2\n")
    other.write_text("3\n4\n")
    (folder / "new.jsonl").write_text("5\n")
    fresh.commit("decided on the branch")
    fresh.run("git", "update-ref", "refs/remotes/origin/retrain", "HEAD").succeeded()
    fresh.run("git", "reset", "--quiet", "--hard", "HEAD~1").succeeded()
    monkeypatch.chdir(fresh.folder)
    assert take_over() == ["ahead", "new"]
    assert [path.read_text() for path in (ahead, other, same, folder / "new.jsonl")] == ["1\n2\n", "1\n", "1\n", "5\n"]
    assert take_over() == []
    fresh.run("git", "update-ref", "-d", "refs/remotes/origin/retrain").succeeded()
    assert take_over() == []
