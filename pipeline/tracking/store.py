"""Where runs are kept: a SQLite store beside the project, or whatever MLFLOW_TRACKING_URI points at."""

import logging
import os
import re
import warnings
from collections.abc import Callable
from functools import cache, wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from filelock import FileLock

from pipeline.errors import StageFailure, UserError
from pipeline.files import whole_file
from pipeline.places import project_root

if TYPE_CHECKING:
    from mlflow import MlflowClient

Given = ParamSpec("Given")
Result = TypeVar("Result")
EXPERIMENT, SQLITE = "cadence", "sqlite:///"
DEFAULTS = {
    # A lost server is noticed within seconds and the work goes on, instead of minutes of silent retries.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
}


def tracking_uri() -> str:
    """Where runs are logged to."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{project_root() / 'mlflow.db'}"


def store_file() -> Path | None:
    """The file of a SQLite store; None for any other."""
    uri = tracking_uri()
    return Path(uri.removeprefix(SQLITE)).absolute() if uri.startswith(SQLITE) else None


def experiment_name() -> str:
    """The experiment that runs belong to."""
    return os.environ.get("MLFLOW_EXPERIMENT_NAME") or EXPERIMENT


def unusable(error: Exception) -> str:
    """What to say of a store that cannot be reached, or is none."""
    reason = without_password(" ".join(str(error).split()))[:160]
    return f"MLflow at {without_password(tracking_uri())} cannot be used ({reason})"


def without_password(text: str) -> str:
    """`text` with the user and password of every address in it left out."""
    return re.sub(r"(?<=://)[^/\s]+@", "...@", text)


def needs_store(call: Callable[Given, Result]) -> Callable[Given, Result]:
    """Whatever the store raises becomes one line, a `StageFailure`, for work that cannot go on without it."""

    @wraps(call)
    def guarded(*given: Given.args, **named: Given.kwargs) -> Result:
        try:
            return call(*given, **named)
        except (UserError, StageFailure):
            raise
        except Exception as error:
            raise StageFailure(
                f"{unusable(error)}; set MLFLOW_TRACKING_URI to a store that answers, and run the same again"
            ) from error

    return guarded


@cache
def connect() -> "tuple[MlflowClient, str]":
    """The client and the experiment's id; the store and the experiment are created once, under a lock."""
    mlflow = import_mlflow()
    uri = tracking_uri()
    mlflow.set_tracking_uri(uri)
    file = store_file()
    with FileLock(project_root() / ".cadence" / "mlflow.lock", mode=0o644):
        if file and not file.exists():  # killed while it makes its tables, MLflow leaves a store that it refuses
            with whole_file(file) as aside:
                mlflow.MlflowClient(f"{SQLITE}{aside}").search_experiments(max_results=1)
        client = mlflow.MlflowClient(uri)
        name = experiment_name()
        found = client.get_experiment_by_name(name)
        if found is None:
            location = str(file.parent / "mlartifacts") if file else None
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
