"""dvc.lock in one form, and whole: the entries of dvc.yaml's stages, in dvc.yaml's order, whichever were made first.

DVC writes it, and its list of who reads and writes what, in place: killed at that moment, it leaves half a file, and
refuses to start with it. `keep` and `mend` make up for that.
"""

import hashlib
import json
import re
import shutil
from pathlib import Path
from typing import Any

import psutil

from pipeline.files import whole_file

LOCK_FILE = "dvc.lock"
KEPT_COPY = Path(".cadence", LOCK_FILE)
ENTRY = re.compile(r"^  ([^\s:]+):$", re.MULTILINE)


def stage_names(repo: Any) -> list[str]:
    """The names of all stages of dvc.yaml, `foreach` written out, in the order of the file."""
    from dvc.dvcfile import PROJECT_FILE, load_file

    return list(load_file(repo, str(Path(repo.root_dir) / PROJECT_FILE)).resolver.get_keys())


def recorded_names(repo: Any) -> list[str]:
    """The stages that dvc.lock has an entry of, in its order; none where nothing ran yet."""
    path = Path(repo.root_dir) / LOCK_FILE
    return ENTRY.findall(path.read_text(encoding="utf-8")) if path.exists() else []


def dvc_hash(folder: Path) -> str:
    """The hash that DVC records of an output folder: `<md5>.dir`. Reads every file, 100 MB in 0.2 s."""
    files = {file.relative_to(folder).as_posix(): file for file in folder.rglob("*") if file.is_file()}
    entries = [{"md5": _md5(files[name]), "relpath": name} for name in sorted(files)]
    return hashlib.md5(json.dumps(entries).encode(), usedforsecurity=False).hexdigest() + ".dir"


def tidy(repo: Any) -> list[str]:
    """Put the entries of dvc.lock in the order of dvc.yaml and drop those without a stage, whose names are returned.

    DVC appends what it makes and keeps what was removed; after this parallel and serial runs leave the same bytes.
    """
    from dvc.utils.serialize import dumps_yaml, load_yaml

    with repo.lock:
        found = recorded_names(repo)
        names = [name for name in stage_names(repo) if name in set(found)]
        if found != names:  # only then, as parsing takes seconds where there are hundreds of stages
            path = Path(repo.root_dir) / LOCK_FILE
            content = load_yaml(path)
            content["stages"] = {name: content["stages"][name] for name in names}
            with whole_file(path) as aside:
                aside.write_text(dumps_yaml(content), encoding="utf-8")
    return sorted(set(found) - set(names))


def keep(repo: Any) -> None:
    """Put a copy of dvc.lock aside, for `mend`."""
    path, copy = (Path(repo.root_dir) / name for name in (LOCK_FILE, KEPT_COPY))
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
    from dvc.utils.serialize import YAMLFileCorruptedError, load_yaml

    text = path.read_bytes()
    if b"\n<<<<<<< " in text:
        return False
    try:
        return not (isinstance(load_yaml(path), dict) and text.endswith(b"\n"))
    except YAMLFileCorruptedError:
        return True


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


def _md5(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
