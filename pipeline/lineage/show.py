"""A lineage as text for a person, and as JSON for a program."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

from pipeline.lineage.facts import Data, Training
from pipeline.lineage.trace import Lineage
from pipeline.tracking.lineage import StoredRun

DIGITS = 8
# What a run's tags say of where it came from: the key in JSON, and the tag.
RUN_TAGS = {
    "commit": "git.commit",
    "dirty": "git.dirty",
    "stage": "dvc.stage",
    "experiment": "dvc.experiment",
    "repeat": "repeat",
    "restored": "restored",
}
MINUTES = len("2026-11-21 12:00")


def as_text(lineage: Lineage) -> Iterator[str]:
    """Lines: what the argument was taken for, then data, trainings and commits; hashes by their first digits."""
    question = lineage.question
    value = question.value if not question.commit else f"{_short(question.value)} {question.commit.subject!r}"
    yield f"{question.argument}: {question.kind} {value}" if value != question.argument else f"{question.kind} {value}"
    if lineage.store.problem:
        yield f"(from the outputs and git only: {lineage.store.problem})"
    if not lineage.data and not lineage.trainings:
        yield "nothing that dvc.lock or a run speaks of belongs to it"
    if lineage.data:
        yield "data"
    shown = [training for training in lineage.trainings.values() if not training.group]
    used = {training.data for training in shown} | lineage.question.data
    for key, data in lineage.data.items():
        if key in used or data.here or data.commit:  # and not each of the contents that a `repeat` drew
            yield from _data_lines(data, lineage)
    if lineage.trainings:
        yield "trainings"
    for training in shown:
        yield from _training_lines(training, lineage)
    groups = Counter(training.group for training in lineage.trainings.values() if training.group)
    yield from (f"  {count} of repeat {group}" for group, count in groups.items())
    if lineage.commits:
        yield "commits"
    for commit in sorted(lineage.commits.values(), key=lambda commit: commit.date):
        yield f"  {_short(commit.hash)} {commit.date[:MINUTES]} {commit.subject}"


def _data_lines(data: Data, lineage: Lineage) -> Iterator[str]:
    hashes = [f"hash {_short(data.hash)}"] if data.hash else []
    hashes += [f"DVC {_short(dvc)}" for dvc in data.dvc]
    here = [f"in data/{data.dataset} now"] if data.here else []
    yield f"  {data.dataset}: {', '.join([*hashes, *here, *_recorded(data)])}"
    for name, ours in sorted(data.from_data):
        yield f"    derived from {name} {_short(ours)}"
    for fingerprint in sorted(data.from_trainings):
        yield f"    derived with {_name(fingerprint, lineage)}"


def _training_lines(training: Training, lineage: Lineage) -> Iterator[str]:
    on = [f"on {training.data[0]} {_short(training.data[1])}"] if training.data else []
    here = ["here now"] if training.here else []
    yield f"  {training.name}: {', '.join([*on, *here, *_recorded(training)])}"
    if training.parent:
        yield f"    began with the weights of {_name(training.parent, lineage)}"
    elif training.start:
        yield f"    began with weights {_short(training.start)}, of a training that is not known here"
    for other in lineage.trainings.values():
        if other.parent == training.fingerprint:
            yield f"    {other.name} began with its weights"
    for run in training.runs:
        yield f"    run {run.id}: {', '.join(_run_facts(run))}"
    for version in training.versions:
        aliases = "".join(f", {alias}" for alias in version.aliases)
        yield f"    registered as {version.name}{aliases}"


def _run_facts(run: StoredRun) -> Iterator[str]:
    tags = run.tags
    yield run.status.lower()
    yield f"{run.started} UTC"
    if run.score is not None:
        yield f"score {run.score:.4f}"
    if "restored" in tags:
        yield "restored by sync"
    if len(tags.get("git.commit", "none")) > len("none"):
        changed = " and changes" if tags.get("git.dirty") == "true" else ""
        yield f"made from {_short(tags['git.commit'])}{changed}"
    if tags.get("dvc.experiment", "none") != "none":
        yield f"experiment {tags['dvc.experiment']}"
    if "repeat" in tags:
        yield f"repeat {tags['repeat']}"


def _recorded(item: Data | Training) -> list[str]:
    return [f"recorded by {_short(item.commit.hash)}"] if item.commit else ["in no commit"]


def _name(fingerprint: str, lineage: Lineage) -> str:
    training = lineage.trainings.get(fingerprint)
    return training.name if training else _short(fingerprint)


def _short(digits: str) -> str:
    return digits[:DIGITS]


def as_json(lineage: Lineage) -> dict[str, Any]:
    """The same with whole hashes; data, trainings and commits refer to each other by them."""
    question = lineage.question
    return {
        "argument": question.argument,
        "taken_for": {"kind": question.kind, "value": question.value},
        "store": {"uri": lineage.store.uri, "problem": lineage.store.problem},
        "data": [_data_object(data) for data in lineage.data.values()],
        "trainings": [_training_object(training) for training in lineage.trainings.values()],
        "commits": [vars(commit) for commit in lineage.commits.values()],
    }


def _data_object(data: Data) -> dict[str, Any]:
    return {
        "dataset": data.dataset,
        "hash": data.hash,
        "dvc": data.dvc,
        "arrays": data.arrays,
        "here": data.here,
        "recorded_by": data.commit.hash if data.commit else None,
        "derived_from": [{"dataset": name, "hash": key} for name, key in sorted(data.from_data)],
        "derived_with": sorted(data.from_trainings),
    }


def _training_object(training: Training) -> dict[str, Any]:
    return {
        "fingerprint": training.fingerprint,
        "name": training.name,
        "variant": training.variant,
        "data": {"dataset": training.data[0], "hash": training.data[1]} if training.data else None,
        "began_with": training.parent,
        "weights": training.weights,
        "here": training.here,
        "recorded_by": training.commit.hash if training.commit else None,
        "runs": [_run_object(run) for run in training.runs],
        "versions": [vars(version) for version in training.versions],
    }


def _run_object(run: StoredRun) -> dict[str, Any]:
    facts = {"id": run.id, "name": run.name, "status": run.status, "started": run.started, "score": run.score}
    return facts | {name: run.tags[tag] for name, tag in RUN_TAGS.items() if run.tags.get(tag, "none") != "none"}
