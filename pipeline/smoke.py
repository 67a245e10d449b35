"""`python -m pipeline smoke`: does everything still run? Every dataset and variant in a small form, in a copy."""

import inspect
import os
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml

from pipeline import config
from pipeline.errors import StageFailure
from pipeline.plugins import load_plugin

SPLITS = {"train": 24, "validation": 8, "test": 12}
LARGEST_BATCH = 4  # divides all of them, as networks with a carried state need
NOT_COPIED = ("dvc.lock", "reports/")
OF_THIS_PROJECT = ("DVC_", "MLFLOW_", "GIT_")


def smoke(jobs: int) -> str:
    """Make everything from nothing in a temporary copy, and see that it then is up to date.

    The copy has the files that git knows or would take; imports whose files are not among them are left out, with what
    needs them. Nothing here changes, and MLflow hears nothing of it.

    Returns:
        What ran, in words.

    Raises:
        UserError: params.yaml is wrong.
        StageFailure: a stage failed, or something was out of date at once.
    """
    with TemporaryDirectory(prefix="cadence-smoke-") as name:
        folder = Path(name, "project")
        _copy_project(folder)
        params = small_params(config.load_params(), folder)
        (folder / config.PARAMS_FILE).write_text(yaml.safe_dump(params, sort_keys=False), encoding="utf-8")
        python = [sys.executable, "-m"]
        _run(folder, "git", "init", "--quiet")
        _run(folder, *python, "pipeline", "repro", "--jobs", str(jobs))
        _run(folder, *python, "pipeline", "verify")
        _run(folder, *python, "dvc", "status", "--quiet")
    return f"{len(config.dataset_names(params))} datasets and {len(params['variants'])} variants made, all up to date"


def small_params(params: dict[str, dict[str, Any]], folder: Path) -> dict[str, dict[str, Any]]:
    """The content of params.yaml with sources, networks and trainings in their small form.

    Imports whose files are not in `folder` are left out, with all that needs them.
    """
    kept = _with_files(params, folder)
    return kept | {
        "datasets": {name: _small_dataset(name, block, kept) for name, block in kept["datasets"].items()},
        "variants": {name: _small_variant(name, block, kept) for name, block in kept["variants"].items()},
    }


def _with_files(params: dict[str, dict[str, Any]], folder: Path) -> dict[str, dict[str, Any]]:
    imports = {
        name: block
        for name, block in params["imports"].items()
        if (folder / config.import_block(name, params).path).exists()
    }
    derived = {name: config.derived_block(name, params) for name in params["derived"]}
    variants = {name: config.variant_block(name, params) for name in params["variants"]}
    kept = params | {"imports": imports}
    while True:
        places = {f"data/{name}" for name in config.dataset_names(kept)}
        places |= {f"models/{name}/{stage}" for name in kept["variants"] for stage in ("train", "export")}
        fewer = {
            "derived": {
                name: block
                for name, block in kept["derived"].items()
                if {derived[name].dataset, derived[name].start} <= places
            },
            "variants": {
                name: block
                for name, block in kept["variants"].items()
                if {f"data/{variants[name].dataset}", variants[name].start} <= places
            },
        }
        if all(fewer[section] == kept[section] for section in fewer):
            return kept
        kept |= fewer


def _small_dataset(name: str, found: dict[str, Any], params: dict[str, dict[str, Any]]) -> dict[str, Any]:
    block = config.dataset_block(name, params)
    parameters = load_plugin("datasets", block.source, name).Parameters
    kept = {key: getattr(block.parameters, key) for key in inspect.signature(parameters.small).parameters}
    small = parameters.small(**kept)
    return found | {"splits": SPLITS, "parameters": small.model_dump(mode="json")}


def _small_variant(name: str, found: dict[str, Any], params: dict[str, dict[str, Any]]) -> dict[str, Any]:
    block = config.variant_block(name, params)
    training = block.training.small()
    training = training.model_copy(update={"batch_size": min(training.batch_size, LARGEST_BATCH)})
    return found | {
        "network": block.network.small().model_dump(mode="json"),
        "training": training.model_dump(mode="json", exclude_none=True),
    }


def _copy_project(folder: Path) -> None:
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    for name in subprocess.run(listing, capture_output=True, text=True, check=True).stdout.split("\0"):
        if name and not name.startswith(NOT_COPIED) and Path(name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(name, folder / name)


def _run(folder: Path, *command: str) -> None:
    """A command in the copy, which knows nothing of the project it was taken from."""
    outside = {name: value for name, value in os.environ.items() if not name.startswith(OF_THIS_PROJECT)}
    caches = {"DVC_NO_ANALYTICS": "1", "DVC_SITE_CACHE_DIR": str(folder / ".dvc/tmp/site")}
    code = subprocess.run(command, cwd=folder, env=outside | caches).returncode
    if code:
        raise StageFailure(f"smoke: in the small copy, {' '.join(command[-4:])} ended with {code}; see above")
