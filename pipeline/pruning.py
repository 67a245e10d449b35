"""`python -m pipeline prune`: take away what removed variants and datasets left here.

Only what a stage wrote is removed: paths as dvc.yaml names outputs, and folders that hold what a stage puts there.
Files of anybody else stay, and so does what lies behind a symbolic link.
"""

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from pipeline.checking.findings import CHECKS_FILE, PASSED_FILE
from pipeline.config import RESERVED, RESERVED_DATASET
from pipeline.dataset import CARD_FILE, read_card
from pipeline.errors import UserError
from pipeline.files import ASIDE, read_json
from pipeline.fingerprint import RECORD_FILE
from pipeline.lockfile import recorded_names, stage_names, tidy
from pipeline.places import FIGURES_FOLDER, GRADIENTS_FILE, TRAIN_TIMING_FILE, WEIGHTS_FILE
from pipeline.plugins import NAME
from pipeline.runtime import MANIFEST_FILE

STAGES_FILE = Path("dvc.yaml")
KEY = "${key}"


def prune(dry_run: bool = False) -> int:
    """Remove entries of dvc.lock and outputs that belong to no stage any longer; print each and return their number.

    dry_run: remove nothing.

    Raises:
        UserError: dvc.yaml or params.yaml cannot be read.
    """
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    verb = "would remove" if dry_run else "removed"
    try:
        with Repo(_wait_for_lock=True) as repo:
            entries = sorted(set(recorded_names(repo)) - set(stage_names(repo))) if dry_run else tidy(repo)
            used = _in_use(repo)
    except DvcException as error:
        raise UserError(str(error)) from error
    for name in entries:
        print(f"{verb} dvc.lock: {name}")
    paths = [path for path in _written_by_stages() if not any(_overlap(path, other) for other in used)]
    removable = [path for path in paths if _is_ours(path)]
    for path in removable:
        if not dry_run:
            _remove(path)
        print(f"{verb} {path}")
    for path in sorted({*paths} - {*removable}):
        print(f"left {path}: it holds what no stage of this project wrote, or is a link")
    return len(entries) + len(removable)


def _in_use(repo: Any) -> set[Path]:
    """Outputs and dependencies of all stages there are."""
    root = Path(repo.root_dir)
    parts = [*repo.index.outs, *(dep for dep in repo.index.deps if dep.protocol == "local")]
    return {Path(part.fs_path).relative_to(root) for part in parts if Path(part.fs_path).is_relative_to(root)}


def _written_by_stages() -> list[Path]:
    """What is here under the paths that dvc.yaml gives to outputs, whatever variant or dataset they are named after."""
    found = set()
    for pattern in set(_patterns()):
        before, _, after = pattern.partition(KEY)
        names = {path.name for path in Path(before).iterdir()} if Path(before).is_dir() else set()
        names -= {*RESERVED, RESERVED_DATASET}
        found |= {Path(f"{before}{name}{after}") for name in names if re.fullmatch(NAME, name)}
    return sorted(path for path in found if path.exists() or path.is_symlink())


def _patterns() -> Iterator[str]:
    """Paths of outputs that contain the name of a variant or dataset: `models/${key}/train`."""
    for stage in yaml.safe_load(STAGES_FILE.read_text(encoding="utf-8"))["stages"].values():
        template = stage.get("do", {})
        for kind in ("outs", "metrics", "plots"):
            for output in template.get(kind, []):
                path = output if isinstance(output, str) else next(iter(output))
                if KEY in path:
                    yield path


def _overlap(path: Path, other: Path) -> bool:
    """Whether one is in use because the other is. A folder above many outputs, such as reports, keeps none of them."""
    return path == other or path in other.parents or (other in path.parents and len(other.parts) > 1)


def _is_ours(path: Path) -> bool:
    if any(part.is_symlink() for part in (path, *path.parents)):
        return False
    if path.parts[0] == "data":
        return _is_dataset(path)
    if path.parts[0] == "models":
        return (path / RECORD_FILE).is_file() and {file.name for file in path.iterdir()} <= _names(path)
    if path.parts[:2] == ("reports", "data"):
        return any((path.parent / file).is_file() for file in (CHECKS_FILE, PASSED_FILE))
    if path.name == FIGURES_FOLDER and any(f.suffix != ".png" and f.name != GRADIENTS_FILE for f in path.iterdir()):
        return False
    timing = path.parent / TRAIN_TIMING_FILE  # the last of a variant's outputs to go
    return timing.is_file() and "fingerprint" in read_json(timing)


def _names(folder: Path) -> set[str]:
    """What train or export writes into its folder."""
    if folder.name == "train":
        return {RECORD_FILE, WEIGHTS_FILE, GRADIENTS_FILE}
    return {RECORD_FILE, MANIFEST_FILE, GRADIENTS_FILE, *(file.name for file in folder.glob("*.onnx"))}


def _is_dataset(folder: Path) -> bool:
    """Whether a folder holds a dataset that a stage wrote, and nothing else."""
    try:
        card = read_card(folder)
    except UserError:
        return False
    arrays = {f"{key.replace('/', '_')}.npy" for key in card.checksums()}
    return {path.name for path in folder.iterdir()} <= {CARD_FILE, *arrays}


def _remove(path: Path) -> None:
    """Remove an output, and folders that are empty without it; a kill never leaves half an output in its place."""
    aside = path.with_name(f".{path.name}.{os.getpid()}{ASIDE}")
    path.replace(aside)
    if aside.is_dir():
        shutil.rmtree(aside)
    else:
        aside.unlink()
    for folder in path.parents[:-2]:
        if any(folder.iterdir()):
            break
        folder.rmdir()
