"""The registered model of a dataset: its versions are the exports that were scored, `champion` is an alias of one."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.dataset import Array
from pipeline.errors import UserError
from pipeline.places import STATISTICS_FILE
from pipeline.promotion.candidates import Scored, read_statistics
from pipeline.promotion.decisions import Holder
from pipeline.tracking.evaluation import EVALUATION_FOLDER, Evaluation, evaluation_mark
from pipeline.tracking.model import EXPORT
from pipeline.tracking.runs import find_run
from pipeline.tracking.store import connect, import_mlflow, needs_store
from pipeline.tracking.tags import EXPORT_HASH, FINGERPRINT, LOGGED_MODEL, STAGE_DONE, TEST_HASH

ALIAS = "champion"
TAGS = "promotion."
DECIDED = f"{TAGS}time"
# What a version says of itself, copied from its run.
TAGS_OF_RUN = ("variant", FINGERPRINT, "task", "hash.data", EXPORT_HASH, TEST_HASH)


@dataclass(frozen=True)
class Registered:
    """A version: who it is, and the URI of its files."""

    holder: Holder
    uri: str


class Registry:
    """The registered model of one dataset, made when it is first needed."""

    @needs_store
    def __init__(self, dataset: str) -> None:
        self.dataset = dataset
        self.client, _ = connect()
        self._aliases, self._tags = self._read()
        self._versions = {
            version.tags[EXPORT_HASH]: version
            for version in self.client.search_model_versions(f"name = '{dataset}'")
            if EXPORT_HASH in version.tags
        }

    @property
    def aliased(self) -> str | None:
        """The number of the version that the alias names."""
        version = (self._aliases or {}).get(ALIAS)
        return None if version is None else str(version)

    @property
    def decided(self) -> str:
        """The time of the decision that was last brought here; empty if none was."""
        return str(self._tags.get(DECIDED, ""))

    @needs_store
    def runs(self, scored: list[Scored]) -> list[Any]:
        """The runs of scored variants; a `UserError` where they lack these very evaluations."""
        runs = [find_run(one.record.fingerprint) for one in scored]
        missing = [one.record.run_name for one, run in zip(scored, runs, strict=True) if not _holds(run, one)]
        if missing:
            raise UserError(
                f"promote {self.dataset}: MLflow lacks the run, or its newest evaluation, of {', '.join(missing)}; "
                "bring them there with: python -m pipeline sync"
            )
        return runs

    @needs_store
    def register(self, run: Any) -> Registered:
        """The version of the export that a run holds, made where there is none."""
        tags = run.data.tags
        version = self._versions.get(tags[EXPORT_HASH])
        if version is None:
            if self._aliases is None:
                self.client.create_registered_model(self.dataset)
                self._aliases = {}
            model = tags[LOGGED_MODEL]
            version = self.client.create_model_version(
                self.dataset,
                source=f"models:/{model}",
                run_id=run.info.run_id,
                tags={name: tags[name] for name in TAGS_OF_RUN}
                | {"score": repr(run.data.metrics["score"]), "run_name": run.info.run_name},
                model_id=model,
            )
            self._versions[tags[EXPORT_HASH]] = version
        return self._as_registered(version)

    @needs_store
    def find(self, holder: Holder) -> Registered | None:
        """The version of a model that was champion, made again from its run where the registry was lost; else None."""
        known = self._versions.get(holder.export)
        if known is not None:
            return self._as_registered(known)
        run = find_run(holder.fingerprint)
        is_same = run is not None and run.data.tags.get(EXPORT_HASH) == holder.export
        return self.register(run) if is_same and LOGGED_MODEL in run.data.tags else None

    @needs_store
    def crown(self, version: str, time: str) -> None:
        """Give the alias to a version; afterwards note which decision is done."""
        if self.aliased != version:
            self.client.set_registered_model_alias(self.dataset, ALIAS, version)
        self.client.set_registered_model_tag(self.dataset, DECIDED, time)
        self._aliases, self._tags = self._read()

    @needs_store
    def note(self, holder: Holder, **facts: str) -> None:
        """Write `promotion.<fact>` to a version and to its run."""
        from mlflow.entities import RunTag

        for name, value in facts.items():
            self.client.set_model_version_tag(self.dataset, holder.version, f"{TAGS}{name}", value)
        self.client.log_batch(holder.run_id, tags=[RunTag(f"{TAGS}{name}", value) for name, value in facts.items()])

    @needs_store
    def statistics(self, holder: Holder, test_split: str, measured: dict[str, str]) -> Array | None:
        """Statistics [N, K] of a model on a test split, by the task and metric of `measured`.

        None where its run's newest evaluation was of something else.
        """
        wanted = {EXPORT_HASH: holder.export, TEST_HASH: test_split} | measured
        path = f"{EVALUATION_FOLDER}/{STATISTICS_FILE}"
        tags = self.client.get_run(holder.run_id).data.tags
        if any(tags.get(name) != value for name, value in wanted.items()):
            return None
        if path not in [file.path for file in self.client.list_artifacts(holder.run_id, EVALUATION_FOLDER)]:
            return None
        with tempfile.TemporaryDirectory() as aside:
            return read_statistics(Path(self.client.download_artifacts(holder.run_id, path, aside)))

    @contextmanager
    def export(self, registered: Registered) -> Iterator[Path]:
        """The folder of a version's export."""
        with tempfile.TemporaryDirectory() as aside:
            yield self._fetch_export(registered, aside)

    def _read(self) -> tuple[dict[str, str] | None, dict[str, str]]:
        """Aliases (None: there is no registered model yet) and tags."""
        model = registered_model(self.client, self.dataset)
        return (dict(model.aliases), dict(model.tags)) if model else (None, {})

    @needs_store
    def _fetch_export(self, registered: Registered, aside: str) -> Path:
        uri = f"{registered.uri}/artifacts/{EXPORT}"
        return Path(import_mlflow().artifacts.download_artifacts(artifact_uri=uri, dst_path=aside))

    def _as_registered(self, version: Any) -> Registered:
        tags = version.tags
        holder = Holder(
            version=str(version.version),
            run_name=tags["run_name"],
            run_id=version.run_id,
            variant=tags["variant"],
            fingerprint=tags[FINGERPRINT],
            export=tags[EXPORT_HASH],
            score=float(tags["score"]),
        )
        return Registered(holder, f"models:/{self.dataset}/{version.version}")


def registered_model(client: Any, name: str) -> Any:
    """The registered model of this name; None where there is none."""
    from mlflow.exceptions import MlflowException

    try:
        return client.get_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return None


def _holds(run: Any, scored: Scored) -> bool:
    """Whether a run has this evaluation, and the model that was scored."""
    if run is None or LOGGED_MODEL not in run.data.tags:
        return False
    mark = evaluation_mark(Evaluation(scored.metrics, scored.timing, scored.places))
    return bool(run.data.tags.get(f"{STAGE_DONE}evaluate") == mark)
