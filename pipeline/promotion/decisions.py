"""The decisions about a dataset's champion: reports/promotions/<dataset>.jsonl, one line each, only ever added to.

The file is in git and is the truth about who is champion; the alias in MLflow follows it.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pipeline.blocks import PromotionBlock
from pipeline.errors import UserError
from pipeline.files import whole_file
from pipeline.promotion.rule import Comparison

FOLDER = Path("reports", "promotions")
Action = Literal["promoted", "kept", "rolled back", "restored"]


class Record(BaseModel):
    """Part of a line."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Holder(Record):
    """A model that is or was champion. export: hash of its files, by which it is known in every store.

    version: its number in the registry. score: on the test split of the decision.
    """

    version: str
    run_name: str
    run_id: str
    variant: str
    fingerprint: str
    export: str
    score: float


class Candidate(Holder):
    """A scored variant: a challenger with all its numbers, or the champion itself where it still stands among them.

    gates: `passed`, or what was found and what is allowed, by bound. comparison: with the champion, where there was one
    and the gates were passed. verdict: why it was or was not taken.
    """

    latency_ms: float
    megabytes: float
    gates: dict[str, str]
    comparison: Comparison | None = None
    verdict: str = ""


class Decision(Record):
    """One line. time: UTC. test_split: hash of the split that all scores are of. commit: that was checked out.

    champion_scored_again: its score is of now, as it was registered with another test split. left_out: variants without
    a score to go by, and why. is_new: not stored; False where an earlier decision still answers everything.
    """

    time: str
    action: Action
    dataset: str
    champion_before: Holder | None
    champion_after: Holder | None
    reason: str
    candidates: list[Candidate] = []
    left_out: dict[str, str] = {}
    test_split: str | None = None
    champion_scored_again: bool = False
    settings: PromotionBlock | None = None
    commit: str
    is_new: bool = Field(default=True, exclude=True)


class Reign(Record):
    """Who was champion, from when to when (None: still), why it began and what ended it."""

    champion: Holder
    since: str
    until: str | None
    why: str
    ended: str | None


def decisions_file(dataset: str) -> Path:
    """Where the decisions about a dataset are kept."""
    return FOLDER / f"{dataset}.jsonl"


def read_decisions(dataset: str) -> list[Decision]:
    """All decisions, oldest first; a damaged line is a `UserError`."""
    path = decisions_file(dataset)
    if not path.is_file():
        return []
    found = []
    for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), start=1):
        try:
            found.append(Decision.model_validate_json(line))
        except ValidationError as error:
            problem = error.errors()[0]
            key = ".".join(map(str, problem["loc"])) or "line"
            raise UserError(
                f"{path}:{number}: not a decision of this version ({key}: {problem['msg']}); "
                f"allowed: the lines as they were written; take the file back from git"
            ) from None
    return found


def add_decision(decision: Decision) -> None:
    """Add a line: the file is written aside, earlier lines byte by byte, and takes the place of the old one."""
    path = decisions_file(decision.dataset)
    earlier = path.read_bytes() if path.is_file() else b""
    with whole_file(path) as aside:
        aside.write_bytes(earlier + decision.model_dump_json().encode() + b"\n")


def holders(decisions: Sequence[Decision]) -> list[Holder]:
    """Champions by the order in which a rollback goes back through them, the present one last."""
    stack: list[Holder] = []
    for decision in decisions:
        if decision.action == "rolled back":
            stack.pop()
        elif decision.action == "promoted" and decision.champion_after:
            stack.append(decision.champion_after)
    return stack


def rolled_back(decisions: Sequence[Decision]) -> set[str]:
    """Exports that were taken back: they are not promoted again."""
    return {d.champion_before.export for d in decisions if d.action == "rolled back" and d.champion_before}


def reigns(decisions: Sequence[Decision]) -> list[Reign]:
    """Who held the champion's place, oldest first."""
    found: list[Reign] = []
    for decision in decisions:
        if decision.action not in ("promoted", "rolled back") or decision.champion_after is None:
            continue
        if found:
            found[-1] = found[-1].model_copy(update={"until": decision.time, "ended": decision.action})
        found.append(
            Reign(champion=decision.champion_after, since=decision.time, until=None, why=decision.reason, ended=None)
        )
    return found
