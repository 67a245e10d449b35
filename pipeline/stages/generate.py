"""`generate@<dataset>`: draw a synthetic dataset."""

from pathlib import Path
from types import ModuleType

import numpy as np
from pydantic import BaseModel

from pipeline.dataset import SPLITS, Card, save_dataset
from pipeline.forecasts import with_references


def generate(
    name: str, source: ModuleType, parameters: BaseModel, seed: int, num_examples: dict[str, int], target: Path
) -> Card:
    """Draw every split from its own stream, so that the size of one changes nothing in another; then store them."""
    splits = {
        split: source.draw_split(parameters, num_examples[split], np.random.default_rng((seed, number)))
        for number, split in enumerate(SPLITS)
    }
    return save_dataset(
        target,
        splits,
        with_references(splits, source.describe(parameters, splits["test"])),
        source=source.__name__.rpartition(".")[2],
        seed=seed,
        parameters=parameters.model_dump(mode="json"),
    )
