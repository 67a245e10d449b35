"""Where runs are kept: a SQLite store beside the project, or whatever MLFLOW_TRACKING_URI points at."""

import logging
import os
import re
import warnings
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock

if TYPE_CHECKING:
    from mlflow import MlflowClient

EXPERIMENT = "cadence"
DEFAULTS = {
    # A lost server is noticed within seconds and the work goes on, instead of minutes of silent retries.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
}


def project_root() -> Path:
    """The project's folder; in a temporary workspace of `dvc exp run`, that of the project it was started from."""
    root = Path(os.environ.get("DVC_ROOT") or Path.cwd()).resolve()
    for parent in root.parents:
        if parent.name == ".dvc" and root.is_relative_to(parent / "tmp"):
            return parent.parent
    return root


def tracking_uri() -> str:
    """Where runs are logged to."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{project_root() / 'mlflow.db'}"


def experiment_name() -> str:
    """The experiment that runs belong to."""
    return os.environ.get("MLFLOW_EXPERIMENT_NAME") or EXPERIMENT


def unusable(error: Exception) -> str:
    """What to say of a store that cannot be reached, or is none."""
    return without_password(f"MLflow at {tracking_uri()} cannot be used ({' '.join(str(error).split())[:160]})")


def without_password(text: str) -> str:
    """`text` with the user and password of every address in it left out."""
    return re.sub(r"(?<=://)[^/\s@]+@", "...@", text)


@cache
def connect() -> "tuple[MlflowClient, str]":
    """The client and the experiment's id; the store and the experiment are created once, under a lock."""
    mlflow = import_mlflow()
    uri = tracking_uri()
    mlflow.set_tracking_uri(uri)
    with FileLock(project_root() / ".cadence" / "mlflow.lock", mode=0o644):
        client = mlflow.MlflowClient(uri)
        name = experiment_name()
        found = client.get_experiment_by_name(name)
        if found is None:
            beside = Path(uri.removeprefix("sqlite:///")).absolute().parent / "mlartifacts"
            location = str(beside) if uri.startswith("sqlite:") else None
            identity = client.create_experiment(name, artifact_location=location)
        else:
            identity = found.experiment_id
    mlflow.set_experiment(experiment_id=identity)
    return client, identity


def import_mlflow() -> Any:
    """Import MLflow (3 s: as late as possible) without the notes it scrolls by."""
    (project_root() / ".cadence").mkdir(exist_ok=True)
    for name, value in DEFAULTS.items():
        os.environ.setdefault(name, value)
    warnings.filterwarnings("ignore", module="mlflow")
    logging.getLogger("alembic").setLevel(logging.ERROR)
    import mlflow

    for name in ("mlflow", "mlflow.store.db.utils", "mlflow.system_metrics"):
        logging.getLogger(name).setLevel(logging.ERROR)
    return mlflow
