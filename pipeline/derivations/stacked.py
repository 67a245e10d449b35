"""The steps of two datasets of the same examples, one behind the other: the answers of two variants, say.

`start` is the folder of the other dataset; answers to be given, scaling and ceilings are those of `dataset`.
"""

from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict

from pipeline.dataset import SPLITS, Arrays, Dataset, Description
from pipeline.errors import UserError


class Parameters(BaseModel):
    """None."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def derive(dataset: Dataset, start: Path, parameters: Parameters) -> tuple[dict[str, Arrays], Description]:
    """`x` [N, T + T', F]; `y` as it is, which must be the same in both."""
    other = Dataset(start)
    for each in (dataset, other):
        if each.card.layout != "sequences" or each.card.padded:
            found = "sequences that end early" if each.card.padded else f"layout {each.card.layout}"
            raise UserError(f"{each.folder} cannot be stacked: {found}; allowed: sequences of one length")
    splits: dict[str, Arrays] = {}
    for split in SPLITS:
        first, second = dataset.split(split), other.split(split)
        if first["x"].shape[2:] != second["x"].shape[2:] or not np.array_equal(first["y"], second["y"]):
            raise UserError(f"{other.folder}: not the same {split} examples as {dataset.folder}")
        splits[split] = {"x": np.concatenate([first["x"], second["x"]], axis=1), "y": first["y"]}
    text = f"{dataset.card.text}; then {other.card.text}"
    return splits, dataset.card.as_description().model_copy(update={"text": text})
