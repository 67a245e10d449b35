"""The whole pipeline in a small form, as `make smoke` runs it."""

from pathlib import Path

import pytest
import yaml
from found import PARAMS
from project import Project

from pipeline.config import check_all
from pipeline.smoke import LARGEST_BATCH, small_params

pytest_plugins = ["project"]


def test_the_small_form_of_every_block_is_valid(tmp_path: Path):
    params = small_params(PARAMS, Path())
    assert {section: set(blocks) for section, blocks in params.items()} == {
        section: set(blocks) for section, blocks in PARAMS.items()
    }
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params))
    assert check_all(tmp_path / "params.yaml") == []
    assert all(block["training"]["batch_size"] <= LARGEST_BATCH for block in params["variants"].values())


def test_imports_without_files_are_left_out_with_what_needs_them(made: Project):
    params = made.params()
    params["derived"]["half_of_own"] = params["derived"]["half_of_digits"] | {
        "dataset": "data/own",
        "start": "data/own",
    }
    params["variants"]["own_cnn"] = params["variants"]["digits_cnn"] | {"dataset": "own", "start": "data/own"}
    params["variants"]["next_cnn"] = params["variants"]["digits_cnn"] | {"start": "models/own_cnn/train"}
    kept = small_params(params, made.folder)
    assert {"own_cnn", "next_cnn"} <= set(kept["variants"]) and "half_of_own" in kept["derived"]
    kept = small_params(params, Path("nowhere"))
    assert not kept["imports"]
    assert set(kept["derived"]) == {"half_of_digits"}
    assert not {"own_cnn", "next_cnn"} & set(kept["variants"])


@pytest.mark.full
def test_a_smoke_run_changes_nothing_here(changeable: Project):
    before = changeable.hashes()
    finished = changeable.pipeline("smoke", "--jobs", "2", timeout=600).succeeded()
    assert "smoke: 5 datasets and 3 variants made, all up to date" in finished.err
    assert changeable.hashes() == before
    assert not (changeable / "mlflow.db").exists()
    assert changeable.run("git", "status", "--porcelain").out == ""
