"""Bring the store in line with the outputs: after a clone, a `dvc pull`, or a server that was away.

Adds what is missing, marked as restored; changes no output; a second time it finds nothing to do.
"""

from pipeline.dataset import read_card
from pipeline.errors import UserError
from pipeline.fingerprint import read_record
from pipeline.places import Places, read_evaluation, read_history
from pipeline.runtime import MANIFEST_FILE
from pipeline.tracking.runs import STAGE_DONE, Evaluation, evaluation_mark, find_run, log_evaluation, restore_training


def sync_variant(variant: str, dataset: str) -> list[str]:
    """Deliver one variant's outputs; returns what was added."""
    places = Places.of(variant, dataset)
    try:
        record, card = read_record(places.trained), read_card(places.dataset)
    except UserError:
        return []
    added = ["run"] if find_run(record.fingerprint) is None else []
    run_id = restore_training(record, card, read_history(places.reports))
    metrics, timing = read_evaluation(places.reports)
    if metrics.get("fingerprint") == record.fingerprint and (places.exported / MANIFEST_FILE).is_file():
        found = Evaluation(metrics, timing, places)
        if find_run(record.fingerprint).data.tags.get(f"{STAGE_DONE}evaluate") != evaluation_mark(found):
            log_evaluation(run_id, found)
            added.append("evaluation")
    return added
