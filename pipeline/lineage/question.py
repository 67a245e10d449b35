"""What a person means by a name or hash: a version, run, variant, dataset, data hash or commit."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from difflib import get_close_matches

from pipeline.errors import StageFailure, UserError
from pipeline.lineage.facts import DataKey, Facts, Training
from pipeline.lineage.history import Commit, snapshot_at
from pipeline.tracking.lineage import StoredVersion

FEWEST_DIGITS = 6
VERSION = re.compile(r"(?:models:/)?(?P<model>[^/@]+)(?:/(?P<number>\d+)|@(?P<alias>[\w.-]+))")
HEXADECIMAL = re.compile(rf"[0-9a-f]{{{FEWEST_DIGITS},64}}(\.dir)?")
RUN_NAME = re.compile(rf"(?P<variant>[a-z0-9_]+)-(?P<digits>[0-9a-f]{{{FEWEST_DIGITS},64}})")
FOLDERS = {"dataset": "data", "variant": "models"}
ALLOWED = (
    "a version (memory/3, memory@champion), a run, a variant, a dataset, a commit, "
    f"or the first {FEWEST_DIGITS} digits of a hash"
)


@dataclass
class Question:
    """What an argument was taken for, and the data, trainings and commit that it names."""

    argument: str
    kind: str
    value: str
    data: set[DataKey] = field(default_factory=set)
    trainings: set[str] = field(default_factory=set)
    commit: Commit | None = None


def understand(argument: str, facts: Facts, commit: Commit | None) -> Question:
    """Take an argument for the one thing it can mean; `commit` is what git knows under that name.

    Raises:
        UserError: it means nothing known, or several things.
        StageFailure: it names a version, and the store does not answer.
    """
    version = VERSION.fullmatch(argument)
    if version and version["model"] not in FOLDERS.values() and not commit:  # a branch may be called release/3
        return _version(argument, version, facts)
    for meanings in (_names(argument, facts), _hashes(argument, facts, commit), _revision(argument, facts, commit)):
        found = {(question.kind, question.value): question for question in meanings}
        if len(found) == 1:
            return next(iter(found.values()))
        if found:
            meant = ", ".join(f"{kind} {value}" for kind, value in found)
            raise UserError(f"lineage: {argument!r} means several things: {meant}; give more of it{_paths(found)}")
    raise UserError(f"lineage: {argument!r} is not known here{_nearest(argument, facts)}; allowed: {ALLOWED}")


def _version(argument: str, given: re.Match[str], facts: Facts) -> Question:
    if facts.store.problem:
        raise StageFailure(f"lineage: {argument!r} names a registered version: {facts.store.problem}")
    versions = [version for version in facts.store.versions if version.model == given["model"]]
    for version in versions:
        if given["number"] == version.number or given["alias"] in version.aliases:
            return _of_version(argument, version, facts)
    known = [name for v in versions for name in (v.name, *(f"{v.model}@{alias}" for alias in v.aliases))]
    models = sorted({version.model for version in facts.store.versions})
    allowed = f"allowed: {', '.join(known)}" if known else f"registered models: {', '.join(models) or 'none'}"
    raise UserError(f"lineage: {argument!r}: no such registered version; {allowed}")


def _of_version(argument: str, version: StoredVersion, facts: Facts) -> Question:
    for training in facts.trainings.values():
        if version in training.versions:
            return Question(argument, "registered version", version.name, trainings={training.fingerprint})
    raise UserError(
        f"lineage: {argument!r}: its run {version.run_id or '(none)'} is no run of this project's trainings"
    )


def _names(argument: str, facts: Facts) -> Iterator[Question]:
    """What is called so exactly, or with `data/` or `models/` before it."""
    room, _, rest = argument.partition("/")
    dataset, variant = (rest if room == wanted and rest else argument for wanted in FOLDERS.values())
    data = {key for key in facts.data if key[0] == dataset}
    if data:
        yield Question(argument, "dataset", dataset, data=data)
    trainings = {t.fingerprint for t in facts.trainings.values() if t.variant == variant.removesuffix("/train")}
    if trainings:
        yield Question(argument, "variant", variant.removesuffix("/train"), trainings=trainings)
    given = RUN_NAME.fullmatch(argument)
    for training in facts.trainings.values() if given else ():
        if given and training.variant == given["variant"] and training.fingerprint.startswith(given["digits"]):
            yield Question(argument, "run", training.name, trainings={training.fingerprint})


def _hashes(argument: str, facts: Facts, commit: Commit | None) -> Iterator[Question]:
    """What has a hash that begins so. Two datasets may hold the same array: that is one meaning, with both."""
    if not HEXADECIMAL.fullmatch(argument):
        return
    if commit and commit.hash.startswith(argument):
        yield _commit(argument, commit, facts)
    found: dict[tuple[str, str], Question] = {}

    def note(kind: str, value: str | None) -> Question:
        if value and value.startswith(argument):
            return found.setdefault((kind, value), Question(argument, kind, value))
        return Question(argument, kind, "")

    for training in facts.trainings.values():
        note("fingerprint", training.fingerprint).trainings.add(training.fingerprint)
        note("hash of weights", training.weights).trainings.add(training.fingerprint)
        for run in training.runs:
            note("run", run.id).trainings.add(training.fingerprint)
    for key, data in facts.data.items():
        note("data hash", data.hash).data.add(key)
        for dvc in data.dvc:
            note("DVC's hash of data", dvc).data.add(key)
        for checksum in data.arrays.values():
            note("checksum of an array", checksum).data.add(key)
    yield from found.values()


def _revision(argument: str, facts: Facts, commit: Commit | None) -> Iterator[Question]:
    if commit:
        yield _commit(argument, commit, facts)


def _commit(argument: str, commit: Commit, facts: Facts) -> Question:
    """What the commit's own tree holds, and the runs that were made from it."""
    snapshot = snapshot_at(commit)
    outs = [(path, dvc) for entry in snapshot.stages.values() for path, dvc in entry.outs.items()]
    data = {facts.data_key(path.removeprefix("data/"), dvc) for path, dvc in outs if path.startswith("data/")}
    made = {t.fingerprint for t in facts.trainings.values() if _made_from(commit, t)}
    return Question(argument, "commit", commit.hash, data, {*snapshot.fingerprints.values(), *made}, commit)


def _made_from(commit: Commit, training: Training) -> bool:
    return any(run.tags.get("git.commit") == commit.hash for run in training.runs)


def _paths(found: dict[tuple[str, str], Question]) -> str:
    """How to tell a dataset from a variant of the same name."""
    paths = [f"{FOLDERS[kind]}/{value}" for kind, value in found if kind in FOLDERS]
    return f", or write {' or '.join(paths)}" if len(paths) > 1 else ""


def _nearest(argument: str, facts: Facts) -> str:
    names = {training.name for training in facts.trainings.values()}
    names |= {training.variant for training in facts.trainings.values()} | {dataset for dataset, _ in facts.data}
    names |= {version.name for version in facts.store.versions}
    near = get_close_matches(argument, sorted(names), n=3)
    known = f"; did you mean {' or '.join(map(repr, near))}?" if near else ""
    return known + (f" ({facts.store.problem})" if facts.store.problem else "")
