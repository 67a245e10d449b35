"""The training examples of two datasets together, to teach a network the old and the new; the newer one judges it.

`dataset` is the newer one, whose validation and test splits stay as they are; `start` is the folder of the older one.
"""

from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict

from pipeline.dataset import Arrays, Dataset, Description
from pipeline.errors import UserError


class Parameters(BaseModel):
    """None."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def derive(dataset: Dataset, start: Path, parameters: Parameters) -> tuple[dict[str, Arrays], Description]:
    """The splits of `dataset`, the examples of the older one in front of its own to train on."""
    older = Dataset(start)
    new, old = dataset.card.as_description(), older.card.as_description()
    for key in ("layout", "classes", "vocabulary", "tokenizer", "features", "outputs", "num_steps", "output_steps"):
        if getattr(new, key) != getattr(old, key):
            raise UserError(
                f"{older.folder} cannot be joined to {dataset.folder}: {key} is {getattr(old, key)!r}; "
                f"allowed: {getattr(new, key)!r}"
            )
    splits: dict[str, Arrays] = {split: dataset.split(split) for split in ("validation", "test")}
    before, after = older.split("train"), dataset.split("train")
    if any(before[name].shape[1:] != after[name].shape[1:] for name in after):
        raise UserError(f"{older.folder} cannot be joined to {dataset.folder}: their examples differ in shape")
    splits["train"] = {name: np.concatenate([before[name], after[name]]) for name in after}
    text = f"the training examples of {older.card.name} and {dataset.card.name}: {dataset.card.text}"
    return splits, new.model_copy(update={"text": text})
