"""What git remembers: dvc.lock and the metrics in every commit that changed them, and as they stand now."""

import hashlib
import json
import os
import re
import subprocess
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.lockfile import ENTRY, LOCK_FILE
from pipeline.places import METRICS_FILE

FILE_IN_LOCK = re.compile(r"^    - path: (\S+)\n      hash: md5\n      md5: (\S+)$", re.MULTILINE)
FULL_HASH = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
FORMAT = "%H%x1f%cd%x1f%s"
DATES = "--date=format-local:%Y-%m-%d %H:%M:%S"
METRICS_EVERYWHERE = f"reports/*/{METRICS_FILE}"


@dataclass(frozen=True)
class Commit:
    """A commit. date: when it was made, UTC, to the minute; subject: the first line of its message."""

    hash: str
    date: str
    subject: str


@dataclass(frozen=True)
class Entry:
    """What dvc.lock says of one stage: the MD5 of what it read and of what it wrote, by path."""

    deps: dict[str, str]
    outs: dict[str, str]


@dataclass(frozen=True)
class Snapshot:
    """dvc.lock in one state, with the fingerprints of the trainings whose scores it records, by variant.

    commit: where it is recorded; None for the files as they stand now.
    """

    commit: Commit | None
    stages: dict[str, Entry]
    fingerprints: dict[str, str] = field(default_factory=dict)

    def made(self, path: str) -> str | None:
        """The MD5 of what some stage wrote to `path`."""
        return next((entry.outs[path] for entry in self.stages.values() if path in entry.outs), None)


def snapshots() -> list[Snapshot]:
    """Every state that a commit of this repository recorded, oldest first, and the present one at the end."""
    return [*_recorded(_commits("--branches", "--remotes", "--tags", "HEAD")), _present()]


def snapshot_at(commit: Commit) -> Snapshot:
    """What a commit's own tree says, whether or not it changed it."""
    return next(iter(_recorded([commit])), Snapshot(commit, {}))


def find_commit(name: str) -> Commit | None:
    """The commit that git knows under a tag, branch, hash or prefix of one; None where there is none."""
    found = _git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}").strip()
    return describe_commits([found]).get(found)


def describe_commits(hashes: Collection[str]) -> dict[str, Commit]:
    """Commits by their full hash, without those that this clone does not have."""
    known = "\n".join(name for name in hashes if FULL_HASH.fullmatch(name))
    command = ("log", "--no-walk", "--ignore-missing", DATES, f"--format={FORMAT}", "--stdin")
    listing = _git(*command, given=known) if known else ""  # with nothing given, git would tell of HEAD
    return {commit.hash: commit for commit in _parsed(listing)}


def _commits(*where: str) -> list[Commit]:
    command = ("log", "--reverse", "--date-order", DATES, f"--format={FORMAT}", *where)
    return _parsed(_git(*command, "--", LOCK_FILE, METRICS_EVERYWHERE))


def _parsed(listing: str) -> list[Commit]:
    return [Commit(*line.split("\x1f", 2)) for line in listing.splitlines() if line.count("\x1f") >= 2]


def _recorded(commits: list[Commit]) -> list[Snapshot]:
    """Two questions to git in all, however many commits there are."""
    locks = _contents(f"{commit.hash}:./{LOCK_FILE}" for commit in commits)
    states = [parse_lock(lock.decode(errors="replace")) for lock in locks]
    wanted = [(at, variant) for at, stages in enumerate(states) for variant in _evaluated(stages)]
    files = _contents(f"{commits[at].hash}:./{_metrics_path(variant)}" for at, variant in wanted)
    fingerprints: list[dict[str, str]] = [{} for _ in commits]
    for (at, variant), content in zip(wanted, files, strict=True):
        fingerprints[at] |= _fingerprint(variant, content, states[at])
    return [Snapshot(*state) for state in zip(commits, states, fingerprints, strict=True) if state[1]]


def _present() -> Snapshot:
    lock = Path(LOCK_FILE)
    stages = parse_lock(lock.read_text(encoding="utf-8", errors="replace")) if lock.is_file() else {}
    fingerprints: dict[str, str] = {}
    for variant in _evaluated(stages):
        path = Path(_metrics_path(variant))
        fingerprints |= _fingerprint(variant, path.read_bytes() if path.is_file() else b"", stages)
    return Snapshot(None, stages, fingerprints)


def parse_lock(text: str) -> dict[str, Entry]:
    """The entries of a dvc.lock by stage. Read line by line: parsing the YAML of a hundred commits takes seconds."""
    marks = list(ENTRY.finditer(text))
    ends = [*[mark.start() for mark in marks][1:], len(text)]
    stages = {}
    for mark, end in zip(marks, ends, strict=False):
        before, _, outs = text[mark.end() : end].partition("\n    outs:\n")
        stages[mark.group(1)] = Entry(dict(FILE_IN_LOCK.findall(before)), dict(FILE_IN_LOCK.findall(outs)))
    return stages


def _evaluated(stages: dict[str, Entry]) -> list[str]:
    return [name.partition("@")[2] for name in stages if name.startswith("evaluate@")]


def _metrics_path(variant: str) -> str:
    return f"reports/{variant}/{METRICS_FILE}"


def _fingerprint(variant: str, metrics: bytes, stages: dict[str, Entry]) -> dict[str, str]:
    """The fingerprint in a metrics.json, if it is that of the training which dvc.lock speaks of."""
    recorded = stages[f"evaluate@{variant}"].outs.get(_metrics_path(variant))
    if hashlib.md5(metrics, usedforsecurity=False).hexdigest() != recorded or not _is_current(variant, stages):
        return {}
    try:
        found = json.loads(metrics).get("fingerprint")
    except (ValueError, AttributeError):
        return {}
    return {variant: found} if isinstance(found, str) else {}


def _is_current(variant: str, stages: dict[str, Entry]) -> bool:
    """Whether what was scored was exported from what was trained, and nothing was trained again since."""
    nothing = Entry({}, {})
    train, export, evaluate = (stages.get(f"{stage}@{variant}", nothing) for stage in ("train", "export", "evaluate"))
    trained, exported = f"models/{variant}/train", f"models/{variant}/export"
    return (
        evaluate.deps.get(exported) == export.outs.get(exported) is not None
        and export.deps.get(trained) == train.outs.get(trained) is not None
    )


def _contents(names: Iterable[str]) -> list[bytes]:
    """The contents of files of git, `<commit>:<path>` each; empty where there is no such file."""
    asked = list(names)
    if not asked:
        return []
    command = ["git", "cat-file", "--batch"]
    answer = subprocess.run(command, input="\n".join(asked).encode() + b"\n", capture_output=True).stdout
    found, at = [], 0
    for _ in asked:
        end = answer.index(b"\n", at)
        words = answer[at:end].rsplit(b" ", 2)
        size = int(words[2]) if words[-1].isdigit() else None
        found.append(b"" if size is None else answer[end + 1 : end + 1 + size])
        at = end + 1 if size is None else end + size + 2
    return found


def _git(*arguments: str, given: str = "") -> str:
    """What git prints; nothing where it fails, or where there is no git."""
    utc = os.environ | {"TZ": "UTC"}
    try:
        command = ["git", *arguments]
        return subprocess.run(command, input=given, env=utc, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return ""
