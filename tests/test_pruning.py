"""`prune` takes away what stages wrote for variants and datasets that are gone, and nothing else."""

import re
import shutil
from collections.abc import Callable

import pytest
from dvc.repo import Repo
from project import CLIP, IMAGE, MEMORY, Finished, Project

from pipeline.lockfile import tidy

pytest_plugins = ["project"]
Cli = Callable[..., Finished]
GONE = [
    *("dvc.lock: derive@half_of_digits", "dvc.lock: generate@memory"),
    *(f"dvc.lock: {stage}@{MEMORY}" for stage in ("evaluate", "export", "train")),
    *("data/half_of_digits", "data/memory"),
    *(f"models/{MEMORY}/{stage}" for stage in ("export", "train")),
]


@pytest.fixture
def fewer(changeable: Project) -> Project:
    """Without the variant `memory_lstm`, its dataset and a derived one."""
    with changeable.changing_params() as params:
        del params["variants"][MEMORY], params["datasets"]["memory"], params["derived"]["half_of_digits"]
    for folder in (f"models/{MEMORY}/train", f"models/{MEMORY}/export", f"reports/{MEMORY}/figures"):
        (changeable / folder / "gradients.csv").write_text("when,step,norm,clipped\n")  # as a variant that records them
    return changeable


def test_a_removed_variant_and_its_dataset_leave_nothing(fewer: Project, cli: Cli):
    before, lock = fewer.hashes(), (fewer / "dvc.lock").read_bytes()
    finished = cli(fewer, "prune", "--dry-run").succeeded()
    announced = [line.removeprefix("would remove ") for line in finished.lines()]
    assert set(GONE) <= set(announced)
    assert f"reports/{MEMORY}/metrics.json" in announced and f"reports/{MEMORY}/figures" in announced
    assert fewer.hashes() == before and (fewer / "dvc.lock").read_bytes() == lock

    finished = cli(fewer, "prune").succeeded()
    assert [line.removeprefix("removed ") for line in finished.lines()] == announced
    assert f"prune: removed {len(announced)}; " in finished.err
    paths = tuple(line for line in announced if not line.startswith("dvc.lock"))
    assert fewer.hashes() == {name: digest for name, digest in before.items() if not name.startswith(paths)}
    for folder in (f"models/{MEMORY}", f"reports/{MEMORY}", "data/memory"):
        assert not (fewer / folder).exists()
    assert not [name for name in fewer.lock() if MEMORY in name]
    assert set(fewer.lock()) >= {f"train@{CLIP}", f"train@{IMAGE}", "import@own"}
    assert cli(fewer, "prune").succeeded().err == "prune: nothing to remove\n"


def test_what_is_not_in_dvc_lock_any_longer_is_found(fewer: Project, cli: Cli):
    with Repo(str(fewer.folder)) as repo:
        assert "generate@memory" in tidy(repo)
    finished = cli(fewer, "prune").succeeded()
    assert finished.lines()[:2] == ["removed data/half_of_digits", "removed data/memory"]


def test_files_of_anybody_else_stay(fewer: Project, cli: Cli, tmp_path):
    mine = {
        "data/mine/notes.txt": "in a folder that no stage made",
        "data/memory/notes.txt": "beside arrays of a dataset that is gone",
        f"models/{MEMORY}/notes.txt": "beside a training that is gone",
        "models/pretrained/train/model.weights.h5": "named like an output, but without a record",
        f"reports/{MEMORY}/notes.txt": "beside scores that are gone",
        "reports/paper/figures/a.png": "named like an output, but of no variant",
        "reports/paper/metrics.json": "{}",
        "reports/seeds/memory_lstm.json": "{}",
        "reports/promotions/memory.jsonl": "{}",
        "data/references/own.json": "{}",
    }
    for name, text in mine.items():
        (fewer / name).parent.mkdir(parents=True, exist_ok=True)
        (fewer / name).write_text(text)
    elsewhere = tmp_path / "elsewhere"
    shutil.move(fewer / "data/half_of_digits", elsewhere)
    (fewer / "data/half_of_digits").symlink_to(elsewhere)
    with fewer.changing_params() as params:
        del params["variants"][IMAGE], params["datasets"]["digits"]
        params["imports"]["own"]["path"] = "data/digits"  # somebody reads it as files
    before = fewer.hashes("data/digits")
    out = cli(fewer, "prune").succeeded().out
    assert {name: (fewer / name).read_text() for name in mine} == mine
    for path in ("data/half_of_digits", "data/memory", "models/pretrained/train"):
        assert f"left {path}: " in out
    assert (elsewhere / "card.json").is_file() and (fewer / "data/half_of_digits").is_symlink()
    assert (fewer / "data/memory/card.json").is_file()
    assert fewer.hashes("data/digits") == before and not re.search(r"^removed data/digits", out, re.MULTILINE)
    assert f"removed models/{IMAGE}/train" in out


def test_a_params_yaml_that_cannot_be_read_removes_nothing(changeable: Project, cli: Cli):
    (changeable / "params.yaml").write_text("variants: {a: [}")
    before = changeable.hashes()
    finished = cli(changeable, "prune")
    assert finished.code == 2 and "params.yaml" in finished.err and "Traceback" not in finished.text
    assert changeable.hashes() == before
