"""Bring the store in line with the outputs: after a clone, a `dvc pull`, or a server that was away.

Adds what is missing, marked as restored; changes no output; a second time it finds nothing to do.
"""

from pathlib import Path

from pipeline.dataset import Dataset
from pipeline.fingerprint import RECORD_FILE, TrainingRecord, read_record
from pipeline.places import STATISTICS_FILE, Places, read_evaluation, read_history
from pipeline.runtime import MANIFEST_FILE
from pipeline.tracking.evaluation import Evaluation, evaluation_mark, log_evaluation
from pipeline.tracking.runs import find_run, mark_exported, restore_training, run_lock
from pipeline.tracking.store import needs_store
from pipeline.tracking.tags import STAGE_DONE


def sync_variant(variant: str, dataset: str) -> list[str] | None:
    """Deliver one variant's outputs; returns what was added, None where it was not trained.

    A store that cannot be used is a `StageFailure`.
    """
    places = Places.of(variant, dataset)
    if not (places.trained / RECORD_FILE).is_file():
        return None
    record, data = read_record(places.trained), Dataset(places.dataset)
    history = read_history(places.reports)
    exported = (places.exported / MANIFEST_FILE).is_file() and read_record(places.exported) == record
    found = Evaluation(*read_evaluation(places.reports), places) if exported else None
    with run_lock(record.fingerprint):
        return _deliver(record, data, history, found, places.trained)


@needs_store
def _deliver(
    record: TrainingRecord, data: Dataset, history: list[dict[str, float]], found: Evaluation | None, trained: Path
) -> list[str]:
    """Add what the run lacks; `found` is None where no export of this training stands."""
    added = ["run"] if find_run(record.fingerprint) is None else []
    run_id = restore_training(record, data, history)
    if found is None:
        return added
    tags = find_run(record.fingerprint).data.tags
    if f"{STAGE_DONE}export" not in tags:
        mark_exported(run_id, trained)
        added.append("export")
    scored = (found.places.reports / STATISTICS_FILE).is_file()  # not so where reports/ was not pulled
    is_current = scored and found.metrics.get("fingerprint") == record.fingerprint
    if is_current and tags.get(f"{STAGE_DONE}evaluate") != evaluation_mark(found):
        log_evaluation(run_id, found)
        added.append("evaluation")
    return added
