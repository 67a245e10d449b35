"""`repeat`: the same variant with several seeds. How much of a score is the seed's?"""

import os
import shutil
import statistics
import tempfile
from pathlib import Path
from typing import Any

from pipeline.blocks import DatasetBlock, VariantBlock
from pipeline.config import dataset_block, load_params, variant_block
from pipeline.dataset import read_card
from pipeline.errors import UserError
from pipeline.files import write_json
from pipeline.fingerprint import read_record
from pipeline.places import Places, read_evaluation, read_history
from pipeline.plugins import load_plugin
from pipeline.progress import progress_bar, say
from pipeline.stages.evaluate import evaluate
from pipeline.stages.export import export
from pipeline.stages.generate import generate
from pipeline.stages.train import train
from pipeline.tracking.evaluation import Evaluation
from pipeline.tracking.runs import Tracker
from pipeline.training_bar import Silent

SCRATCH = Path(".cadence", "repeat")
NEW_DATA_SEED = 1_000_000  # new data is drawn far from the seeds that people choose


def repeat(variant: str, num_seeds: int, new_data: bool) -> None:
    """Train, export and score `variant` with the seeds 1 to `num_seeds`, aside from its own outputs.

    Prints mean, spread and worst, and writes reports/seeds/<variant>.json. With `new_data` the dataset is drawn with
    each seed as well; raises `UserError` where it is not drawn from a seed.
    """
    if os.environ.get("KERAS_BACKEND", "tensorflow") != "tensorflow":
        raise UserError(f"KERAS_BACKEND: found {os.environ['KERAS_BACKEND']}; allowed: tensorflow, which exports need")
    block = variant_block(variant)
    drawn = _drawn_dataset(variant, block) if new_data else None
    if not new_data:
        _check_current(block.dataset)
    tracker = Tracker(group=f"{variant}, {'new' if new_data else 'same'} data")
    results = []
    with progress_bar(f"repeat {variant}", num_seeds) as bar:
        for seed in range(1, num_seeds + 1):
            results.append(_one(variant, block.model_copy(update={"seed": seed}), drawn, tracker))
            bar.advance(1)
            say(f"  seed {seed}: {results[-1]['metric']} {results[-1]['score']:.4f}")
    summary = summarise(results, "new" if new_data else "same")
    target = Path("reports", "seeds", f"{variant}.json")
    write_json(target, summary)
    say(
        f"repeat {variant}: {summary['metric']} mean {summary['mean']:.4f}, std {summary['std']:.4f}, "
        f"worst {summary['worst']:.4f} of {num_seeds} seeds, {summary['data']} data; {target}"
    )


def summarise(results: list[dict[str, Any]], data: str) -> dict[str, Any]:
    """Mean, sample standard deviation and worst of the scores."""
    scores = [result["score"] for result in results]
    worst = min if results[0]["higher_is_better"] else max
    return {
        "metric": results[0]["metric"],
        "scores": scores,
        "mean": round(statistics.fmean(scores), 6),
        "std": round(statistics.stdev(scores), 6) if len(scores) > 1 else 0.0,
        "worst": worst(scores),
        "data": data,
    }


def _drawn_dataset(variant: str, block: VariantBlock) -> DatasetBlock:
    if block.dataset not in load_params()["datasets"]:
        raise UserError(
            f"repeat {variant} --new-data: {block.dataset!r} is not drawn from a seed; allowed: without --new-data"
        )
    return dataset_block(block.dataset)


def _check_current(name: str) -> None:
    """Without new data the dataset must be there, and be what params.yaml says of it now."""
    card, params = read_card(Path("data", name)), load_params()
    if name not in params["datasets"]:
        return
    block = dataset_block(name, params)
    found = (card.source, card.seed, card.parameters, {split: card.num_examples(split) for split in card.splits})
    if found != (block.source, block.seed, block.parameters.model_dump(mode="json"), block.splits.model_dump()):
        raise UserError(f"data/{name}: not what params.yaml says now; make it again: dvc repro generate@{name}")


def _one(variant: str, block: VariantBlock, drawn: DatasetBlock | None, tracker: Tracker) -> dict[str, Any]:
    """One seed, from the data to the score, in a scratch folder."""
    SCRATCH.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=f"{variant}.", dir=SCRATCH))
    places = Places.of(variant, block.dataset, folder)
    try:
        if drawn is None:
            places.dataset.parent.mkdir(parents=True, exist_ok=True)
            places.dataset.symlink_to(Path("data", block.dataset).resolve(), target_is_directory=True)
        else:
            source = load_plugin("datasets", drawn.source, f"params.yaml: datasets.{block.dataset}.source")
            seed = NEW_DATA_SEED + block.seed
            generate(block.dataset, source, drawn.parameters, seed, drawn.splits.model_dump(), places.dataset)
        train(variant, block, places, tracker, Silent())
        tracker.exported(places.trained, export(variant, block, places))
        metrics = evaluate(block, places, Silent())
        found = Evaluation(metrics, read_evaluation(places.reports)[1], places)
        tracker.evaluated(read_record(places.exported), read_history(places.reports), found)
        return metrics
    finally:
        shutil.rmtree(folder, ignore_errors=True)
