"""By which tags a run is found: what made it, on what, and what became of it."""

import os
import socket
import subprocess

from pipeline.dataset import Dataset
from pipeline.fingerprint import TrainingRecord
from pipeline.lockfile import dvc_hash
from pipeline.places import project_root

FINGERPRINT, GROUP = "fingerprint", "repeat"
# By which `lineage` knows whose weights a training began with, and what dvc.lock says of its data.
START_HASH, WEIGHTS_HASH, DVC_DATA = "hash.start", "hash.weights", "dvc.data"
PLACE = "place"  # the machine and folder a training runs in
STAGE_DONE, EVALUATION = "stage.", "evaluation."
# Of the newest evaluation: the export that was scored, the test split, and MLflow's id of the logged model.
EXPORT_HASH, TEST_HASH, LOGGED_MODEL = "hash.export", "hash.test", "logged_model"


def run_tags(record: TrainingRecord, dataset: Dataset, group: str | None = None) -> dict[str, str]:
    """What every run can be found and grouped by: as true of a restored run as of the first."""
    tags = {
        FINGERPRINT: record.fingerprint,
        "variant": record.variant,
        "dataset": record.dataset,
        "model": record.parameters["model"],
        "seed": str(record.parameters["seed"]),
        "backend": record.backend,
        "precision": "mixed_float16" if record.parameters["training"]["mixed_precision"] else "float32",
        "hash.data": record.data_hash,
        "hash.parameters": record.parameters_hash,
        "hash.code": record.code,
    }
    if record.start:
        tags[START_HASH] = record.start
    if dataset.card.checksums() == record.data:  # else the data was made again since
        tags[DVC_DATA] = dvc_hash(dataset.folder)
    return tags | ({GROUP: group} if group else {})


def machine_tags(backend: str) -> dict[str, str]:
    """Where and from what a training runs: known only while it does."""
    return {
        "device": device_name(backend),
        PLACE: place(),
        "git.commit": git_commit(),
        "git.dirty": str(bool(_git("status", "--porcelain", "--untracked-files=no"))).lower(),
        "dvc.stage": os.environ.get("DVC_STAGE", "none"),
        "dvc.experiment": os.environ.get("DVC_EXP_NAME", "none"),
    }


def place() -> str:
    """This machine and this project's folder."""
    return f"{socket.gethostname()}:{project_root()}"


def device_name(backend: str) -> str:
    """What the network is trained on."""
    if backend == "tensorflow":
        import sys

        tensorflow = sys.modules.get("tensorflow")
        gpus = tensorflow.config.list_physical_devices("GPU") if tensorflow else []
        if gpus:
            return str(tensorflow.config.experimental.get_device_details(gpus[0]).get("device_name", "GPU"))  # type: ignore[union-attr]
    if backend == "jax":
        import sys

        jax = sys.modules.get("jax")
        if jax:
            return str(jax.devices()[0].device_kind)
    return f"CPU, {os.cpu_count()} cores"


def git_commit() -> str:
    """The commit that is checked out; `none` outside of a repository."""
    return _git("rev-parse", "HEAD") or "none"


def _git(*arguments: str) -> str:
    try:
        return subprocess.run(["git", *arguments], capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""
