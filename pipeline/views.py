"""How stored arrays become a batch: the named views. A variant names one; nothing after `generate` knows the source.

Shape legend: N examples, T time steps, H height, W width, C channels, V vocabulary.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from pipeline.dataset import Array, Arrays, Description
from pipeline.errors import UserError, choices

# The orders in which the four quadrants (0 1 / 2 3) of an image are read; all four are read side by side.
QUADRANT_ORDERS = ((0, 1, 2, 3), (3, 2, 1, 0), (0, 2, 1, 3), (3, 1, 2, 0))

Sight = Literal["an image", "a clip", "a sequence"]


@dataclass(frozen=True)
class ExampleSpec:
    """What a network sees of an example and has to answer.

    input_shape: of one example, without the batch axis; None for an axis that may have any length.
    num_classes: how many answers there are at each place.
    batch_size, steps_per_call: fixed for networks that carry their state from call to call, else None.
    """

    input_shape: tuple[int | None, ...]
    num_classes: int
    batch_size: int | None = None
    steps_per_call: int | None = None


class View(ABC):
    """Turns stored arrays into what a network reads, float32, and into the integer targets it is to answer.

    layout: of the arrays it can turn. shows: what the network sees. asks: what it is to answer.
    """

    layout: ClassVar[str]
    shows: ClassVar[Sight]
    asks: ClassVar[Literal["one label", "a label at each step"]] = "one label"

    @abstractmethod
    def spec(self, description: Description, stored_shape: tuple[int, ...]) -> ExampleSpec:
        """Shapes as a network sees them, from the stored shape of one example."""

    @abstractmethod
    def inputs(self, arrays: Arrays, description: Description) -> Array:
        """float32 inputs [N, ...] of stored examples."""

    def targets(self, arrays: Arrays, description: Description) -> Array:
        """int32 targets, [N] here."""
        return arrays["y"].astype(np.int32)

    def raw(self, stored_shape: tuple[int, ...]) -> tuple[str, tuple[int, ...]]:
        """Type and shape of one example as a user gives it, -1 for an axis of any length."""
        return "uint8", stored_shape

    def accept(self, raw: Array, description: Description, stored_shape: tuple[int, ...]) -> Array:
        """float32 inputs [N, ...] from an array a user gives: one example or several, in the stored form."""
        raw = batch_of(raw, stored_shape)
        return self.inputs({"x": raw}, description)

    def as_given(self, arrays: Arrays, description: Description) -> Array:
        """Stored examples [N, ...] in the form in which a user would give them."""
        return arrays["x"]

    def raw_rank(self, stored_shape: tuple[int, ...], found: tuple[int, ...]) -> int:
        """How many axes one example has that a user gives in an array of shape `found`."""
        shape = self.raw(stored_shape)[1]
        has_channel = found[-1:] == (1,) and len(found) > 1 and shape[-1] != 1
        return len(shape) + (1 if has_channel else 0)


class Frames(View):
    """Arrival times [N, H, W] as a clip [N, T, H, W, 1]: a pixel is 1 from the frame of its arrival on."""

    layout = "arrival_times"
    shows = "a clip"

    def spec(self, description: Description, stored_shape: tuple[int, ...]) -> ExampleSpec:
        return ExampleSpec((description.num_steps, *stored_shape, 1), _num_classes(description))

    def inputs(self, arrays: Arrays, description: Description) -> Array:
        arrival = arrays["x"]
        steps = np.arange(description.num_steps or 0, dtype=arrival.dtype)
        return (arrival[:, None] <= steps[:, None, None]).astype(np.float32)[..., None]

    def raw(self, stored_shape: tuple[int, ...]) -> tuple[str, tuple[int, ...]]:
        return "float32", (-1, *stored_shape)

    def as_given(self, arrays: Arrays, description: Description) -> Array:
        return self.inputs(arrays, description)[..., 0]

    def accept(self, raw: Array, description: Description, stored_shape: tuple[int, ...]) -> Array:
        """A user gives frames: [T, H, W] or [N, T, H, W], with or without a last axis of 1, any number of frames."""
        if raw.ndim in (4, 5) and raw.shape[-1] == 1:
            raw = raw[..., 0]
        return batch_of(raw, (None, *stored_shape)).astype(np.float32)[..., None]


class Images(View):
    """Images [N, H, W] or [N, H, W, C] of bytes as [N, H, W, C] between 0 and 1."""

    layout = "images"
    shows: ClassVar[Sight] = "an image"

    def spec(self, description: Description, stored_shape: tuple[int, ...]) -> ExampleSpec:
        return ExampleSpec(_with_channels(stored_shape), _num_classes(description))

    def inputs(self, arrays: Arrays, description: Description) -> Array:
        images = arrays["x"].astype(np.float32) / np.float32(255)
        return images if images.ndim == 4 else images[..., None]

    def accept(self, raw: Array, description: Description, stored_shape: tuple[int, ...]) -> Array:
        """Bytes 0 to 255, or floats that already lie between 0 and 1; a last axis of 1 may be there or not."""
        if raw.ndim > len(stored_shape) and raw.shape[-1] == 1 != stored_shape[-1]:
            raw = raw[..., 0]
        raw = batch_of(raw, stored_shape)
        if raw.dtype.kind == "f" and raw.size and float(raw.max()) <= 1.0:
            raw = raw * np.float32(255)
        if raw.size and (float(raw.min()) < 0 or float(raw.max()) > 255):
            raise UserError(f"pixel values from {raw.min()} to {raw.max()}; allowed: 0 to 255, or 0.0 to 1.0")
        return self.inputs({"x": raw}, description)


class Quadrants(Images):
    """Images as four steps [N, 4, 4 * H/2, W/2, C]: step t shows the t-th quadrant of each of four reading orders."""

    shows = "a clip"

    def spec(self, description: Description, stored_shape: tuple[int, ...]) -> ExampleSpec:
        height, width, channels = _with_channels(stored_shape)
        if height % 2 or width % 2:
            raise UserError(f"view 'quadrants': images are {height} x {width}; height and width must be even")
        return ExampleSpec((4, 2 * height, width // 2, channels), _num_classes(description))

    def inputs(self, arrays: Arrays, description: Description) -> Array:
        images = super().inputs(arrays, description)
        num, height, width, channels = images.shape
        half = (height // 2, width // 2)
        quadrants = images.reshape(num, 2, half[0], 2, half[1], channels).swapaxes(2, 3)
        quadrants = quadrants.reshape(num, 4, *half, channels)
        by_step = quadrants[:, np.array(QUADRANT_ORDERS).T]  # [N, step, order, H/2, W/2, C]
        return by_step.reshape(num, 4, 4 * half[0], half[1], channels)


class OneHot(View):
    """Symbols [N, T + 1] as one-hot inputs [N, T, V]; the targets [N, T] are the symbols that follow."""

    layout = "symbols"
    shows = "a sequence"
    asks = "a label at each step"

    def spec(self, description: Description, stored_shape: tuple[int, ...]) -> ExampleSpec:
        size = len(description.vocabulary or [])
        return ExampleSpec((None, size), size)

    def inputs(self, arrays: Arrays, description: Description) -> Array:
        return self._encode(arrays["x"][:, :-1], description)

    def targets(self, arrays: Arrays, description: Description) -> Array:
        return arrays["x"][:, 1:].astype(np.int32)

    def raw(self, stored_shape: tuple[int, ...]) -> tuple[str, tuple[int, ...]]:
        return "int64", (-1,)

    def raw_rank(self, stored_shape: tuple[int, ...], found: tuple[int, ...]) -> int:
        return 1

    def as_given(self, arrays: Arrays, description: Description) -> Array:
        return arrays["x"][:, :-1].astype(np.int64)

    def accept(self, raw: Array, description: Description, stored_shape: tuple[int, ...]) -> Array:
        """A user gives the symbols seen so far, [T] or [N, T] integers; each step answers with what follows it."""
        raw = batch_of(raw, (None,))
        size = len(description.vocabulary or [])
        if raw.dtype.kind not in "ui" or (raw.size and (raw.min() < 0 or raw.max() >= size)):
            raise UserError(
                f"symbols are {raw.dtype} up to {raw.max() if raw.size else '-'}; allowed: integers 0 to {size - 1}"
            )
        return self._encode(raw, description)

    @staticmethod
    def _encode(symbols: Array, description: Description) -> Array:
        return np.eye(len(description.vocabulary or []), dtype=np.float32)[symbols]


VIEWS: dict[str, View] = {"frames": Frames(), "images": Images(), "quadrants": Quadrants(), "one_hot": OneHot()}


def open_view(name: str, description: Description, where: str) -> View:
    """The view `name`, which must suit the dataset's layout; `where` says in which file and key the name was found."""
    if name not in VIEWS:
        raise UserError(f"{where}: unknown view {name!r}; {choices(name, VIEWS)}")
    view = VIEWS[name]
    if view.layout != description.layout:
        suited = ", ".join(key for key, other in VIEWS.items() if other.layout == description.layout)
        raise UserError(
            f"{where}: view {name!r} reads {view.layout}, the dataset holds {description.layout}; allowed: {suited}"
        )
    return view


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


def _with_channels(shape: tuple[int, ...]) -> tuple[int, int, int]:
    return (shape[0], shape[1], shape[2] if len(shape) == 3 else 1)


def _num_classes(description: Description) -> int:
    return len(description.classes or [])
