"""`derive@<dataset>`: compute a dataset from another one, and perhaps from a trained variant."""

import time
from pathlib import Path
from types import ModuleType

from pydantic import BaseModel

from pipeline.dataset import Card, Dataset, save_dataset
from pipeline.files import write_json
from pipeline.places import DERIVE_TIMING_FILE


def derive(
    name: str, method: ModuleType, parameters: BaseModel, dataset: Path, start: Path, target: Path, reports: Path
) -> Card:
    """Derive and store; a method may also give `vectors` of the vocabulary. `reports` is told how long it took."""
    origin, started = Dataset(dataset), time.perf_counter()
    splits, description = method.derive(origin, start, parameters)
    seconds, num_examples = time.perf_counter() - started, sum(len(arrays["x"]) for arrays in splits.values())
    timing = {"derive_seconds": round(seconds, 2), "derive_ms_per_example": round(1000 * seconds / num_examples, 3)}
    write_json(reports / DERIVE_TIMING_FILE, timing)
    return save_dataset(
        target,
        splits,
        description,
        source=method.__name__.rpartition(".")[2],
        seed=origin.card.seed,
        parameters=parameters.model_dump(mode="json") | {"dataset": origin.card.name},
        vectors=method.vectors(origin, start, parameters) if hasattr(method, "vectors") else None,
    )
