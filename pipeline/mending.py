"""What a DVC that was killed leaves, and how it is mended.

DVC writes dvc.lock, and its list of who reads and writes what, in place: killed at that moment, it leaves half a file,
and refuses to start with it.
"""

import json
import shutil
from pathlib import Path
from typing import Any

import psutil

from pipeline.files import whole_file
from pipeline.lockfile import LOCK_FILE

KEPT_COPY = Path(".cadence", LOCK_FILE)


def keep(repo: Any) -> None:
    """Put a copy of dvc.lock aside, for `mend`."""
    path, copy = (Path(repo.root_dir) / name for name in (LOCK_FILE, KEPT_COPY))
    with repo.lock:
        if path.is_file():
            with whole_file(copy) as aside:
                shutil.copy(path, aside)


def mend(repo: Any) -> list[str]:
    """Repair what a DVC that was killed has left; returns what was done, in words."""
    from dvc.lock import make_lock

    done = []
    path, copy = (Path(repo.root_dir) / name for name in (LOCK_FILE, KEPT_COPY))
    running = Path(repo.tmp_dir) / "rwlock"
    with repo.lock:
        if path.is_file() and _is_cut_off(path):
            copy.parent.mkdir(exist_ok=True)
            shutil.copy(path, copy.with_suffix(".broken"))
            if copy.is_file():
                with whole_file(path) as aside:
                    shutil.copy(copy, aside)
            else:
                path.unlink()
            done.append(f"{LOCK_FILE} was cut off in the middle: it is again as it was before the last run")
        with make_lock(str(running.with_suffix(".lock")), tmp_dir=repo.tmp_dir):  # DVC's own, of this list
            if running.is_file():
                _drop_the_dead(running)
    return done


def _is_cut_off(path: Path) -> bool:
    """Whether the end of a dvc.lock is missing. One with the marks of a merge is for its owner to put right."""
    from dvc.schema import COMPILED_LOCKFILE_SCHEMA
    from dvc.utils.serialize import YAMLFileCorruptedError, load_yaml
    from voluptuous import Invalid

    text = path.read_bytes()
    if b"\n<<<<<<< " in text:
        return False
    try:
        COMPILED_LOCKFILE_SCHEMA(load_yaml(path))
    except (YAMLFileCorruptedError, Invalid):
        return True
    return not text.endswith(b"\n")


def _drop_the_dead(path: Path) -> None:
    """Take processes that no longer run off DVC's list of who reads and writes what.

    DVC does so itself, but takes one that ended and was never waited for, as happens in containers, for running.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:  # cut off: killed while DVC wrote it
        path.unlink()
        return
    reading = {file: [by for by in readers if _runs(by)] for file, readers in content.get("read", {}).items()}
    kept = {
        "read": {file: readers for file, readers in reading.items() if readers},
        "write": {file: by for file, by in content.get("write", {}).items() if _runs(by)},
    }
    if kept != content:
        with whole_file(path) as aside:
            aside.write_text(json.dumps(kept), encoding="utf-8")


def _runs(holder: dict[str, Any]) -> bool:
    try:
        return psutil.Process(int(holder["pid"])).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
