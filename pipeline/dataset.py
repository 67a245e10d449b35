"""What a dataset on disk is: one `.npy` per array and split, and `card.json`, which says what they hold.

Shape legend: N examples, T time steps, H height, W width, C channels, F features, K values.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict

from pipeline.errors import UserError
from pipeline.files import read_model, sha256, whole_folder, write_json

Array = npt.NDArray[Any]
Arrays = Mapping[str, Array]
Layout = Literal["arrival_times", "clips", "images", "symbols", "sequences", "texts"]
Tokenizer = Literal["words", "characters", "spaces", "subwords"]
PADDING, UNKNOWN = "<pad>", "<unk>"  # how the vocabulary of texts begins
BACKGROUND_CLASS = "background"  # what frames of videos show in which nothing happens; its label is 0
START, END = "<s>", "</s>"  # what follows in that of texts which are answered
SPLITS = ("train", "validation", "test")
CARD_FILE = "card.json"


class Scaling(BaseModel):
    """Mean and spread of each feature and of each value to be answered, found on the training split."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    x_mean: list[float]
    x_scale: list[float]
    y_mean: list[float] = []
    y_scale: list[float] = []


class TextAnswers(BaseModel):
    """How the texts that are asked for are stored as tokens.

    vocabulary: begins with `PADDING`, `UNKNOWN`, `START` and `END`. subwords: see `Description`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    vocabulary: list[str]
    tokenizer: Tokenizer
    subwords: str | None = None


class Windows(BaseModel):
    """What the steps of a sequence were computed from: so many frames of a video each, one `stride` after the other."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    frames: int
    stride: int


class Segmentation(BaseModel):
    """How scores of frames become segments: averaged over `smoothing` frames, where they reach the `threshold` for
    `shortest` frames at least."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    smoothing: int
    threshold: float
    shortest: int


class Description(BaseModel):
    """What the examples are, as far as their source knows it.

    layout: how the array `x` is to be read:
        `arrival_times` [N, H, W] or [N, H, W, C] unsigned, the frame from which on a pixel is 1 (`num_steps` frames),
        and, with an array `departure` of the same shape, that from which on it is 0 again;
        `clips` [N, T, H, W, C] uint8; with `y` [N, T], each frame has a label, 0 where nothing happens;
        `images` [N, H, W] or [N, H, W, C] uint8;
        `symbols` [N, T] unsigned indices into `vocabulary`, each to be predicted from those before it, or, with `y`,
        to be labelled as a whole;
        `sequences` [N, T, F] floats, the steps of `features`; where they differ in length, `padded`, with zeros
        at the end and an array `length` [N].
    All others come with `y`: [N], an index into `classes`; or, for `sequences`, [N, T] such indices, or values
        [N, K] or [N, T, K] of `outputs`. Where texts are asked for, `answers` says how `y` [N, T] holds their tokens,
        without `START` and `END`, and 0 after `y_length` [N] of them; `reference` [N, R] uint8 holds the same texts
        in UTF-8, 0 after their end: what answers are compared with.
    subwords: where the tokenizer is `subwords`, the model that divides texts into them, in base64. lowercase: whether
        texts are lower-cased before they are divided, and those that are asked for, too.
    output_steps: at how many steps a sequence is answered; None for as many as it has. Of clips, at each frame.
        first_answer: the step from which on an answer is asked for; of symbols that is the next one. scaling: how to
        bring features and values to mean 0 and spread 1; None where they are so already, or are to stay as they are.
    season: after how many steps the outputs are much the same again; None where nobody said so. naive_errors: of
        forecasts, how far each output moves from one step to the next in the training split: the unit of `mase`.
    windows: of features of windows of videos: `y` [N, T] then holds the label of each frame, 0 where nothing happens.
    segmentation: what was chosen for an export; none in a dataset.
    later_steps_answer: whether a later step shows what is asked at an earlier one (a series that is foretold at each
        of its steps), so that nobody may read ahead.
    ceilings: the best reachable value of each metric on the test split, computed from how the examples were drawn: of
        these very examples, or, where an answer can only be guessed, the expected one, which a lucky guesser passes
        by a little; empty where nobody knows it (imported data).
    references: what simpler readers reach on the test split: their metrics, by their name.
    resized: whether images of any size were brought to the stored one, as `pipeline.pictures.read_picture` does it; so
        are those that a user gives as files.
    frame_rate: of clips from videos, how many frames of each second were taken; None where it was all of them. So it is
        with videos that a user gives.
    disjoint: whether no example of one split may occur in another.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    text: str
    layout: Layout
    classes: list[str] | None = None
    vocabulary: list[str] | None = None
    tokenizer: Tokenizer | None = None
    subwords: str | None = None
    lowercase: bool = False
    answers: TextAnswers | None = None
    cut: dict[str, int] = {}
    num_steps: int | None = None
    features: list[str] | None = None
    outputs: list[str] | None = None
    output_steps: int | None = None
    first_answer: int = 0
    season: int | None = None
    naive_errors: list[float] = []
    windows: Windows | None = None
    segmentation: Segmentation | None = None
    later_steps_answer: bool = False
    padded: bool = False
    scaling: Scaling | None = None
    ceilings: dict[str, float] = {}
    references: dict[str, dict[str, float]] = {}
    resized: bool = False
    frame_rate: float | None = None
    disjoint: bool = True


