"""DVC, as `python -m dvc`, with a dvc.lock that is written one entry at a time, and a params.yaml that is read once.

After each stage DVC reads and writes the whole of dvc.lock in a form that keeps comments, which dvc.lock has none of:
2.5 s a stage where there are 200, and no other stage can begin or end meanwhile. Here the entries that did not change
keep their text. What is written is the same, byte for byte. And for each stage DVC reads all of params.yaml; here again
only where the file has changed.
"""

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from functools import lru_cache
from pathlib import Path
from typing import Any

from pipeline.files import whole_file
from pipeline.lockfile import LOCK_FILE

HEAD = "schema: '2.0'\nstages:\n"
START_OF_ENTRY = re.compile(r"^(?=  [^\s:]+:$)", re.MULTILINE)


@contextmanager
def modify_lock(path: str, fs: Any = None) -> Iterator[Any]:
    """Stand in for DVC's `modify_yaml`: hand out the content of dvc.lock, and write what is changed in it."""
    from dvc.utils.serialize import dumps_yaml, modify_yaml, parse_yaml

    file = Path(path)
    text = file.read_text(encoding="utf-8") if file.name == LOCK_FILE and file.exists() else ""
    known = parse_yaml(text, path) if text.startswith(HEAD) else {}
    texts = _entries(text, known)
    if not texts:
        with modify_yaml(path, fs=fs) as content:
            yield content
        return
    content = {**known, "stages": dict(known["stages"])}
    yield content
    if set(content) != set(known):
        with modify_yaml(path, fs=fs) as whole:
            whole.update(content)
        return
    for name, entry in content["stages"].items():
        if entry is not known["stages"].get(name):
            texts[name] = dumps_yaml({"stages": {name: entry}}).removeprefix("stages:\n")
    with whole_file(file) as aside:
        aside.write_text(HEAD + "".join(texts[name] for name in content["stages"]), encoding="utf-8")


def _entries(text: str, content: Any) -> dict[str, str]:
    """The text of each stage's entry; nothing where dvc.lock holds more than stages, or is not in DVC's own form."""
    stages = content.get("stages")
    if set(content) != {"schema", "stages"} or not stages or not text.endswith("\n"):
        return {}
    pieces = START_OF_ENTRY.split(text.removeprefix(HEAD))[1:]
    return dict(zip(stages, pieces, strict=True)) if len(pieces) == len(stages) else {}


def load_params(path: str, fs: Any) -> Any:
    """Stand in for DVC's `load_path` of a file of parameters."""
    file = Path(path).stat()
    return deepcopy(_params_of(path, fs, file.st_mtime_ns, file.st_size, file.st_ino))


@lru_cache(maxsize=1)
def _params_of(path: str, fs: Any, *version: int) -> Any:
    from dvc.utils.serialize import load_path

    return load_path(path, fs)


def main() -> int:
    """Be `dvc`, with the arguments of the command line."""
    from dvc import dvcfile
    from dvc.cli import main as dvc
    from dvc.dependency import param

    dvcfile.modify_yaml = modify_lock
    param.load_path = load_params
    return dvc()


if __name__ == "__main__":
    sys.exit(main())
