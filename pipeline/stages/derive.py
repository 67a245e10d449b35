"""`derive@<dataset>`: compute a dataset from another one, and perhaps from a trained variant."""

from pathlib import Path
from types import ModuleType

from pydantic import BaseModel

from pipeline.dataset import Card, Dataset, save_dataset


def derive(name: str, method: ModuleType, parameters: BaseModel, dataset: Path, start: Path, target: Path) -> Card:
    """Derive and store; a method may also give `vectors` of the vocabulary."""
    origin = Dataset(dataset)
    splits, description = method.derive(origin, start, parameters)
    return save_dataset(
        target,
        splits,
        description,
        source=method.__name__.rpartition(".")[2],
        seed=origin.card.seed,
        parameters=parameters.model_dump(mode="json") | {"dataset": origin.card.name},
        vectors=method.vectors(origin, start, parameters) if hasattr(method, "vectors") else None,
    )
