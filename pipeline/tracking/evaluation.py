"""What `evaluate` adds to a run: scores, figures, the share of each test example, and the model that was scored."""

from dataclasses import dataclass
from typing import Any

from pipeline.files import sha256
from pipeline.fingerprint import hash_export
from pipeline.places import FIGURES_FOLDER, METRICS_FILE, STATISTICS_FILE, Places, read_samples, task_metrics
from pipeline.runtime import megabytes
from pipeline.samples import Sample
from pipeline.tracking.curves import known_points
from pipeline.tracking.store import connect
from pipeline.tracking.tags import EVALUATION, EXPORT_HASH, LOGGED_MODEL, STAGE_DONE, TEST_HASH

EVALUATION_FOLDER = "evaluation"
SAMPLES_FOLDER = "samples"


@dataclass(frozen=True)
class Evaluation:
    """What `evaluate` found: metrics and timings, and the places of the figures and of the export that was scored."""

    metrics: dict[str, Any]
    timing: dict[str, float]
    places: Places


def log_evaluation(run_id: str, found: Evaluation, with_model: bool = True) -> None:
    """Scores (step = number of this evaluation), figures, what was scored and what each test example added to it.

    One that was killed half-way is completed; what the run has already of this evaluation is not logged again.
    """
    from pipeline.tracking.model import log_model

    client, _ = connect()
    mark = evaluation_mark(found)
    number, known = _number_evaluation(run_id, mark), known_points(run_id)
    for name, value in final_metrics(found).items():
        if (name, number) not in known:
            client.log_metric(run_id, name, value, step=number)
    for figure in sorted((found.places.reports / FIGURES_FOLDER).glob("*.png")):
        client.log_artifact(run_id, str(figure), "figures")
    log_samples(run_id, read_samples(found.places.reports / FIGURES_FOLDER))
    for file in (METRICS_FILE, STATISTICS_FILE):
        client.log_artifact(run_id, str(found.places.reports / file), EVALUATION_FOLDER)
    tags = {tag: found.metrics[tag] for tag in ("task", "metric", "gate")}
    tags |= {TEST_HASH: found.metrics["test_split"], EXPORT_HASH: hash_export(found.places.exported)}
    if with_model:
        tags[LOGGED_MODEL] = log_model(run_id, found.places.exported, found.places.dataset, mark)
    for tag, value in tags.items():
        client.set_tag(run_id, tag, value)
    client.set_tag(run_id, f"{STAGE_DONE}evaluate", mark)


def log_samples(run_id: str, samples: list[Sample]) -> None:
    """What a language model wrote in training, one text file each; one that the run has is written again alike."""
    client, _ = connect()
    for sample in samples:
        name = f"round_{sample['round']:04}_temperature_{sample['temperature']}"
        client.log_text(run_id, sample["text"], f"{SAMPLES_FOLDER}/{name}.txt")


def _number_evaluation(run_id: str, mark: str) -> int:
    """Which evaluation of this run it is, counted from 0; written down before anything is logged under it."""
    client, _ = connect()
    marks = {name: value for name, value in client.get_run(run_id).data.tags.items() if name.startswith(EVALUATION)}
    for name, value in marks.items():
        if value == mark:
            return int(name.removeprefix(EVALUATION))
    client.set_tag(run_id, f"{EVALUATION}{len(marks)}", mark)
    return len(marks)


def final_metrics(found: Evaluation) -> dict[str, float]:
    """Names that all variants share, so that one table compares them; a task's own metrics begin with `test_`."""
    shared = ("score", "ceiling", "share_of_ceiling", "num_parameters")
    metrics = {name: found.metrics[name] for name in shared if found.metrics.get(name) is not None}
    metrics |= {f"test_{name}": value for name, value in task_metrics(found.metrics).items()}
    metrics |= {"megabytes": megabytes(found.places.exported)}
    return {name: float(value) for name, value in (metrics | found.timing).items()}


def evaluation_mark(found: Evaluation) -> str:
    """Tells one evaluation from another: `sync` adds what the run does not have yet."""
    files = (sha256(found.places.reports / file) for file in (METRICS_FILE, STATISTICS_FILE))
    return "-".join(digest[:16] for digest in (*files, hash_export(found.places.exported)))
