"""Decisions of a scheduled retraining whose pull request is not merged yet: the store follows them already."""

import subprocess
from pathlib import PurePosixPath

from pipeline.files import whole_file
from pipeline.promotion.decisions import FOLDER, decisions_file

BRANCH = "refs/remotes/origin/retrain"


def take_over() -> list[str]:
    """Add what that branch has decided since to the files here; returns the datasets it had something about.

    A file that does not begin with what stands here is left alone: somebody decided otherwise.
    """
    found = []
    for path in _git("ls-tree", "--name-only", BRANCH, f"{FOLDER.as_posix()}/").decode().splitlines():
        file = decisions_file(PurePosixPath(path).stem)
        there, here = _git("show", f"{BRANCH}:{path}"), file.read_bytes() if file.is_file() else b""
        if file.as_posix() == path and there.startswith(here) and there != here:
            with whole_file(file) as aside:
                aside.write_bytes(there)
            found.append(file.stem)
    return found


def _git(*arguments: str) -> bytes:
    """What git prints; nothing where it fails, as without such a branch."""
    return subprocess.run(["git", *arguments], capture_output=True).stdout