class ArrayFacts(BaseModel):
    """Shape, type and SHA-256 of one stored `.npy` file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    shape: list[int]
    dtype: str
    sha256: str


class Card(Description):
    """A description together with where the dataset comes from and what is stored.

    vectors: [V, D] float32, one for each entry of the vocabulary, where there are any.
    """

    name: str
    source: str
    seed: int | None
    parameters: dict[str, Any]
    splits: dict[str, dict[str, ArrayFacts]]
    vectors: ArrayFacts | None = None

    def as_description(self) -> Description:
        """The description alone."""
        return Description(**{name: getattr(self, name) for name in Description.model_fields})

    def checksums(self) -> dict[str, str]:
        """SHA-256 by `<split>/<array>`, and of `vectors`."""
        found = {f"{s}/{a}": facts.sha256 for s, arrays in self.splits.items() for a, facts in arrays.items()}
        return found | ({"vectors": self.vectors.sha256} if self.vectors else {})

    def split_hash(self, split: str) -> str:
        """One SHA-256 over all arrays of a split."""
        checksums = {array: facts.sha256 for array, facts in self.splits[split].items()}
        return hashlib.sha256(json.dumps(checksums, sort_keys=True).encode()).hexdigest()

    def num_examples(self, split: str) -> int:
        """How many examples a split holds."""
        return next(iter(self.splits[split].values())).shape[0]

    def example_shape(self) -> tuple[int, ...]:
        """The stored shape of one `x`, without the axis of examples."""
        return tuple(self.splits["train"]["x"].shape[1:])


def vectors_path(folder: Path) -> Path:
    """Where a dataset's vectors of its vocabulary are stored."""
    return folder / "vectors.npy"


def array_path(folder: Path, split: str, array: str) -> Path:
    """Where one array of one split is stored."""
    return folder / f"{split}_{array}.npy"


def save_dataset(
    folder: Path,
    splits: Mapping[str, Arrays],
    description: Description,
    *,
    source: str,
    seed: int | None,
    parameters: dict[str, Any],
    vectors: Array | None = None,
) -> Card:
    """Write a dataset: whole or not at all; what stood in `folder` stays until the new one is complete."""
    _check_arrays(folder.name, splits, description)
    with whole_folder(folder) as aside:
        stored = {
            split: {name: _store(array_path(aside, split, name), array) for name, array in arrays.items()}
            for split, arrays in splits.items()
        }
        card = Card(
            **description.model_dump(),
            name=folder.name,
            source=source,
            seed=seed,
            parameters=parameters,
            splits=stored,
            vectors=None if vectors is None else _store(vectors_path(aside), vectors),
        )
        write_json(aside / CARD_FILE, card.model_dump())
    return card


def _store(path: Path, array: Array) -> ArrayFacts:
    np.save(path, array, allow_pickle=False)
    return ArrayFacts(shape=list(array.shape), dtype=array.dtype.str, sha256=sha256(path))


class Dataset:
    """An opened dataset: its card, and its arrays mapped into memory, not read."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.card = read_card(folder)

    def split(self, name: str) -> dict[str, Array]:
        """The arrays of a split, memory-mapped read-only; an altered or truncated file is a `UserError`."""
        stored = self.card.splits[name].items()
        return {array: self._load(array_path(self.folder, name, array), facts) for array, facts in stored}

    def vectors(self) -> Array | None:
        """The vectors [V, D] of the vocabulary, where there are any."""
        facts = self.card.vectors
        return None if facts is None else self._load(vectors_path(self.folder), facts)

    def _load(self, path: Path, facts: ArrayFacts) -> Array:
        if not path.is_file():
            raise UserError(f"{path}: is missing; make the dataset again: dvc repro -f on its stage")
        if sha256(path) != facts.sha256:
            raise UserError(
                f"{path}: its bytes are not those that {CARD_FILE} recorded (sha256 {facts.sha256[:12]}...);"
                f" the file was altered or cut off. Remove {self.folder} and run dvc repro"
            )
        return np.load(path, mmap_mode="r", allow_pickle=False)


def read_card(folder: Path) -> Card:
    """Read `card.json` of a dataset."""
    path = folder / CARD_FILE
    if not path.is_file():
        raise UserError(
            f"{path}: no dataset here; make it with: dvc repro, or python -m pipeline generate {folder.name}"
        )
    return read_model(path, Card)


def _check_arrays(name: str, splits: Mapping[str, Arrays], description: Description) -> None:
    """Refuse arrays that do not fit together or hold what no model can learn from."""
    if set(splits) != set(SPLITS):
        raise UserError(f"dataset {name}: splits are {sorted(splits)}; needed: {', '.join(SPLITS)}")
    for split, arrays in splits.items():
        lengths = {array: len(values) for array, values in arrays.items()}
        if "x" not in arrays:
            raise UserError(f"dataset {name}, split {split}: no array 'x'; found: {', '.join(arrays) or 'nothing'}")
        if len(set(lengths.values())) != 1 or not lengths["x"]:
            raise UserError(f"dataset {name}, split {split}: arrays differ in length or are empty: {lengths}")
        for array, values in arrays.items():
            if values.dtype.kind == "f" and not np.isfinite(values).all():
                row = int(np.argmax(~np.isfinite(values).reshape(len(values), -1).all(axis=1)))
                raise UserError(
                    f"dataset {name}, split {split}: array {array!r} holds NaN or infinity, first in row {row}"
                )
            if values.dtype.kind not in "uif":
                raise UserError(
                    f"dataset {name}, split {split}: array {array!r} is {values.dtype}; allowed: integers and floats"
                )
        if description.classes and "y" in arrays and int(arrays["y"].max()) >= len(description.classes):
            raise UserError(
                f"dataset {name}, split {split}: label {int(arrays['y'].max())} found; "
                f"allowed: 0 to {len(description.classes) - 1} ({len(description.classes)} classes)"
            )
