"""One text file, or a folder of them, as windows of characters, each to be predicted from those before it.

The files of a folder are one text, in the order of their names. Its last part is the test split, the part before it the
validation split: no window lies in two of them.

Shape legend: N windows, W characters that are read in each.
"""

from pathlib import Path
from typing import Self

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from pydantic import BaseModel, ConfigDict, Field, model_validator

from pipeline.dataset import SPLITS, UNKNOWN, Array, Arrays, Description
from pipeline.errors import UserError
from pipeline.text.reading import read_file

TEXT_SHOWN = 12


class Parameters(BaseModel):
    """window: characters that are read; the one after the last is predicted, too. step: from the beginning of a window
    to that of the next in the training text; evaluation_step: in the two others, `window` if none is given, so that
    each of their characters is predicted once. validation_share, test_share: of the text. least_count: characters that
    are rarer in the training text become `<unk>`, as those do that it lacks."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    window: int = Field(ge=2)
    step: int = Field(ge=1)
    evaluation_step: int | None = Field(default=None, ge=1)
    validation_share: float = Field(default=0.1, gt=0, lt=1)
    test_share: float = Field(default=0.1, gt=0, lt=1)
    least_count: int = Field(default=1, ge=1)

    @model_validator(mode="after")
    def _leave_something_to_train_on(self) -> Self:
        if self.validation_share + self.test_share >= 1:
            raise ValueError("validation_share + test_share leave nothing to train on; allowed: less than 1 together")
        return self


def read(path: Path, parameters: Parameters) -> tuple[dict[str, Arrays], Description]:
    """Read `path`: `x` [N, W + 1] unsigned indices into a vocabulary that begins with `<unk>`.

    Files that are empty or not UTF-8, and a split that is shorter than a window, are a `UserError`.
    """
    characters = _read_characters(path)
    parts = _divide(characters, parameters)
    known = _known_characters(path, parts["train"], parameters.least_count)
    evaluation_step = parameters.evaluation_step or parameters.window
    splits: dict[str, Arrays] = {}
    unknown = {}
    for split, part in parts.items():
        if len(part) <= parameters.window:
            raise UserError(
                f"{path}: the {split} split has {len(part):,} of {len(characters):,} characters; allowed: at least "
                f"{parameters.window + 1}, a window of {parameters.window} and the one that follows"
            )
        indices = _indices(part, known)
        unknown[split] = int(np.count_nonzero(indices == 0))
        step = parameters.step if split == "train" else evaluation_step
        splits[split] = {"x": np.ascontiguousarray(sliding_window_view(indices, parameters.window + 1)[::step])}
    counted = ", ".join(f"{number} of {split}" for split, number in unknown.items())
    return splits, Description(
        text=f"{len(characters):,} characters of {path.name}; {UNKNOWN} are {counted}",
        layout="symbols",
        vocabulary=[UNKNOWN, *map(chr, known)],
        disjoint=False,  # a text may repeat itself
    )


def _read_characters(path: Path) -> Array:
    """The code points of the whole text, its lines ending in line feeds: [n] uint32."""
    files = sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]
    files = [file for file in files if not file.name.startswith(".")]
    if not files:
        raise UserError(f"{path}: an empty folder; allowed: a text file, or a folder of text files")
    return np.concatenate([_read_file(file) for file in files])


def _read_file(path: Path) -> Array:
    text = read_file(path)
    if not text.strip():
        raise UserError(f"{path}: is empty; allowed: a file with text in it")
    lines = text.replace("\r\n", "\n").replace("\r", "\n")
    return np.frombuffer(lines.encode("utf-32-le"), dtype="<u4")


def _divide(characters: Array, parameters: Parameters) -> dict[str, Array]:
    num = len(characters)
    num_validation, num_test = int(num * parameters.validation_share), int(num * parameters.test_share)
    ends = np.cumsum([num - num_validation - num_test, num_validation])
    return dict(zip(SPLITS, np.split(characters, ends), strict=True))


def _known_characters(path: Path, training: Array, least_count: int) -> list[int]:
    """The code points that have an index of their own, in their order."""
    found, counts = np.unique(training, return_counts=True)
    known: list[int] = found[counts >= least_count].tolist()
    if len(known) < 2:
        shown = "".join(map(chr, training[:TEXT_SHOWN]))
        raise UserError(
            f"{path}: {len(known)} characters occur {least_count} times and more in the training text ({shown!r}...); "
            "allowed: 2 characters and more"
        )
    return known


def _indices(characters: Array, known: list[int]) -> Array:
    """Place of each character in the vocabulary, 0 where it has none."""
    places = np.searchsorted(known, characters)
    right = np.take(known, places, mode="clip") == characters
    return np.where(right, places + 1, 0).astype(np.min_scalar_type(len(known)))
