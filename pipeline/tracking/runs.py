"""One run per variant: train opens it, export and evaluate add to it.

What a run is given comes from a stage's outputs (`TrainingRecord`, history, `Evaluation`) and nowhere else, so that
`sync` can say the same again from the outputs alone. A tracking server that cannot be reached stops nothing.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock

from pipeline.dataset import Dataset
from pipeline.fingerprint import TrainingRecord, hash_code, read_record
from pipeline.places import project_root
from pipeline.progress import say
from pipeline.samples import Sample
from pipeline.tracking.curves import known_points, log_curves
from pipeline.tracking.evaluation import Evaluation, log_evaluation, log_samples
from pipeline.tracking.store import connect, import_mlflow, unusable
from pipeline.tracking.tags import FINGERPRINT, GROUP, PLACE, STAGE_DONE, WEIGHTS_HASH, machine_tags, place, run_tags
from pipeline.training import Listener

SECONDS_BETWEEN_SAMPLES = 1


class Tracker:
    """Follows stages in MLflow; after the first failure to reach it, says so once and goes on without.

    group: what the runs of one `repeat` have in common; they keep apart from the variant's own run, and hold no model.
    """

    def __init__(self, group: str | None = None) -> None:
        self.group = group
        self.parent = os.environ.pop("MLFLOW_RUN_ID", None)  # `mlflow run` hands its run to us: it is the parent
        self.lost = False

    @contextmanager
    def training(self, record: TrainingRecord, dataset: Dataset) -> Iterator[list[Listener]]:
        """A new run, with everything known before the first update; finished, failed or killed at the end."""
        run_id: str | None = None
        with self._forgiving():
            run_id = self._open(record, dataset)
        try:
            yield [_Curves(self, run_id)] if run_id else []
        except BaseException as error:
            if run_id:
                with self._forgiving():
                    connect()[0].set_tag(run_id, "error", f"{type(error).__name__}: {error}"[:5000])
                    self._close(run_id, "KILLED" if isinstance(error, KeyboardInterrupt) else "FAILED")
            raise
        if run_id and not self.lost:
            with self._forgiving():
                connect()[0].set_tag(run_id, f"{STAGE_DONE}train", "done")
                self._close(run_id, "FINISHED")

    def exported(self, trained: Path, largest_difference: float) -> None:
        """Note that the export of what lies in `trained` was checked."""
        record = read_record(trained)
        with self._forgiving():
            run = find_run(record.fingerprint, self.group)
            if run is not None:
                connect()[0].set_tag(run.info.run_id, "export.largest_difference", f"{largest_difference:.1e}")
                mark_exported(run.info.run_id, trained)

    def evaluated(self, record: TrainingRecord, history: list[dict[str, float]], found: Evaluation) -> str:
        """Add scores, figures and the model to the run of this training; returns a line on where they are."""
        with self._forgiving():
            with run_lock(record.fingerprint):
                run_id = restore_training(record, Dataset(found.places.dataset), history, self.group)
                mark_exported(run_id, found.places.trained)
                log_evaluation(run_id, found, with_model=self.group is None)
            return f"run {record.run_name} in MLflow"
        return "not tracked (run: python -m pipeline sync, later)"

    def _open(self, record: TrainingRecord, dataset: Dataset) -> str:
        mlflow = import_mlflow()
        connect()
        mlflow.set_system_metrics_sampling_interval(SECONDS_BETWEEN_SAMPLES)
        tags = run_tags(record, dataset, self.group) | machine_tags(record.backend)
        if self.parent:
            tags["mlflow.parentRunId"] = self.parent
        begun = begun_run(record.fingerprint, self.group)
        options = {"run_id": begun} if begun else {"run_name": record.run_name}
        run = mlflow.start_run(**options, tags=tags, log_system_metrics=True)
        log_start(run.info.run_id, record, dataset)
        return str(run.info.run_id)

    @staticmethod
    def _close(run_id: str, status: str) -> None:
        mlflow = import_mlflow()
        mlflow.end_run(status=status)
        connect()[0].set_terminated(run_id, status)

    @contextmanager
    def _forgiving(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            if not self.lost:
                say(f"{unusable(error)}; going on without it.")
                say("Deliver the run later with: python -m pipeline sync")
            self.lost = True


class _Curves:
    """Logs each validation's numbers as they come."""

    def __init__(self, tracker: Tracker, run_id: str) -> None:
        self.tracker = tracker
        self.run_id = run_id
        self.known = known_points(run_id)

    def on_resume(self, history: list[dict[str, float]]) -> None:
        """Log what the killed training did not get to log."""
        for row in history:
            self.on_round(row)

    def on_step(self, step: int, num_steps: int, loss: float) -> None:
        """Curves have one point per validation; single updates are not logged."""

    def on_round(self, row: dict[str, float]) -> None:
        """Log one row of the history."""
        if not self.tracker.lost:
            with self.tracker._forgiving():
                log_curves(self.run_id, [row], self.known)

    def on_samples(self, samples: list[Sample]) -> None:
        """Log each text as one file."""
        if not self.tracker.lost:
            with self.tracker._forgiving():
                log_samples(self.run_id, samples)


