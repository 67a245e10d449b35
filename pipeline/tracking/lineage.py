"""What the store knows of runs and registered versions, read without creating anything."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from pipeline.tracking.store import (
    experiment_name,
    import_mlflow,
    store_file,
    tracking_uri,
    unusable,
    without_password,
)
from pipeline.tracking.tags import FINGERPRINT

PAGE = 1000


@dataclass(frozen=True)
class StoredRun:
    """A run of a training. started: UTC, to the minute. score: of its last evaluation."""

    id: str
    name: str
    status: str
    started: str
    tags: dict[str, str]
    score: float | None


@dataclass(frozen=True)
class StoredVersion:
    """A version of a registered model, and the aliases it has now."""

    model: str
    number: str
    run_id: str
    aliases: list[str]

    @property
    def name(self) -> str:
        """`<model>/<number>`."""
        return f"{self.model}/{self.number}"


@dataclass(frozen=True)
class StoreContents:
    """All runs of trainings and all versions. problem: why there are none, where the store could not be read."""

    uri: str
    runs: list[StoredRun] = field(default_factory=list)
    versions: list[StoredVersion] = field(default_factory=list)
    problem: str | None = None


def read_store() -> StoreContents:
    """Runs, oldest first, and versions; a store that is not there or does not answer is a `problem`, no error."""
    uri = tracking_uri()
    file = store_file()
    if file and not file.is_file():
        return StoreContents(uri, problem="no runs are recorded here yet (python -m pipeline sync records them)")
    try:
        mlflow = import_mlflow()
        client = mlflow.MlflowClient(uri, uri)
        experiment = client.get_experiment_by_name(experiment_name())
        runs = list(_runs(client, experiment.experiment_id)) if experiment else []
        return StoreContents(without_password(uri), runs, list(_versions(client)))
    except Exception as error:  # of the network, of the database, or of a server that is none
        return StoreContents(without_password(uri), problem=unusable(error))


def _runs(client: Any, experiment: str) -> Iterator[StoredRun]:
    order = ["attributes.start_time ASC"]
    found = _pages(client.search_runs, experiment_ids=[experiment], order_by=order, max_results=PAGE)
    for run in found:
        if FINGERPRINT in run.data.tags:
            started = datetime.fromtimestamp((run.info.start_time or 0) / 1000, UTC).strftime("%Y-%m-%d %H:%M")
            score = run.data.metrics.get("score")
            yield StoredRun(run.info.run_id, run.info.run_name, run.info.status, started, run.data.tags, score)


def _versions(client: Any) -> Iterator[StoredVersion]:
    aliases: dict[tuple[str, str], list[str]] = {}
    for model in _pages(client.search_registered_models, max_results=PAGE):
        for alias, number in model.aliases.items():
            aliases.setdefault((model.name, str(number)), []).append(alias)
    for version in sorted(_pages(client.search_model_versions, max_results=PAGE), key=lambda v: int(v.version)):
        number = str(version.version)
        yield StoredVersion(version.name, number, version.run_id or "", sorted(aliases.get((version.name, number), [])))


def _pages(search: Any, **arguments: Any) -> Iterator[Any]:
    token = None
    while True:
        page = search(**arguments, page_token=token)
        yield from page
        token = page.token
        if not token:
            return
