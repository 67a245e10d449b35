"""`python -m pipeline retrain`: what a runner calls on schedule, with nobody watching.

Fetch what dvc.lock names, update imports, stop there if nothing changed; else make everything that can be made, choose
champions, and write down what came of it: reports/retrain.md.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from pipeline.config import PARAMS_FILE, load_params, promotion_block
from pipeline.dataset import read_card
from pipeline.errors import StageFailure, UserError
from pipeline.files import whole_file
from pipeline.lockfile import recorded_names, stage_names
from pipeline.overrides import with_settings
from pipeline.promotion.candidates import scored_variants
from pipeline.promotion.decisions import Decision, read_decisions
from pipeline.promotion.pending import take_over
from pipeline.scheduler import EVERYTHING, INTERRUPTED, Outcome, check_names, repro


class Verdict(NamedTuple):
    """What promotion decided about a dataset; failed: it could decide nothing, and `reason` says why."""

    dataset: str
    action: str
    champion: str
    reason: str
    failed: bool = False


@dataclass
class Retraining:
    """What came of one run. troubles: what failed besides stages and promotion, and why."""

    targets: Sequence[str]
    settings: Sequence[str]
    started: datetime = field(default_factory=lambda: datetime.now(UTC))
    seconds: float = 0.0
    updated: list[str] = field(default_factory=list)
    troubles: dict[str, str] = field(default_factory=dict)
    changed: bool = False
    outcome: Outcome = field(default_factory=lambda: Outcome(0, []))
    verdicts: list[Verdict] = field(default_factory=list)

    @property
    def code(self) -> int:
        """0 where all went well, 1 where something failed, 130 where it was interrupted."""
        return self.outcome.code or int(bool(self.troubles) or any(verdict.failed for verdict in self.verdicts))

    @property
    def made(self) -> list[str]:
        """The stages that ran to their end."""
        return [name for name in self.outcome.seconds if name not in self.outcome.failed]


def retrain(targets: Sequence[str], settings: Sequence[str], jobs: int) -> Retraining:
    """Bring everything up to date with data, parameters and code, as far as that can be done.

    Args:
        targets: stages or groups of stages; everything where none or `all` is named.
        settings: `KEY=VALUE` changes that params.yaml gets first.
        jobs: how many stages may run at a time.

    Raises:
        UserError: no such stage, or params.yaml is wrong, or would be with the settings; nothing was changed then.
        StageFailure: DVC's remote, or where an import comes from, cannot be used; nothing was changed, and nothing
            trained that may lie there.
    """
    found = Retraining([] if EVERYTHING in targets else targets, settings)
    with _dvc() as repo:
        check_names(found.targets, stage_names(repo))
        _fetch_imports(repo)
        text = with_settings(settings)
        changes = _bring_back(repo, found.targets)
    if settings:
        with whole_file(PARAMS_FILE) as aside:
            aside.write_text(text, encoding="utf-8")
    with _dvc() as repo:
        _update_imports(repo, found)
        found.changed = bool(changes if not (settings or found.updated) else _changes(repo, found.targets))
    if found.changed:
        found.outcome = repro(found.targets, jobs, apart=True)
    if found.outcome.code != INTERRUPTED:
        for dataset in take_over():
            print(f"took over what the branch retrain decided about {dataset}")
        found.verdicts = list(_verdicts(found.made))
    found.seconds = (datetime.now(UTC) - found.started).total_seconds()
    return found


@contextmanager
def _dvc() -> Iterator[Any]:
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    try:
        with Repo(_wait_for_lock=True) as repo:
            yield repo
    except DvcException as error:
        raise UserError(str(error)) from error


def _changes(repo: Any, targets: Sequence[str]) -> dict[str, list[Any]]:
    """What DVC finds changed, by stage; imports from elsewhere are asked about by `_update_imports`."""
    found: dict[str, list[Any]] = repo.status(targets=list(targets) or None, with_deps=True, check_updates=False)
    return found


def _bring_back(repo: Any, targets: Sequence[str]) -> dict[str, list[Any]]:
    """Put outputs that are not here into their place; returns what is changed even so."""
    changes = _changes(repo, targets)
    absent = {name for name, found in changes.items() if any("changed outs" in what for what in found)}
    absent &= set(recorded_names(repo))
    if not absent:
        return changes
    _fetch(repo, [stage for stage in repo.index.stages if getattr(stage, "name", None) in absent])
    return _changes(repo, targets)


def _imports(repo: Any) -> list[Any]:
    """What was imported with `dvc import` and `dvc import-url`."""
    return [stage for stage in repo.index.stages if stage.is_import]


def _fetch_imports(repo: Any) -> None:
    """Put imports that are not here into their place: what params.yaml says of them cannot be checked before."""
    absent = [stage for stage in _imports(repo) if not all(out.exists for out in stage.outs)]
    _fetch(repo, absent)
    for stage in absent:
        if not all(out.exists for out in stage.outs):
            try:
                repo.update(targets=[stage.path])
            except Exception as error:  # as in `_fetch`
                raise StageFailure(f"import of {stage.relpath}: {' '.join(str(error).split())}") from error


def _fetch(repo: Any, stages: Sequence[Any]) -> None:
    """Take outputs from DVC's cache or its remote; what neither has is made here."""
    from dvc.exceptions import DownloadError

    absent = [stage for stage in stages if not _is_cached(stage)]
    try:
        if absent and repo.config["core"].get("remote"):
            with suppress(DownloadError):
                repo.fetch(targets=[stage.addressing for stage in absent])
        cached = [stage.addressing for stage in stages if _is_cached(stage)]
        if cached:
            repo.checkout(targets=cached, force=True)
    except Exception as error:  # each kind of remote has errors of its own
        reason = " ".join(str(error).split())
        raise StageFailure(f"dvc pull of {stages[0].addressing}: {reason}; nothing was run") from error


