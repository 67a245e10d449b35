"""Who is champion of a dataset: `promote` chooses, `rollback` takes back. Both write the decision down, then do it.

The decision's line comes first and the alias in MLflow after it. A kill between the two leaves a store that is behind
the file, and whatever comes next begins by bringing the store to what the file says.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock

from pipeline.config import dataset_names, load_params, promotion_block
from pipeline.dataset import Dataset
from pipeline.errors import UserError, choices
from pipeline.places import project_root
from pipeline.progress import say
from pipeline.promotion.candidates import scored_variants
from pipeline.promotion.contest import Contest
from pipeline.promotion.decisions import (
    Action,
    Decision,
    Holder,
    add_decision,
    decisions_file,
    holders,
    read_decisions,
    rolled_back,
)
from pipeline.tracking.tags import git_commit

if TYPE_CHECKING:
    from pipeline.tracking.registry import Registered, Registry


def promote(dataset: str) -> Decision:
    """Compare every scored variant of a dataset with its champion; write down and do what is decided.

    Where nothing is new since the last decision, that one comes back, `is_new` being False. Raises `UserError` where
    there is nothing to decide on (no scored variant, a run that MLflow lacks, a champion of another schema).
    """
    params = load_params()
    check_dataset(dataset, params)
    settings, data = promotion_block(dataset, params), Dataset(Path("data", dataset))
    scored, left_out = scored_variants(dataset, params, data.card)
    with _alone():
        decisions, registry = read_decisions(dataset), _registry(dataset)
        runs = registry.runs(scored)
        champion = _bring_up_to_date(dataset, registry, decisions)
        contest = Contest(scored, data, settings, registry, champion, rolled_back(decisions))
        earlier = contest.asked_before(decisions)
        if earlier is not None:
            return earlier.model_copy(update={"is_new": False})
        outcome = contest.decide()
        candidates = [
            candidate.model_copy(update=registry.register(run).holder.model_dump(exclude={"score"}))
            for candidate, run in zip(outcome.candidates, runs, strict=True)
        ]
        chosen = next((found for found in candidates if found.export == outcome.chosen), None)
        decision = Decision(
            **_now(dataset, "kept" if chosen is None else "promoted"),
            champion_before=outcome.champion,
            champion_after=outcome.champion if chosen is None else _holder(chosen),
            reason=outcome.reason,
            candidates=candidates,
            left_out=left_out,
            test_split=data.card.split_hash("test"),
            champion_scored_again=outcome.champion_scored_again,
            settings=settings,
        )
        _carry_out(decision, registry)
        return decision


def rollback(dataset: str) -> Decision:
    """Give the champion's place back to the one before; `UserError` where there was none."""
    check_dataset(dataset, load_params())
    with _alone():
        decisions = read_decisions(dataset)
        stack = holders(decisions)
        if len(stack) < 2:
            held = f"{stack[0].run_name} is its first champion" if stack else "it never had a champion"
            raise UserError(
                f"rollback {dataset}: nobody to go back to: {held} ({decisions_file(dataset)}); "
                f"look at it with: python -m pipeline history {dataset}"
            )
        registry = _registry(dataset)
        _refuse_if_behind(dataset, registry, decisions)
        present, previous = registry.find(stack[-1]), registry.find(stack[-2])
        before = present.holder.model_copy(update={"score": stack[-1].score}) if present else stack[-1]
        if previous is None:
            raise UserError(
                f"rollback {dataset}: MLflow lacks the model of {stack[-2].run_name}; allowed: a store that has it "
                "(set MLFLOW_TRACKING_URI), or its outputs here and then: python -m pipeline sync"
            )
        after = previous.holder.model_copy(update={"score": stack[-2].score})
        decision = Decision(
            **_now(dataset, "rolled back"),
            champion_before=before,
            champion_after=after,
            reason=f"{before.run_name} taken back by command; {after.run_name} was champion before it",
        )
        _carry_out(decision, registry)
        return decision


def check_dataset(dataset: str, params: dict[str, dict[str, Any]]) -> None:
    """Refuse a name that params.yaml does not know."""
    if dataset not in dataset_names(params):
        raise UserError(f"params.yaml: no dataset {dataset!r}; {choices(dataset, dataset_names(params))}")


@contextmanager
def _alone() -> Iterator[None]:
    """One decision at a time."""
    folder = project_root() / ".cadence"
    folder.mkdir(exist_ok=True)
    with FileLock(folder / "promotion.lock", mode=0o644):
        yield


def _registry(dataset: str) -> "Registry":
    from pipeline.tracking.registry import Registry

    return Registry(dataset)


def _bring_up_to_date(dataset: str, registry: "Registry", decisions: Sequence[Decision]) -> "Registered | None":
    """The champion that the file names, its alias set again where the store was lost or behind; None without one."""
    _refuse_if_behind(dataset, registry, decisions)
    stack = holders(decisions)
    if not stack:
        return None
    champion = registry.find(stack[-1])
    if champion is None:
        say(f"promote {dataset}: the champion {stack[-1].run_name} is not in this store: choosing as if there was none")
        return None
    if champion.holder.version != registry.aliased:
        name = champion.holder.run_name
        say(f"promote {dataset}: the store did not have {name} as champion, though the decisions do: alias restored")
        holder = champion.holder.model_copy(update={"score": stack[-1].score})
        reason = f"{name} is champion by this file; the store had {registry.aliased or 'no version'} as its champion"
        restored = _now(dataset, "restored")
        _carry_out(Decision(**restored, champion_before=holder, champion_after=holder, reason=reason), registry)
    return champion


def _refuse_if_behind(dataset: str, registry: "Registry", decisions: Sequence[Decision]) -> None:
    """Somebody else decided since this file was pulled, or its lines are gone: their decision must not be undone."""
    last = decisions[-1].time if decisions else ""
    if registry.decided > last or (not decisions and registry.aliased):
        raise UserError(
            f"{decisions_file(dataset)}: its last decision is of {last or 'never'}, but models:/{dataset}@champion in "
            f"MLflow follows one of {registry.decided or 'elsewhere'}; get the newest file (git pull), then try again"
        )


def _carry_out(decision: Decision, registry: "Registry") -> None:
    """First the line, then the alias, then the tags, which nothing reads."""
    add_decision(decision)
    if decision.champion_after is not None:
        registry.crown(decision.champion_after.version, decision.time)
    for candidate in decision.candidates:
        registry.note(candidate, compared=decision.time, verdict=candidate.verdict)
    if decision.action == "kept":
        return
    taken_back = decision.champion_before if decision.action == "rolled back" else None
    for holder in (taken_back, decision.champion_after):
        known = registry.find(holder) if holder else None  # which may not be in this store
        if known:
            registry.note(known.holder, action=decision.action, time=decision.time, reason=decision.reason)


def _now(dataset: str, action: Action) -> dict[str, Any]:
    time = datetime.now(UTC).isoformat(timespec="milliseconds")
    return {"time": time, "action": action, "dataset": dataset, "commit": git_commit()}


def _holder(candidate: Holder) -> Holder:
    return Holder(**candidate.model_dump(include=set(Holder.model_fields)))
