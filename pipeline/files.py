"""Write aside, then rename: an output is whole or it is not there.

What is written aside lies beside its target and ends in `.aside`, which git and DVC ignore. A process that is killed
leaves it; the next one that writes the same target sweeps it away.
"""

import glob
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from pipeline.errors import UserError

Model = TypeVar("Model", bound=BaseModel)
DIGEST_CHUNK_BYTES = 1 << 20
ASIDE = ".aside"


@contextmanager
def whole_folder(target: Path) -> Iterator[Path]:
    """Give an empty folder to fill; when the block ends without an error it takes the place of `target`."""
    _sweep(target)
    aside = Path(tempfile.mkdtemp(prefix=f".{target.name}.{os.getpid()}.", suffix=ASIDE, dir=target.parent))
    aside.chmod(0o755)
    before = aside.with_name(f"{aside.stem}.before{ASIDE}")
    try:
        with _naming(target):
            yield aside
        if target.exists():
            target.replace(before)
        aside.replace(target)
    finally:
        if before.exists() and not target.exists():
            before.replace(target)
        for folder in (aside, before):
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def whole_file(target: Path) -> Iterator[Path]:
    """Give a path to write to; when the block ends without an error it takes the place of `target`."""
    _sweep(target)
    aside = target.with_name(f".{target.name}.{os.getpid()}{ASIDE}")
    try:
        with _naming(target):
            yield aside
        aside.replace(target)
    finally:
        aside.unlink(missing_ok=True)


@contextmanager
def _naming(target: Path) -> Iterator[None]:
    """Say of which output an error is that names no file, such as that of a disk that is full."""
    try:
        yield
    except OSError as error:
        if error.filename is None and error.errno is not None:
            raise OSError(error.errno, os.strerror(error.errno), str(target)) from None
        raise


def _sweep(target: Path) -> None:
    """Make the folder of `target`, and remove what processes that no longer live left aside there."""
    target.parent.mkdir(parents=True, exist_ok=True)
    for left in target.parent.glob(f".{glob.escape(target.name)}.*{ASIDE}"):
        owner = left.name.removeprefix(f".{target.name}.").partition(".")[0]
        if owner.isdigit() and not _lives(int(owner)):
            if left.is_dir():
                shutil.rmtree(left, ignore_errors=True)
            else:
                left.unlink(missing_ok=True)


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # somebody else's
        return True
    return True


def write_json(target: Path, content: Any) -> None:
    """Write `content` as indented JSON, keys in the order given."""
    with whole_file(target) as aside:
        aside.write_text(json.dumps(content, indent=2, allow_nan=False) + "\n", encoding="utf-8")


def read_json(path: Path) -> Any:
    """The content of a JSON file that a stage wrote; a damaged one is a `UserError`."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:  # of the decoding, or of the JSON
        raise UserError(f"{path}: damaged, not JSON ({error}); make it again with dvc repro") from None


def read_model(path: Path, kind: type[Model]) -> Model:
    """The content of a JSON file as an object; what does not fit is a `UserError`."""
    try:
        return kind.model_validate(read_json(path))
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"]))
        raise UserError(
            f"{path}: not what this version writes ({key}: {first['msg']}); make it again with dvc repro"
        ) from None


def sha256(path: Path) -> str:
    """The SHA-256 of a file's bytes, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(DIGEST_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()
