"""What a training was made of, written beside its weights; its hash is how runs, `sync` and `lineage` find each other.

No run id is written to any output: DVC would restore it where no such run exists.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from pipeline.blocks import VariantBlock
from pipeline.dataset import Card
from pipeline.errors import UserError
from pipeline.files import read_model, sha256, write_json

RECORD_FILE = "training.json"
PACKAGE = Path(__file__).parent
# The files that determine what a training makes; a test compares them with the imports and with dvc.yaml.
TRAINING_CODE = (
    "stages/train.py",
    "layers",
    "batches.py",
    "bleu.py",
    "checkpoint.py",
    "dataset.py",
    "decoding",
    "files.py",
    "fingerprint.py",
    "fused_adam.py",
    "gradients.py",
    "network.py",
    "places.py",
    "rounds.py",
    "samples.py",
    "text",
    "training.py",
    "updates.py",
    "validation_texts.py",
    "views",
)


class TrainingRecord(BaseModel):
    """Everything that determines the weights, and what they are.

    parameters: the variant's block without what only later stages read (task, gate).
    data: SHA-256 of every array of the dataset. start: of the weights it began with. code: of `TRAINING_CODE`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    variant: str
    dataset: str
    parameters: dict[str, Any]
    data: dict[str, str]
    start: str | None
    code: str
    num_parameters: int
    backend: str

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the record."""
        return content_hash(self.model_dump())

    @property
    def run_name(self) -> str:
        """The name of the MLflow run: variant and the first eight digits of the fingerprint."""
        return f"{self.variant}-{self.fingerprint[:8]}"

    @property
    def data_hash(self) -> str:
        """One hash over all arrays."""
        return content_hash(self.data)

    @property
    def parameters_hash(self) -> str:
        """One hash over all parameters."""
        return content_hash(self.parameters)


def make_record(name: str, block: VariantBlock, card: Card, num_parameters: int, backend: str) -> TrainingRecord:
    """The record of the training that is about to begin."""
    start = None if block.start == f"data/{block.dataset}" else hash_code([Path(block.start)], "*")
    return TrainingRecord(
        variant=name,
        dataset=block.dataset,
        parameters={
            "view": block.view,
            "model": block.model,
            "network": block.network.model_dump(mode="json"),
            "training": block.training.model_dump(mode="json"),
            "seed": block.seed,
        },
        data=card.checksums(),
        start=start,
        code=hash_code([PACKAGE / part for part in (*TRAINING_CODE, f"models/{block.model}.py")]),
        num_parameters=num_parameters,
        backend=backend,
    )


def read_record(folder: Path) -> TrainingRecord:
    """The record beside trained weights or an export."""
    path = folder / RECORD_FILE
    if not path.is_file():
        raise UserError(f"{path}: not found; make it with: dvc repro {folder.name}@{folder.parent.name}")
    return read_model(path, TrainingRecord)


def write_record(folder: Path, record: TrainingRecord) -> None:
    """Write the record into a folder of outputs."""
    write_json(folder / RECORD_FILE, record.model_dump())


def hash_export(folder: Path) -> str:
    """One hash over all files of an export: what ships, whoever made it."""
    return hash_code([folder], "*")


def hash_code(paths: list[Path], pattern: str = "*.py") -> str:
    """One hash over the contents of files, and of all files of folders that match `pattern`."""
    found = (file for path in paths for file in (path.rglob(pattern) if path.is_dir() else [path]))
    files = sorted(file for file in found if file.is_file())
    return content_hash([[file.name, sha256(file)] for file in files])


def content_hash(content: Any) -> str:
    """SHA-256 of what can be written as JSON, whatever the order of its keys."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
