"""NumPy arrays in the layout the user declares: one `.npz` file, or a folder of `.npy` files.

Arrays are named `train_x`, `train_y`, `validation_x`, ... `test_y`, or just `x` and `y`, which are then divided by lot.
Nothing is ever unpickled.

Shape legend: N examples, H height, W width, C channels, L symbols of a sequence, T time steps or frames,
F features, K values, S steps that are answered.
"""

import tokenize
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from pipeline.dataset import SPLITS, Array, Arrays, Description, Layout
from pipeline.errors import UserError

# layout: what `x` must be, by number of axes and type, and in words
LAYOUTS: dict[Layout, tuple[tuple[int, ...], Callable[[np.dtype[Any]], bool], str]] = {
    "images": ((3, 4), lambda dtype: dtype == np.uint8, "uint8 [N, H, W] or [N, H, W, C]"),
    "arrival_times": ((3, 4), lambda dtype: dtype.kind == "u", "unsigned integers [N, H, W] or [N, H, W, C]"),
    "clips": ((5,), lambda dtype: dtype == np.uint8, "uint8 [N, T, H, W, C]"),
    "symbols": ((2,), lambda dtype: dtype.kind == "u", "unsigned integers [N, L]"),
    "sequences": ((3,), lambda dtype: dtype.kind == "f", "floats [N, T, F]"),
    "texts": ((2,), lambda dtype: dtype.kind == "u", "unsigned integers [N, T]"),
}
LABELS_OF_FRAMES = 2  # axes of `y` where each frame of a clip has a label
OWN_OPTION = {"arrival_times": "num_steps", "symbols": "vocabulary"}
# what zipfile and NumPy raise on damaged bytes (found by flipping them); the last line: on absurd shapes
UNREADABLE = (
    *(ValueError, EOFError, OSError, RuntimeError, zipfile.BadZipFile, zlib.error, tokenize.TokenError),
    *(MemoryError, OverflowError, TypeError),
)


