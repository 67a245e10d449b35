"""From one name to everything that belongs to it: what it was made from, and what was made from it."""

from collections.abc import Iterable
from dataclasses import dataclass

from pipeline.lineage.facts import Data, DataKey, Facts, Training
from pipeline.lineage.history import Commit, describe_commits, find_commit, snapshot_at, snapshots
from pipeline.lineage.question import Question, understand
from pipeline.tracking.lineage import StoreContents, read_store


@dataclass(frozen=True)
class Lineage:
    """What belongs to a question: data (origins first), trainings (those here first) and the commits they name."""

    question: Question
    store: StoreContents
    data: dict[DataKey, Data]
    trainings: dict[str, Training]
    commits: dict[str, Commit]


def trace(argument: str) -> Lineage:
    """Everything that belongs to a version, run, variant, dataset, data hash or commit.

    Raises:
        UserError: the argument is unknown, or means several things.
        StageFailure: it names a version, and the store does not answer.
    """
    commit = find_commit(argument)
    *past, present = snapshots()
    facts = Facts([*past, *([snapshot_at(commit)] if commit else []), present], read_store())
    question = understand(argument, facts, commit)
    data: set[DataKey] = set() if question.commit else set(question.data)
    trainings = set(question.trainings)
    _add_results(facts, data, trainings)
    data |= question.data  # a commit's data was read by trainings of all commits
    _add_origins(facts, data, trainings)
    return Lineage(
        question,
        facts.store,
        {key: facts.data[key] for key in _origins_first(facts, data)},
        {name: training for name, training in facts.trainings.items() if name in trainings},
        _commits(question, [facts.data[key] for key in data], [facts.trainings[name] for name in trainings]),
    )


def _add_results(facts: Facts, data: set[DataKey], trainings: set[str]) -> None:
    """What was trained on the data, derived from it, or began with the weights, however far down."""
    size = -1
    while size != (size := len(data) + len(trainings)):
        for name, training in facts.trainings.items():
            if training.parent in trainings or (training.data in data):
                trainings.add(name)
        for key, derived in facts.data.items():
            if derived.from_data & data or derived.from_trainings & trainings:
                data.add(key)


def _add_origins(facts: Facts, data: set[DataKey], trainings: set[str]) -> None:
    """What the trainings saw and began with, and what the data was derived from, however far up."""
    size = -1
    while size != (size := len(data) + len(trainings)):
        for name in list(trainings):
            training = facts.trainings[name]
            data |= {training.data} if training.data else set()
            trainings |= {training.parent} if training.parent else set()
        for key in list(data):
            data |= facts.data[key].from_data
            trainings |= facts.data[key].from_trainings


def _origins_first(facts: Facts, keys: Iterable[DataKey]) -> list[DataKey]:
    """Data in the order of derivation, then by name."""

    def depth(key: DataKey) -> int:
        return max((1 + depth(origin) for origin in facts.data[key].from_data), default=0)

    return sorted(keys, key=lambda key: (depth(key), key))


def _commits(question: Question, data: list[Data], trainings: list[Training]) -> dict[str, Commit]:
    """By hash: what recorded them, what runs were made from, and what was asked for, as far as this clone has them."""
    found = [question.commit, *(each.commit for each in data), *(each.commit for each in trainings)]
    known = {commit.hash: commit for commit in found if commit}
    made_from = {run.tags.get("git.commit", "") for training in trainings for run in training.runs}
    return known | describe_commits(sorted(made_from - known.keys()))
