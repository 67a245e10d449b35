"""What a trained variant makes of clips, in place of the clips: features that are computed once, whatever reads them.

`start` is the export of a variant that gives its features beside its answers: one vector for each frame, or one for a
clip as a whole. The latter is asked for parts of a clip, as of C3D (Tran et al. 2015), whose features are those of
clips of 16 frames: each part is then a step of the sequence that is stored.

Shape legend: N clips, T frames, S steps, F features.
"""

from pathlib import Path
from typing import Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from pipeline.dataset import SPLITS, Array, Arrays, Dataset, Description, Scaling, Windows
from pipeline.errors import UserError
from pipeline.runtime import FEATURES, Export, batch_slices
from pipeline.tables.scaling import mean_and_spread

WHOLE, EACH_FRAME = 2, 3  # axes of the features of clips: one vector each, or one for each frame


class Parameters(BaseModel):
    """window: frames of each part of a clip; none where there is a vector for each frame. stride: frames from the
    beginning of one part to that of the next."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    window: int | None = Field(default=None, ge=1)
    stride: int | None = Field(default=None, ge=1)

    @model_validator(mode="after")
    def _both_or_none(self) -> Self:
        if (self.window is None) != (self.stride is None):
            raise ValueError("stride belongs to window: give both or none")
        return self


def derive(dataset: Dataset, start: Path, parameters: Parameters) -> tuple[dict[str, Arrays], Description]:
    """`x` [N, S, F] float16, to be scaled by mean and spread of the training clips; `y` [N], or [N, T], as it is.

    Half a float's digits are more than any reader of features has use for, in half the space.
    """
    export = Export(start)
    _check_fit(export, dataset, parameters)
    splits: dict[str, Arrays] = {}
    for split in SPLITS:
        arrays = dataset.split(split)
        splits[split] = {"x": _features(export, arrays, parameters), "y": np.asarray(arrays["y"])}
    columns = splits["train"]["x"].reshape(-1, splits["train"]["x"].shape[-1]).T
    means, spreads = zip(*(mean_and_spread(column.astype(np.float64)) for column in columns), strict=True)
    parts = f"of {parameters.window} frames, every {parameters.stride}, " if parameters.window else ""
    update: dict[str, object] = {
        "text": f"what {export.manifest.variant} makes {parts}of {dataset.card.name}: {dataset.card.text}",
        "layout": "sequences",
        "num_steps": None,
        "scaling": Scaling(x_mean=list(means), x_scale=list(spreads)),
        "disjoint": False,  # what differs in the clips may be nothing to whom made the features
    }
    if dataset.card.output_steps:
        update |= _windows(dataset, parameters)
    return splits, dataset.card.as_description().model_copy(update=update)


def _windows(dataset: Dataset, parameters: Parameters) -> dict[str, object]:
    """What the card says of features of videos whose frames have a label each: parts must leave out none of them."""
    frames = dataset.card.example_shape()[0]
    if not parameters.window or not parameters.stride:
        raise UserError(f"{dataset.folder}: each frame has a label; allowed: with a window and a stride")
    left = (frames - parameters.window) % parameters.stride
    if left or parameters.stride > parameters.window:
        reason = f"leave out the last {left}" if left else "leave out some between them"
        raise UserError(
            f"{dataset.folder}: of {frames} labelled frames windows of {parameters.window}, {parameters.stride} apart, "
            f"{reason}; allowed: a stride of at most {parameters.window} that comes out even"
        )
    return {"windows": Windows(frames=parameters.window, stride=parameters.stride)}


def _check_fit(export: Export, dataset: Dataset, parameters: Parameters) -> None:
    """The variant must give features, and of clips as these are."""
    card, manifest = dataset.card, export.manifest
    if card.layout != "clips" or card.answers:
        asked = ", asked for texts" if card.answers else ""
        raise UserError(f"{dataset.folder}: is of layout {card.layout}{asked}; allowed: clips, with classes")
    if not export.has_features:
        raise UserError(
            f"{export.folder}: {manifest.model} gives no {FEATURES}; allowed: a variant of a model that exports them "
            "(frame_vote, conv3d)"
        )
    found, trained = (card.layout, *card.example_shape()[1:]), (manifest.description.layout, *manifest.stored_shape[1:])
    if found != trained:
        raise UserError(
            f"{export.folder}: was trained on frames of {trained[0]} {list(trained[1:])}, {dataset.folder} has "
            f"{found[0]} {list(found[1:])}; allowed: the same"
        )
    frames = card.example_shape()[0]
    if parameters.window and parameters.window > frames:
        raise UserError(f"{dataset.folder}: clips of {frames} frames; allowed with window {parameters.window}: as many")


def _features(export: Export, arrays: Arrays, parameters: Parameters) -> Array:
    """The features [N, S, F] float16 of stored clips."""
    num_clips, num_frames = arrays["x"].shape[:2]
    parts = [slice(None)]
    if parameters.window and parameters.stride:
        starts = range(0, num_frames - parameters.window + 1, parameters.stride)
        parts = [slice(first, first + parameters.window) for first in starts]

    def features(clips: Array) -> Array:
        found = export.features(export.view.inputs({"x": clips}, export.manifest.description)).astype(np.float16)
        if not np.isfinite(found).all():
            raise UserError(
                f"{export.folder}: gives features that are no numbers, or beyond {np.finfo(np.float16).max:,.0f}; "
                "allowed: a variant whose training went well"
            )
        return found

    def of(rows: slice) -> Array:
        steps = [features(arrays["x"][rows, part]) for part in parts]
        axes = WHOLE if parameters.window else EACH_FRAME
        if steps[0].ndim != axes:
            kind, allowed = ("each frame", "none") if parameters.window else ("a clip as a whole", "a number of frames")
            raise UserError(f"{export.folder}: gives features of {kind}; allowed for window: {allowed}")
        return np.stack(steps, axis=1) if parameters.window else steps[0]

    return np.concatenate([of(rows) for rows in batch_slices(num_clips)])
