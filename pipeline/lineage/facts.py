"""All that is known of data and trainings: from the outputs here, from dvc.lock and its history, from the store."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.dataset import Card, read_card
from pipeline.errors import UserError
from pipeline.fingerprint import TrainingRecord, content_hash, hash_code, read_record
from pipeline.lineage.history import Commit, Snapshot
from pipeline.lockfile import dvc_hash
from pipeline.tracking.lineage import StoreContents, StoredRun, StoredVersion
from pipeline.tracking.tags import DVC_DATA, FINGERPRINT, START_HASH, WEIGHTS_HASH

DataKey = tuple[str, str]  # dataset, and our hash of its arrays; where that is not known, DVC's of its folder


@dataclass
class Data:
    """One content of one dataset.

    hash: over the checksums of its arrays, as runs and records have it. dvc: how DVC names its folder; more than one
    where the card alone changed. from_data, from_trainings: what it was derived from. commit: the first to record it.
    """

    dataset: str
    hash: str | None = None
    dvc: list[str] = field(default_factory=list)
    arrays: dict[str, str] = field(default_factory=dict)
    here: bool = False
    from_data: set[DataKey] = field(default_factory=set)
    from_trainings: set[str] = field(default_factory=set)
    commit: Commit | None = None


@dataclass
class Training:
    """One training, known by its fingerprint, with all that came of it.

    start: hash of the weights it began with, if not with fresh ones; parent: the training that made them.
    weights: hash of those it made. commit: the first to record its scores.
    """

    fingerprint: str
    variant: str
    data: DataKey | None = None
    start: str | None = None
    parent: str | None = None
    weights: str | None = None
    here: bool = False
    runs: list[StoredRun] = field(default_factory=list)
    versions: list[StoredVersion] = field(default_factory=list)
    commit: Commit | None = None

    @property
    def name(self) -> str:
        """The name of its run."""
        return f"{self.variant}-{self.fingerprint[:8]}"

    @property
    def group(self) -> str | None:
        """The `repeat` it belongs to, if to nothing else."""
        groups = {run.tags.get("repeat") for run in self.runs}
        return groups.pop() if len(groups) == 1 and not self.here and not self.commit else None


class Facts:
    """Every known data and training, by key and fingerprint."""

    def __init__(self, snapshots: list[Snapshot], store: StoreContents) -> None:
        self.snapshots, self.store = snapshots, store
        self.data: dict[DataKey, Data] = {}
        self.trainings: dict[str, Training] = {}
        self._hash_of: dict[tuple[str, str], str] = {}  # by dataset and DVC's hash
        records, cards = list(_records()), _cards()
        self._learn_hashes([record for _, record in records], cards)
        for (dataset, dvc), ours in self._hash_of.items():
            self._data((dataset, ours)).dvc.append(dvc)
        self._add_outputs(records, cards)
        self._add_runs()
        for snapshot in snapshots:
            self._add_snapshot(snapshot)
        self._find_parents(records)

    def data_key(self, dataset: str, dvc: str) -> DataKey:
        """The key of the data that DVC knows by its hash."""
        return dataset, self._hash_of.get((dataset, dvc), dvc)

    def _learn_hashes(self, records: list[TrainingRecord], cards: dict[str, Card]) -> None:
        """Which of DVC's hashes stands for which of ours, from whoever knew both."""
        for run in self.store.runs:
            tags = run.tags
            if DVC_DATA in tags:
                self._hash_of[tags["dataset"], tags[DVC_DATA]] = tags["hash.data"]
        known = {r.fingerprint: r.data_hash for r in records}
        known |= {run.tags[FINGERPRINT]: run.tags["hash.data"] for run in self.store.runs}
        for snapshot in self.snapshots:
            for variant, fingerprint in snapshot.fingerprints.items():
                for dataset, dvc in _data_read(snapshot, f"train@{variant}").items():
                    if fingerprint in known:
                        self._hash_of.setdefault((dataset, dvc), known[fingerprint])
        for dataset, card in cards.items():
            ours = content_hash(card.checksums())
            if ours not in (found for (name, _), found in self._hash_of.items() if name == dataset):
                self._hash_of[dataset, dvc_hash(Path("data", dataset))] = ours  # no variant was trained on it

    def _add_outputs(self, records: list[tuple[Path, TrainingRecord]], cards: dict[str, Card]) -> None:
        for dataset, card in cards.items():
            data = self._data((dataset, content_hash(card.checksums())))
            data.arrays, data.here = card.checksums(), True
        for _, record in records:
            training = self._training(record.fingerprint, record.variant)
            training.data, training.start, training.here = (record.dataset, record.data_hash), record.start, True
            self._data(training.data).arrays = record.data

    def _add_runs(self) -> None:
        by_run = {}
        for run in self.store.runs:
            tags = run.tags
            training = self._training(tags[FINGERPRINT], tags["variant"])
            training.data = (tags["dataset"], tags["hash.data"])
            training.start = training.start or tags.get(START_HASH)
            training.weights = training.weights or tags.get(WEIGHTS_HASH)
            self._data(training.data)
            training.runs.append(run)
            by_run[run.id] = training
        for version in self.store.versions:
            if version.run_id in by_run:
                by_run[version.run_id].versions.append(version)

    def _add_snapshot(self, snapshot: Snapshot) -> None:
        for stage, entry in snapshot.stages.items():
            for path, dvc in entry.outs.items():
                if path.startswith("data/"):
                    data = self._data(self.data_key(path.removeprefix("data/"), dvc), dvc)
                    data.commit = data.commit or snapshot.commit
                    if stage.startswith("derive@"):
                        self._add_origin(data, stage, snapshot)
        for variant, fingerprint in snapshot.fingerprints.items():
            training = self._training(fingerprint, variant)
            training.commit = training.commit or snapshot.commit
            for dataset, dvc in _data_read(snapshot, f"train@{variant}").items():
                training.data = training.data or self.data_key(dataset, dvc)
                self._data(self.data_key(dataset, dvc), dvc)
            training.parent = training.parent or next(iter(_trainings_read(snapshot, f"train@{variant}")), None)

    def _add_origin(self, data: Data, stage: str, snapshot: Snapshot) -> None:
        for dataset, dvc in _data_read(snapshot, stage).items():
            data.from_data.add(self.data_key(dataset, dvc))
            self._data(self.data_key(dataset, dvc), dvc)
        data.from_trainings.update(_trainings_read(snapshot, stage))

    def _find_parents(self, records: list[tuple[Path, TrainingRecord]]) -> None:
        """Where no dvc.lock says it: whose weights have the hash that a training began with."""
        looking = [training for training in self.trainings.values() if training.start and not training.parent]
        if looking:
            for folder, record in records:
                if folder.name == "train":
                    self.trainings[record.fingerprint].weights = hash_code([folder], "*")
        makers = {training.weights: training.fingerprint for training in self.trainings.values() if training.weights}
        for training in looking:
            training.parent = makers.get(str(training.start))

    def _data(self, key: DataKey, dvc: str | None = None) -> Data:
        data = self.data.setdefault(key, Data(key[0]))
        if dvc != key[1]:
            data.hash = key[1]
        if dvc and dvc not in data.dvc:
            data.dvc.append(dvc)
        return data

    def _training(self, fingerprint: str, variant: str) -> Training:
        return self.trainings.setdefault(fingerprint, Training(fingerprint, variant))


