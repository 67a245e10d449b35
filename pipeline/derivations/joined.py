"""The training examples of two datasets together, to teach a network the old and the new; the newer one judges it.

`dataset` is the newer one, whose validation and test splits stay as they are; `start` is the folder of the older one.
Where sequences end early, all are filled up to the longest of both. Where values are scaled, the scaling is that of
the examples together.

Shape legend: N examples, T time steps, F features, K values.
"""

from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict

from pipeline.dataset import SPLITS, Array, Arrays, Dataset, Description, Scaling
from pipeline.errors import UserError
from pipeline.tables.scaling import mean_and_spread

ALIKE = (
    *("layout", "classes", "vocabulary", "tokenizer", "features", "outputs", "num_steps", "output_steps"),
    *("first_answer", "padded", "later_steps_answer"),
)


class Parameters(BaseModel):
    """None."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def derive(dataset: Dataset, start: Path, parameters: Parameters) -> tuple[dict[str, Arrays], Description]:
    """The splits of `dataset`, the examples of the older one in front of its own to train on."""
    older = Dataset(start)
    new, old = dataset.card.as_description(), older.card.as_description()
    for key in ALIKE:
        if getattr(new, key) != getattr(old, key):
            raise UserError(
                f"{older.folder} cannot be joined to {dataset.folder}: {key} is {getattr(old, key)!r}; "
                f"allowed: {getattr(new, key)!r}"
            )
    splits: dict[str, Arrays] = {split: dataset.split(split) for split in SPLITS}
    before = older.split("train")
    if new.padded:
        longest = max(dataset.card.example_shape()[0], older.card.example_shape()[0])
        splits = {split: _filled_up(arrays, longest, new) for split, arrays in splits.items()}
        before = _filled_up(before, longest, new)
    after = splits["train"]
    if any(before[name].shape[1:] != after[name].shape[1:] for name in after):
        raise UserError(f"{older.folder} cannot be joined to {dataset.folder}: their examples differ in shape")
    splits["train"] = {name: np.concatenate([before[name], after[name]]) for name in after}
    text = f"the training examples of {older.card.name} and {dataset.card.name}: {dataset.card.text}"
    update: dict[str, object] = {"text": text}
    if new.scaling:
        update["scaling"] = _scaling(splits["train"], new, [each.scaling for each in (new, old) if each.scaling])
    return splits, new.model_copy(update=update)


def _answers_each_step(arrays: Arrays, description: Description) -> bool:
    """Whether there is an answer beside each step of a sequence."""
    return arrays["y"].ndim == (2 if description.classes else 3) and description.output_steps is None


def _filled_up(arrays: Arrays, longest: int, description: Description) -> dict[str, Array]:
    """The same sequences with zeros up to `longest` steps."""
    filled = dict(arrays)
    for name in ("x", "y") if _answers_each_step(arrays, description) else ("x",):
        missing = longest - arrays[name].shape[1]
        filled[name] = np.pad(arrays[name], [(0, 0), (0, missing), *[(0, 0)] * (arrays[name].ndim - 2)])
    return filled


def _scaling(training: Arrays, description: Description, before: list[Scaling]) -> Scaling:
    """Mean and spread of the examples together; a feature that all of `before` leave as it is stays so."""
    x, y = training["x"], training["y"]
    if "length" in training:
        real = np.arange(x.shape[1]) < training["length"][:, None]
        x, y = x[real], y[real] if _answers_each_step(training, description) else y
    features = _means_and_spreads(x)
    for place in range(len(features)):
        if all((each.x_mean[place], each.x_scale[place]) == (0.0, 1.0) for each in before):
            features[place] = (0.0, 1.0)
    values = _means_and_spreads(y) if description.outputs else []
    return Scaling(
        x_mean=[centre for centre, _ in features],
        x_scale=[spread for _, spread in features],
        y_mean=[centre for centre, _ in values],
        y_scale=[spread for _, spread in values],
    )


def _means_and_spreads(steps: Array) -> list[tuple[float, float]]:
    return [mean_and_spread(column) for column in steps.reshape(-1, steps.shape[-1]).T.astype(np.float64)]