class Parameters(BaseModel):
    """layout: how `x` is to be read, see `pipeline.dataset.Description`; all but `symbols` need labels `y` [N].

    `clips` may have labels of their frames, [N, T], 0 where nothing happens.

    `sequences` may have labels [N, S] as well, or values, floats [N, K] or [N, S, K]; where they differ in length, they
    are filled up with zeros, and an array `length` [N] says where they end. They are taken as they are, not scaled.
    classes: their names in the order of the labels; by default the labels themselves, "0" up to the highest found.
    features, outputs: the names of what is measured at each step, and of values (`sequences` only).
    vocabulary: the symbols in the order of their indices (`symbols` only). num_steps: frames (`arrival_times` only).
    validation_share, test_share, seed: how `x` and `y` are divided where the file holds no separate splits: the
        examples are shuffled with `seed`; test takes the first of them, validation the last, each rounded down.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    layout: Literal["arrival_times", "clips", "images", "symbols", "sequences"]
    classes: list[str] | None = Field(default=None, min_length=1)
    features: list[str] | None = Field(default=None, min_length=1)
    outputs: list[str] | None = Field(default=None, min_length=1)
    vocabulary: list[str] | None = Field(default=None, min_length=1)
    num_steps: int | None = Field(default=None, ge=1)
    validation_share: float = Field(default=0.1, gt=0, lt=1)
    test_share: float = Field(default=0.1, gt=0, lt=1)
    seed: int = Field(default=0, ge=0)

    @model_validator(mode="after")
    def _fit_the_layout(self) -> Self:
        for layout, option in OWN_OPTION.items():
            if (self.layout == layout) != (getattr(self, option) is not None):
                raise ValueError(f"layout is {self.layout!r}; {option!r} is needed with {layout!r}, and only there")
        if self.layout == "symbols" and self.classes:
            raise ValueError("layout is 'symbols'; 'classes' is allowed only with labels, as other layouts have them")
        if self.layout != "sequences" and (self.features or self.outputs):
            raise ValueError(f"layout is {self.layout!r}; 'features' and 'outputs' are allowed only with 'sequences'")
        if self.classes and self.outputs:
            raise ValueError("classes name labels, outputs name values; allowed: one of the two, by what y holds")
        if self.validation_share + self.test_share >= 1:
            raise ValueError("validation_share + test_share leave nothing to train on; allowed: less than 1 together")
        return self


def read(path: Path, parameters: Parameters) -> tuple[dict[str, Arrays], Description]:
    """Read `path`, a `.npz` file or a folder of `.npy` files (mapped into memory), as `parameters.layout` says.

    Unreadable, missing, unexpected or unfitting arrays are a `UserError`.
    """
    if not path.exists():
        raise UserError(f"{path}: does not exist; allowed: a .npz file, or a folder of .npy files")
    stored = _map_folder(path) if path.is_dir() else _read_npz(path)
    groups = _group(path, stored, parameters)
    for prefix, arrays in groups.items():
        _check(f"{path}, array {prefix}", arrays, parameters)
    _check_alike(path, groups)
    splits = _divide(path, groups[""], parameters) if "" in groups else {s: groups[f"{s}_"] for s in SPLITS}

    train = splits["train"]
    shape = " x ".join(map(str, train["x"].shape[1:]))
    description = Description(
        text=f"Imported {parameters.layout.replace('_', ' ')}, {shape}",
        layout=parameters.layout,
        classes=_classes(groups, parameters),
        features=parameters.features,
        outputs=_outputs(train, parameters),
        output_steps=_output_steps(train, parameters),
        padded="length" in train,
        vocabulary=parameters.vocabulary,
        num_steps=parameters.num_steps,
        disjoint=False,  # collected data may hold an example twice
    )
    return splits, description


def _holds_values(arrays: Arrays) -> bool:
    return "y" in arrays and arrays["y"].dtype.kind == "f"


def _classes(groups: dict[str, Arrays], parameters: Parameters) -> list[str] | None:
    if parameters.classes or parameters.layout == "symbols" or any(map(_holds_values, groups.values())):
        return parameters.classes
    return [str(label) for label in range(1 + max(int(arrays["y"].max()) for arrays in groups.values()))]


def _outputs(train: Arrays, parameters: Parameters) -> list[str] | None:
    if parameters.outputs or not _holds_values(train):
        return parameters.outputs
    return [f"value_{number}" for number in range(1, train["y"].shape[-1] + 1)]


def _output_steps(train: Arrays, parameters: Parameters) -> int | None:
    """At how many steps a sequence is answered, where these are others than those of `x`; of clips, each frame."""
    if parameters.layout == "clips" and train["y"].ndim == LABELS_OF_FRAMES:
        return int(train["y"].shape[1])
    if parameters.layout != "sequences" or train["y"].ndim < (3 if _holds_values(train) else 2):
        return None
    return None if train["y"].shape[1] == train["x"].shape[1] else int(train["y"].shape[1])


def _map_folder(folder: Path) -> dict[str, Array]:
    stored: dict[str, Array] = {}
    for path in sorted(folder.glob("*.npy")):
        try:
            stored[path.stem] = mapped = np.lib.format.open_memmap(path, mode="r")
        except UNREADABLE as error:
            raise _unreadable(str(path), error) from None
        expected, found = mapped.offset + mapped.nbytes, path.stat().st_size
        if found != expected:
            raise UserError(f"{path}: is too long: expected {expected} bytes, found {found}; get or make it again")
    return stored


def _read_npz(path: Path) -> dict[str, Array]:
    if not zipfile.is_zipfile(path):
        raise UserError(
            f"{path}: not a .npz file (a zip archive), or cut off; allowed: a whole .npz, or a folder of .npy"
        )
    return read_members(path)


def read_members(path: Path) -> dict[str, Array]:
    """The arrays of a zip archive by their names, read to the last byte; an unreadable one is a `UserError`."""
    stored, where = {}, str(path)
    try:
        with zipfile.ZipFile(path) as archive:
            for member in archive.namelist():
                where = f"{path}, member {member}"
                with archive.open(member) as file:
                    stored[member.removesuffix(".npy")] = np.lib.format.read_array(file, allow_pickle=False)
                    file.read()  # the checksum is compared only at the end
    except UNREADABLE as error:
        raise _unreadable(where, error) from None
    return stored


def _unreadable(where: str, error: Exception) -> UserError:
    if "object" in str(error).lower():
        return UserError(f"{where}: holds Python objects, which are never loaded (pickle); allowed: arrays of numbers")
    return UserError(f"{where}: cannot be read as a NumPy array ({error}); if corrupt or cut off, get or make it again")


def _group(path: Path, stored: dict[str, Array], parameters: Parameters) -> dict[str, Arrays]:
    """The arrays `x` and `y` by prefix: "train_", "validation_" and "test_", or "" alone."""
    names: tuple[str, ...] = ("x",) if parameters.layout == "symbols" else ("x", "y")
    if parameters.layout == "sequences" and any(name.endswith("length") for name in stored):
        names = (*names, "length")
    whole, divided = ("",), tuple(f"{split}_" for split in SPLITS)
    for prefixes in (whole, divided):
        if set(stored) == {prefix + name for prefix in prefixes for name in names}:
            return {prefix: {name: stored[prefix + name] for name in names} for prefix in prefixes}
    allowed = " or ".join(", ".join(p + n for p in prefixes for n in names) for prefixes in (whole, divided))
    prefixes = whole if {"x", "y"} & set(stored) else divided
    missing = [p + n for p in prefixes for n in names if p + n not in stored]
    surplus = sorted(set(stored) - {p + n for p in prefixes for n in names})
    wrong = " and ".join(
        f"{', '.join(listed)} {word}" for listed, word in ((missing, "missing"), (surplus, "unexpected")) if listed
    )
    raise UserError(
        f"{path}: holds the arrays {', '.join(sorted(stored)) or '(none)'}: {wrong};"
        f" allowed for layout {parameters.layout!r}: {allowed}"
    )


def _check(where: str, arrays: Arrays, parameters: Parameters) -> None:
    """Refuse arrays that are not what the layout says; `where` ends with their prefix."""
    x = arrays["x"]
    axes, fits, allowed = LAYOUTS[parameters.layout]
    if x.ndim not in axes or not fits(x.dtype):
        raise UserError(f"{where}x: is {x.dtype} {list(x.shape)}; allowed for layout {parameters.layout!r}: {allowed}")
    if not x.size:
        raise UserError(f"{where}x: is empty, {list(x.shape)}; allowed: 1 and more along each axis")
    if parameters.num_steps and parameters.num_steps - 1 > np.iinfo(x.dtype).max:
        raise UserError(f"{where}x: {x.dtype} cannot hold the arrival times of {parameters.num_steps} 'num_steps'")
    if parameters.vocabulary:
        if x.shape[1] < 2:
            raise UserError(f"{where}x: sequences of 1 symbol have nothing to predict; allowed: 2 symbols and more")
        _check_indices(f"{where}x", x, parameters.vocabulary, "vocabulary")
    if parameters.layout == "sequences":
        _check_sequences(where, arrays, parameters)
    elif "y" in arrays:
        y, frames = arrays["y"], x.shape[1] if parameters.layout == "clips" else None
        if y.shape not in (x.shape[:1], (len(x), frames)) or y.dtype.kind not in "ui":
            each = f"; or [{len(x)}, {frames}], one for each frame: others lie outside the clip" if frames else ""
            raise UserError(
                f"{where}y: is {y.dtype} {list(y.shape)}; allowed: integers [{len(x)}], one for each example{each}"
            )
        _check_indices(f"{where}y", y, parameters.classes, "classes")


def _check_alike(path: Path, groups: dict[str, Arrays]) -> None:
    """Refuse a split with one answer for an example where another has one for each of its steps or frames."""
    answers = {f"{prefix}y": arrays["y"] for prefix, arrays in groups.items() if "y" in arrays}
    for name, y in answers.items():
        if y.ndim != answers.get("train_y", y).ndim:
            raise UserError(
                f"{path}, array {name}: is {y.dtype} {list(y.shape)}, and train_y {list(answers['train_y'].shape)}; "
                "allowed: as many axes in all splits"
            )


def _check_sequences(where: str, arrays: Arrays, parameters: Parameters) -> None:
    """Refuse what does not fit `x` [N, T, F]; `where` ends with the prefix of the arrays."""
    (num, steps, num_features), y = arrays["x"].shape, arrays["y"]
    if parameters.features and len(parameters.features) != num_features:
        raise UserError(f"{where}x: has {num_features} features; 'features' names {len(parameters.features)}")
    axes = (2, 3) if _holds_values(arrays) else (1, 2)
    if y.dtype.kind not in "uif" or y.ndim not in axes or len(y) != num or not y.size:
        raise UserError(
            f"{where}y: is {y.dtype} {list(y.shape)}; allowed: integers [N] or [N, S], floats [N, K] or [N, S, K],"
            f" N being {num}"
        )
    if _holds_values(arrays):
        if parameters.classes:
            raise UserError(f"{where}y: holds floats, which are values; 'classes' is allowed with labels, integers")
        if parameters.outputs and len(parameters.outputs) != y.shape[-1]:
            raise UserError(f"{where}y: has {y.shape[-1]} values; 'outputs' names {len(parameters.outputs)}")
    else:
        if parameters.outputs:
            raise UserError(f"{where}y: holds integers, which are labels; 'outputs' is allowed with values, floats")
        _check_indices(f"{where}y", y, parameters.classes, "classes")
    if "length" in arrays:
        length = arrays["length"]
        if length.shape != (num,) or length.dtype.kind not in "ui":
            raise UserError(f"{where}length: is {length.dtype} {list(length.shape)}; allowed: integers [{num}]")
        if length.min() < 1 or length.max() > steps:
            wrong = length.min() if length.min() < 1 else length.max()
            raise UserError(f"{where}length: holds {wrong}; allowed: 1 to {steps}, the steps of x")


def _check_indices(where: str, indices: Array, names: list[str] | None, option: str) -> None:
    lowest, highest = int(indices.min()), int(indices.max())
    if lowest < 0 or (names and highest >= len(names)):
        allowed = f"0 to {len(names) - 1} ({option!r} names {len(names)})" if names else "0 and more"
        raise UserError(f"{where}: holds {lowest if lowest < 0 else highest}; allowed: {allowed}")


def _divide(path: Path, arrays: Arrays, parameters: Parameters) -> dict[str, Arrays]:
    """Deal the examples out: test from the front, validation from the back, so that neither share moves the other."""
    num = len(arrays["x"])
    num_validation, num_test = int(num * parameters.validation_share), int(num * parameters.test_share)
    if not num_validation or not num_test:
        raise UserError(
            f"{path}: holds {num} examples; validation_share {parameters.validation_share} and test_share"
            f" {parameters.test_share} take {num_validation} and {num_test}; allowed: 1 and more each"
        )
    order = np.random.default_rng(parameters.seed).permutation(num)
    first, last = num_test, num - num_validation
    rows = {"train": order[first:last], "validation": order[last:], "test": order[:first]}
    return {split: {name: values[rows[split]] for name, values in arrays.items()} for split in SPLITS}