def _records() -> Iterator[tuple[Path, TrainingRecord]]:
    """What lies beside the weights and exports here; damaged ones are not ours to report."""
    for path in sorted(Path("models").glob("*/*/training.json")):
        try:
            yield path.parent, read_record(path.parent)
        except UserError:
            continue


def _cards() -> dict[str, Card]:
    cards = {}
    for path in sorted(Path("data").glob("*/card.json")):
        try:
            cards[path.parent.name] = read_card(path.parent)
        except UserError:
            continue
    return cards


def _data_read(snapshot: Snapshot, stage: str) -> dict[str, str]:
    """The datasets that a stage read: DVC's hash by name."""
    deps = snapshot.stages[stage].deps if stage in snapshot.stages else {}
    return {path.removeprefix("data/"): dvc for path, dvc in deps.items() if path.startswith("data/")}


def _trainings_read(snapshot: Snapshot, stage: str) -> Iterator[str]:
    """The fingerprints of the trainings whose weights or export a stage read, if they are those still recorded."""
    for path, dvc in snapshot.stages[stage].deps.items() if stage in snapshot.stages else ():
        room, _, rest = path.partition("/")
        if room == "models" and snapshot.made(path) == dvc and rest.split("/")[0] in snapshot.fingerprints:
            yield snapshot.fingerprints[rest.split("/")[0]]
