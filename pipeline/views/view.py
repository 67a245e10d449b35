"""What a view is: how stored arrays become a batch, and what a network sees of an example and has to answer.

Shape legend: N examples, T time steps.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from pipeline.dataset import Array, Arrays, Description
from pipeline.errors import UserError

Sight = Literal["an image", "a clip", "a sequence", "a text"]
Asks = Literal[
    "one label",
    "a label at each step",
    "segments, by a label at each step",
    "one value",
    "a value at each step",
    "a text",
]


@dataclass(frozen=True)
class ExampleSpec:
    """What a network sees of an example and has to answer.

    input_shape: of one example, without the batch axis; None for an axis that may have any length.
    num_outputs: how many answers there are at each place: classes, or values.
    asks: one label or value, or one at each step; or a text, whose tokens are the outputs.
    output_steps: at how many steps it answers; None for as many as it reads.
    later_steps_answer: whether later steps show what is asked at earlier ones.
    padded: whether sequences may end early, in steps of NaN, or of token 0. num_steps: how many steps stored sequences
        have. vocabulary_size: of texts, whose inputs are tokens 0 to one less than that.
    continues: of each value answered, the place among the features of the series that it continues, in the same unit;
        empty where the answers are of another kind.
    channels: of images and clips, mean and spread of each channel in the training split, as the network sees them.
    classes: the names of the labels. vectors: [V, D], one for each token, where the dataset has them.
    batch_size, steps_per_call: fixed for networks that carry their state from call to call, else None.
    """

    input_shape: tuple[int | None, ...]
    num_outputs: int
    asks: Asks = "one label"
    output_steps: int | None = None
    later_steps_answer: bool = False
    padded: bool = False
    num_steps: int | None = None
    vocabulary_size: int | None = None
    continues: tuple[int, ...] = ()
    channels: tuple[tuple[float, float], ...] = ()
    classes: tuple[str, ...] = ()
    vectors: Array | None = None
    batch_size: int | None = None
    steps_per_call: int | None = None


class View(ABC):
    """Turns stored arrays into what a network reads, float32 or int32, and into the targets it is to answer.

    layout: of the arrays it can turn. shows: what the network sees. asks: what it is to answer.
    given_as_text: whether a user gives a text, not numbers.
    """

    layout: ClassVar[str]
    shows: ClassVar[Sight]
    asks: ClassVar[Asks] = "one label"
    given_as_text: ClassVar[bool] = False

    @abstractmethod
    def spec(self, description: Description, stored_shape: tuple[int, ...]) -> ExampleSpec:
        """Shapes as a network sees them, from the stored shape of one example."""

    @abstractmethod
    def inputs(self, arrays: Arrays, description: Description) -> Array:
        """float32 inputs [N, ...] of stored examples; int32 where they are tokens."""

    def targets(self, arrays: Arrays, description: Description) -> Array:
        """int32 targets, [N] here. A label of -1 and a value of NaN are not asked for."""
        return arrays["y"].astype(np.int32)

    def training_inputs(self, arrays: Arrays, description: Description) -> Array | tuple[Array, ...]:
        """What a network reads of stored examples while it learns: their inputs; of texts also the answers so far."""
        return self.inputs(arrays, description)

    def lengths(self, arrays: Arrays) -> Array | None:
        """By which length [N] examples are alike; None where all are equally long."""
        return None

    def trimmed(self, arrays: Arrays) -> Arrays:
        """The same examples without the padding that none of them needs."""
        return arrays

    def in_units(self, values: Array, x: Array, description: Description) -> Array:
        """Outputs or targets [N, ...] in the units of the data; as they are here.

        x: the same N examples, as they are stored or as a user gives them.
        """
        return values

    def references(self, arrays: Arrays, description: Description) -> Array:
        """What is asked for [N, ...], in the units of the data: what answers are compared with."""
        return self.in_units(self.targets(arrays, description), arrays["x"], description)

    def shown(self, arrays: Arrays, description: Description) -> Array:
        """Stored examples [N, ...] as figures show them: what the network reads, in the units of the data."""
        return self.inputs(arrays, description)

    def raw(self, stored_shape: tuple[int, ...]) -> tuple[str, tuple[int, ...]]:
        """Type and shape of one example as a user gives it, -1 for an axis of any length; of a text `str` and ()."""
        return "uint8", stored_shape

    def accept(self, raw: Array, description: Description, stored_shape: tuple[int, ...]) -> Array:
        """The same from an array a user gives: one example or several, in the stored form."""
        raw = batch_of(raw, stored_shape)
        return self.inputs({"x": raw}, description)

    def as_given(self, arrays: Arrays, description: Description) -> Array:
        """Stored examples [N, ...] in the form in which a user would give them."""
        return arrays["x"]

    def tokens(self, raw: Array, description: Description) -> list[list[str]]:
        """The tokens of each text that a user gives; none of what is no text."""
        return []

    def remark(self, raw: Array, description: Description, stored_shape: tuple[int, ...]) -> str | None:
        """What a user should know of how one example is read; None where it is read as it is."""
        return None

    def raw_rank(self, stored_shape: tuple[int, ...], found: tuple[int, ...]) -> int:
        """How many axes one example has that a user gives in an array of shape `found`."""
        shape = self.raw(stored_shape)[1]
        has_channel = found[-1:] == (1,) and len(found) > 1 and shape[-1] != 1
        return len(shape) + (1 if has_channel else 0)


def texts_of(raw: Array) -> list[str]:
    """The texts that a user gives: one, several [N], or a table's column [N, 1]."""
    given = np.asarray(raw)
    one_each = given.ndim < 2 or (given.ndim == 2 and given.shape[1] == 1)
    texts = np.atleast_1d(given).ravel().tolist()
    if not one_each or not all(isinstance(text, str) for text in texts):
        raise UserError(f"found an array {list(given.shape)} of {given.dtype}; allowed: a text, or several")
    if not texts:
        raise UserError("found no text; allowed: one or several")
    return texts


def batch_of(raw: Array, shape: tuple[int | None, ...]) -> Array:
    """`raw` as several examples of `shape`; a single example becomes a batch of one."""
    given = raw.shape
    if raw.ndim == len(shape):
        raw = raw[None]
    fits = raw.ndim == len(shape) + 1 and all(
        want in (None, found) for want, found in zip(shape, raw.shape[1:], strict=True)
    )
    if raw.dtype.kind not in "uif" or not fits:
        wanted = " x ".join("any" if axis is None else str(axis) for axis in shape)
        raise UserError(f"found an array {list(given)} of {raw.dtype}; allowed: numbers [{wanted}], one or several")
    if not raw.size:
        raise UserError(f"found an array {list(given)}, which is empty; allowed: at least one number")
    with np.errstate(over="ignore"):
        if raw.dtype.kind == "f" and not np.isfinite(raw.astype(np.float32)).all():
            raise UserError("the array holds NaN or infinity, as a float32 at least; allowed: finite numbers")
    return raw
