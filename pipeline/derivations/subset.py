"""A part of another dataset's training split: what would fewer examples have taught? Validation and test stay whole."""

from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from pipeline.dataset import SPLITS, Arrays, Dataset, Description


class Parameters(BaseModel):
    """share: of the training examples kept. seed: of the choice."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    share: float = Field(gt=0.0, le=1.0)
    seed: int = Field(default=0, ge=0)


def derive(dataset: Dataset, start: Path, parameters: Parameters) -> tuple[dict[str, Arrays], Description]:
    """The splits of `dataset`, the first one thinned out; `start` is not used."""
    splits: dict[str, Arrays] = {split: dataset.split(split) for split in SPLITS}
    num_examples = dataset.card.num_examples("train")
    kept = max(1, round(parameters.share * num_examples))
    rows = np.sort(np.random.default_rng(parameters.seed).permutation(num_examples)[:kept])
    splits["train"] = {name: values[rows] for name, values in splits["train"].items()}
    text = f"{kept} training examples of {dataset.card.name}: {dataset.card.text}"
    return splits, dataset.card.as_description().model_copy(update={"text": text})
