"""Views of sequences of measured values: `sequence_to_label`, `_labels`, `_value`, `_values`, by what is asked.

Sequences of different lengths lie in one array, padded at the end; a network sees the padding as NaN, which no step
that counts can hold, so it needs no second input to know where a sequence ends. Answers that are not asked for
(padding, and the first `first_answer` steps) are -1 among labels and NaN among values: losses and metrics leave them
out.

Shape legend: N examples, T time steps, F features, K values.
"""

import numpy as np

from pipeline.dataset import Array, Arrays, Description
from pipeline.errors import UserError
from pipeline.views.view import Asks, ExampleSpec, View, batch_of

NOT_ASKED = -1


class Sequences(View):
    """Stored steps [N, T, F], scaled as the card says, with NaN from the end of each sequence on."""

    layout = "sequences"
    shows = "a sequence"

    def __init__(self, asks: Asks) -> None:
        self.asks = asks  # type: ignore[misc]

    def spec(self, description: Description, stored_shape: tuple[int, ...]) -> ExampleSpec:
        names = description.classes if "label" in self.asks else description.outputs
        if not names:
            kind, view = ("values", "value") if description.outputs else ("labels", "label")
            raise UserError(f"the dataset holds {kind}; allowed views: sequence_to_{view}, sequence_to_{view}s")
        return ExampleSpec(
            input_shape=(None, stored_shape[-1]),
            num_outputs=len(names),
            asks=self.asks,
            output_steps=description.output_steps,
            later_steps_answer=description.later_steps_answer,
            padded=description.padded,
            num_steps=None if description.padded else stored_shape[0],
        )

    def inputs(self, arrays: Arrays, description: Description) -> Array:
        steps = scaled(arrays["x"], description)
        if "length" in arrays:
            steps[_beyond(arrays["length"], steps.shape[1])] = np.nan
        return steps

    def targets(self, arrays: Arrays, description: Description) -> Array:
        """int32 labels [N] or [N, T], or float32 values [N, K] or [N, T, K], scaled as the card says."""
        labels = "label" in self.asks
        targets: Array = arrays["y"].astype(np.int32 if labels else np.float32)
        if description.scaling and not labels:
            mean, scale = description.scaling.y_mean, description.scaling.y_scale
            targets = (targets - np.array(mean, np.float32)) / np.array(scale, np.float32)
        if "each step" in self.asks and description.output_steps is None:
            empty = NOT_ASKED if labels else np.nan
            targets[:, : description.first_answer] = empty
            if "length" in arrays:
                targets[_beyond(arrays["length"], targets.shape[1])] = empty
        return targets

    def in_units(self, values: Array, x: Array, description: Description) -> Array:
        """Values in float64, without the card's scaling; labels as they are."""
        if "label" in self.asks:
            return values
        exact: Array = values.astype(np.float64)
        if description.scaling is None:
            return exact
        return exact * np.array(description.scaling.y_scale) + np.array(description.scaling.y_mean)

    def shown(self, arrays: Arrays, description: Description) -> Array:
        return self.as_given(arrays, description)

    def raw(self, stored_shape: tuple[int, ...]) -> tuple[str, tuple[int, ...]]:
        return "float32", (-1, stored_shape[-1])

    def raw_rank(self, stored_shape: tuple[int, ...], found: tuple[int, ...]) -> int:
        return 2

    def as_given(self, arrays: Arrays, description: Description) -> Array:
        given = np.array(arrays["x"], dtype=np.float32)
        if "length" in arrays:
            given[_beyond(arrays["length"], given.shape[1])] = np.nan
        return given

    def accept(self, raw: Array, description: Description, stored_shape: tuple[int, ...]) -> Array:
        """A user gives steps in the units of the data: [T, F], or [N, T, F] with shorter ones filled up with NaN."""
        shape = (None, stored_shape[-1])
        if not description.padded or raw.dtype.kind != "f" or raw.ndim not in (2, 3) or not raw.size:
            return self.inputs({"x": batch_of(raw, shape)}, description)
        ended = np.asarray(np.isnan(raw).all(axis=-1))
        if ended[..., 0].any() or (np.diff(ended.astype(int), axis=-1) < 0).any():
            raise UserError("a sequence is empty, or goes on after a step of NaN; allowed: NaN at its end only")
        steps = batch_of(np.where(ended[..., None], 0, raw), shape)
        length = steps.shape[1] - np.atleast_2d(ended).sum(axis=-1)
        return self.inputs({"x": steps, "length": length}, description)


def scaled(steps: Array, description: Description) -> Array:
    """A float32 copy [N, T, F] of stored steps, with mean 0 and spread 1 where the card holds a scaling."""
    copy = np.array(steps, dtype=np.float32)
    if description.scaling:
        copy -= np.array(description.scaling.x_mean, np.float32)
        copy /= np.array(description.scaling.x_scale, np.float32)
    return copy


def _beyond(length: Array, steps: int) -> Array:
    """Which of `steps` lie beyond the end of each sequence: [N, steps]."""
    return np.arange(steps)[None] >= np.asarray(length)[:, None]