def _is_cached(stage: Any) -> bool:
    return not any(out.use_cache and out.changed_cache() for out in stage.outs)


def _update_imports(repo: Any, found: Retraining) -> None:
    """Take the newest version of what was imported."""
    for stage in _imports(repo):
        before = [out.hash_info for out in stage.outs]
        try:
            (after,) = repo.update(targets=[stage.path])
        except Exception as error:  # as in `_fetch`
            found.troubles[f"update of {stage.relpath}"] = " ".join(str(error).split())
        else:
            if [out.hash_info for out in after.outs] != before:
                found.updated.append(stage.relpath)


def _verdicts(made: Sequence[str]) -> Iterator[Verdict]:
    """Let promotion choose the champion of every dataset about which a question is open, be it of an earlier run.

    The first champion of a dataset is chosen when one of its variants was scored among the stages `made`.
    """
    params = load_params()
    variants = params["variants"]
    scored = {variants[name.partition("@")[2]]["dataset"] for name in made if name.startswith("evaluate@")}
    for dataset in dict.fromkeys(str(block["dataset"]) for block in variants.values()):
        decisions = read_decisions(dataset)
        if not (decisions or dataset in scored) or not _is_open(dataset, params, decisions):
            continue
        started = time.monotonic()
        verdict = _verdict(dataset, [name for name, block in variants.items() if block["dataset"] == dataset])
        yield verdict
        print(f"promotion of {dataset}: {verdict.action}, {verdict.reason} ({time.monotonic() - started:.0f} s)")


def _is_open(dataset: str, params: dict[str, Any], decisions: Sequence[Decision]) -> bool:
    """Whether a scored variant stands in no decision about the dataset, or the rule is another than the last one's."""
    try:
        scored, _ = scored_variants(dataset, params, read_card(Path("data", dataset)))
    except UserError:  # nothing is scored
        return False
    asked = [decision for decision in decisions if decision.candidates]
    seen = {candidate.fingerprint for decision in asked for candidate in decision.candidates}
    is_other_rule = bool(asked) and asked[-1].settings != promotion_block(dataset, params)
    return is_other_rule or any(one.record.fingerprint not in seen for one in scored)


def _verdict(dataset: str, variants: Sequence[str]) -> Verdict:
    """The thin call: runs that this store lacks are delivered first, so that all variants are compared."""
    try:
        from pipeline.promotion.champion import promote
        from pipeline.tracking.sync import sync_variant

        for variant in variants:
            sync_variant(variant, dataset)
        decision = promote(dataset)
    except Exception as error:  # whatever is wrong with the store is no reason to lose the report
        return Verdict(dataset, "failed", "", " ".join(str(error).split()), failed=True)
    champion = decision.champion_after
    return Verdict(dataset, decision.action, champion.variant if champion else "", decision.reason)