@contextmanager
def run_lock(fingerprint: str) -> Iterator[None]:
    """One process of this project at a time adds to a run what it lacks: `evaluate` or `sync`."""
    with FileLock(project_root() / ".cadence" / f"run-{fingerprint[:16]}.lock", mode=0o644):
        yield


def find_run(fingerprint: str, group: str | None = None) -> Any:
    """The newest run of a training that did not fail, among those of `group`, or None."""
    return next((run for run in _runs_of(fingerprint, group) if run.info.status != "KILLED"), None)


def begun_run(fingerprint: str, group: str | None) -> str | None:
    """The id of a run that a killed training left, or of one that nothing used yet: training again goes on with it."""
    newest = next(iter(_runs_of(fingerprint, group)), None)
    if newest is None or f"{STAGE_DONE}export" in newest.data.tags:
        return None
    if newest.info.status == "RUNNING" and newest.data.tags.get(PLACE) != place():  # perhaps it still does
        return None
    if "error" in newest.data.tags:
        connect()[0].delete_tag(newest.info.run_id, "error")
    return str(newest.info.run_id)


def _runs_of(fingerprint: str, group: str | None) -> list[Any]:
    """The runs of a training that did not fail, the newest first."""
    client, experiment = connect()
    runs = client.search_runs(
        [experiment],
        filter_string=f"tags.{FINGERPRINT} = '{fingerprint}' and attributes.status != 'FAILED'",
        order_by=["attributes.start_time DESC"],
    )
    return [run for run in runs if run.data.tags.get(GROUP) == group]


def log_start(run_id: str, record: TrainingRecord, dataset: Dataset) -> None:
    """Parameters (only what training depends on) and the dataset as the run's input."""
    from mlflow.data.code_dataset_source import CodeDatasetSource
    from mlflow.data.meta_dataset import MetaDataset
    from mlflow.entities import DatasetInput, InputTag, Param

    client, _ = connect()
    card = dataset.card
    parameters = [Param(name, str(value)) for name, value in _flat(record.parameters).items()]
    parameters.append(Param("num_parameters", str(record.num_parameters)))
    client.log_batch(run_id, params=parameters)
    source = CodeDatasetSource({"source": card.source, "seed": str(card.seed)})
    used = MetaDataset(source, name=card.name, digest=record.data_hash[:8])
    client.log_inputs(run_id, [DatasetInput(used._to_mlflow_entity(), [InputTag("mlflow.data.context", "training")])])


def restore_training(
    record: TrainingRecord, dataset: Dataset, history: list[dict[str, float]], group: str | None = None
) -> str:
    """The run of this training; made again from its outputs, and marked as restored, where the store has none."""
    client, experiment = connect()
    run = find_run(record.fingerprint, group)
    if run is None:
        tags = run_tags(record, dataset, group) | {"restored": "true"}
        run = client.create_run(experiment, run_name=record.run_name, tags=tags)
    run_id = str(run.info.run_id)
    if not (run.inputs and run.inputs.dataset_inputs):  # which are the last that a start logs
        log_start(run_id, record, dataset)
    log_curves(run_id, history, known_points(run_id))
    if f"{STAGE_DONE}train" not in run.data.tags:
        client.set_tag(run_id, f"{STAGE_DONE}train", "done")
    if run.info.status != "FINISHED":
        client.set_terminated(run_id, "FINISHED")
    return run_id


def mark_exported(run_id: str, trained: Path) -> None:
    """Note that an export of the weights in `trained` stands, checked against its network."""
    connect()[0].set_tag(run_id, WEIGHTS_HASH, hash_code([trained], "*"))
    connect()[0].set_tag(run_id, f"{STAGE_DONE}export", "done")


def _flat(parameters: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in parameters.items():
        flat |= _flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {f"{prefix}{name}": value}
    return flat
