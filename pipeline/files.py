"""Write aside, then rename: an output is whole or it is not there."""

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


@contextmanager
def whole_folder(target: Path) -> Iterator[Path]:
    """Give an empty folder to fill; when the block ends without an error it takes the place of `target`."""
    target.parent.mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    aside.chmod(0o755)
    before = aside.with_name(f"{aside.name}.before")
    try:
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
    target.parent.mkdir(parents=True, exist_ok=True)
    aside = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        yield aside
        aside.replace(target)
    finally:
        aside.unlink(missing_ok=True)


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
