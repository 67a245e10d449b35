"""dvc.lock in one form: the entries of dvc.yaml's stages, in dvc.yaml's order, whichever order they were made in."""

import hashlib
import json
import re
from pathlib import Path
from typing import Any

from pipeline.files import whole_file

LOCK_FILE = "dvc.lock"
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


def _md5(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
