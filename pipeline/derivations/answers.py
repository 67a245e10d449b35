"""What an exported variant answers to each example, in place of the example: what an ensemble is made from.

`start` is the export of a variant that answers values for the examples of `dataset`. It reads them as it was trained
to, whatever the scaling of `dataset`. Its answers are kept in the units of the data, like what they are to be, and
scaled alike, so that the mean of several answers is theirs and not that of other numbers.
"""

from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict

from pipeline.dataset import SPLITS, Arrays, Dataset, Description, Scaling
from pipeline.errors import UserError
from pipeline.runtime import Export


class Parameters(BaseModel):
    """learn_from: the split of `dataset` that makes the training split: `train`, or `validation`, where the variant was
    trained on the former. What a network answers to its own training examples says how well it has learnt them by
    heart, and not what its answers are worth (Wolpert 1992). Of `validation`, the first half is learnt from, and the
    rest validates."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    learn_from: Literal["train", "validation"] = "train"


def derive(dataset: Dataset, start: Path, parameters: Parameters) -> tuple[dict[str, Arrays], Description]:
    """`x` [N, 1, K] float32, the answers in the units of the data as sequences of one step; `y` [N, K] as it is."""
    export, card = Export(start), dataset.card
    _check_fit(export, dataset)
    splits: dict[str, Arrays] = {}
    for split, arrays in _examples(dataset, parameters).items():
        answers = _answers(export, arrays)
        splits[split] = {"x": answers[:, None].astype(np.float32), "y": arrays["y"]}
    text = f"what {export.manifest.variant} answers to {card.name}: {card.text}"
    update: dict[str, object] = {"text": text, "features": card.outputs, "padded": False, "scaling": None}
    if card.scaling:
        mean, scale = card.scaling.y_mean, card.scaling.y_scale
        update["scaling"] = Scaling(x_mean=mean, x_scale=scale, y_mean=mean, y_scale=scale)
    return splits, card.as_description().model_copy(update=update)


def _check_fit(export: Export, dataset: Dataset) -> None:
    """The examples must be what the variant was trained to read, and ask for what it answers."""
    trained, card = export.manifest.description, dataset.card
    if export.view.asks != "one value":
        raise UserError(f"{export.folder}: answers {export.view.asks}; allowed: a variant that answers one value")
    for key in ("layout", "features", "outputs"):
        if getattr(trained, key) != getattr(card, key):
            raise UserError(
                f"{export.folder}: was trained on {key} {getattr(trained, key)!r}, {dataset.folder} has "
                f"{getattr(card, key)!r}; allowed: a variant of a dataset with the same {key}"
            )
    read, given = export.manifest.stored_shape[1:], list(card.example_shape()[1:])
    if read != given:
        raise UserError(
            f"{export.folder}: was trained on steps of {read}, {dataset.folder} has {given}; allowed: the same"
        )
    if card.padded and not trained.padded:
        raise UserError(
            f"{export.folder}: was trained on sequences of one length, {dataset.folder} has shorter ones, filled up; "
            "allowed: a variant of a dataset whose sequences differ in length"
        )


def _examples(dataset: Dataset, parameters: Parameters) -> dict[str, Arrays]:
    """The examples of each split of what is derived."""
    if parameters.learn_from == "train":
        return {split: dataset.split(split) for split in SPLITS}
    unseen, half = dataset.split("validation"), dataset.card.num_examples("validation") // 2
    if not half:
        raise UserError(
            f"{dataset.folder}: holds 1 validation example; allowed with learn_from 'validation': 2 or more"
        )
    return {
        "train": {name: values[:half] for name, values in unseen.items()},
        "validation": {name: values[half:] for name, values in unseen.items()},
        "test": dataset.split("test"),
    }


def _answers(export: Export, arrays: Arrays) -> np.ndarray:
    """The answers [N, K] to stored examples, in the units of the data."""
    trained = export.manifest.description

    def inputs(rows: slice | np.ndarray) -> np.ndarray:
        return export.view.inputs({name: values[rows] for name, values in arrays.items()}, trained)

    outputs = export.run_batches(len(arrays["x"]), inputs, lambda done: None)
    return export.view.in_units(outputs, arrays["x"], trained)
