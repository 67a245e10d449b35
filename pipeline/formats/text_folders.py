"""One text a file, in folders by split and class, as IMDb's reviews come: `train/pos/0_9.txt`.

The layout of Maas et al., *Learning Word Vectors for Sentiment Analysis* (2011). Vocabulary and labels are those of the
training texts.
"""

from collections.abc import Iterator
from pathlib import Path

from pydantic import Field

from pipeline.dataset import Arrays, Description
from pipeline.errors import UserError
from pipeline.text.labelled import LabelledText, chosen_share, labelled_dataset
from pipeline.text.reading import read_file
from pipeline.text.vocabulary import TextParameters

TRAIN, TEST, VALIDATION = "train", "test", ("validation", "val")
PATTERN = "*.txt"
Files = list[tuple[Path, int]]


class Parameters(TextParameters):
    """classes: the folders that are read, in the order of their labels; by default all in `train`, by name.
    validation_share: of the training files that validate, where there is no folder `validation` or `val`: those whose
    names fall to it, which do not change when other files come."""

    classes: list[str] | None = Field(default=None, min_length=2)
    validation_share: float = Field(default=0.1, gt=0, lt=1)


def read(path: Path, parameters: Parameters) -> tuple[dict[str, Arrays], Description]:
    """Read the folder `path`: `x` [N, T] indices of tokens, `length` [N] and `y` [N] labels for each split.

    A folder that is missing or empty, an empty file and one that is not UTF-8 are a `UserError`.
    """
    if not path.is_dir():
        raise UserError(f"{path}: is no folder; allowed: a folder with {TRAIN}/<class>/{PATTERN} and {TEST}/<class>")
    classes = parameters.classes or _class_names(path / TRAIN)
    files = {TRAIN: _files(path / TRAIN, classes), TEST: _files(path / TEST, classes)}
    if parameters.classes is None:
        _check_known(path / TEST, classes)
    own = next((path / name for name in VALIDATION if (path / name).is_dir()), None)
    if own:
        files["validation"] = _files(own, classes)
    else:
        files[TRAIN], files["validation"] = _dealt(path / TRAIN, files[TRAIN], parameters.validation_share)
    num_files = sum(map(len, files.values()))
    source = f"{num_files:,} texts in {len(classes)} classes, one a file"
    in_order = {split: _texts(files[split]) for split in (TRAIN, "validation", TEST)}
    return labelled_dataset(in_order, classes, parameters, source)


def _class_names(folder: Path) -> list[str]:
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder; allowed: one with a folder of {PATTERN} files for each class")
    names = sorted(entry.name for entry in folder.iterdir() if next(entry.glob(PATTERN), None))
    if len(names) < 2:
        found = ", ".join(names) or "none"
        raise UserError(f"{folder}: folders with {PATTERN} files: found {found}; allowed: 2 and more, one for a class")
    return names


def _files(folder: Path, classes: list[str]) -> Files:
    """The files of a split by class and name, each with its label."""
    found: Files = []
    for label, name in enumerate(classes):
        files = sorted((folder / name).glob(PATTERN))
        if not files:
            raise UserError(
                f"{folder / name}: no {PATTERN} files there; allowed: at least one for each class; if it is none, name "
                "those that are under 'classes'"
            )
        found += [(file, label) for file in files]
    return found


def _check_known(folder: Path, classes: list[str]) -> None:
    unknown = [name for name in _class_names(folder) if name not in classes]
    if unknown:
        raise UserError(
            f"{folder / unknown[0]}: a class that the training files do not have; allowed: {', '.join(classes)}"
        )


def _dealt(folder: Path, files: Files, share: float) -> tuple[Files, Files]:
    """The files that are trained on, and those that validate."""
    validating = [chosen_share(file.relative_to(folder).as_posix()) < share for file, _ in files]
    train = [file for file, chosen in zip(files, validating, strict=True) if not chosen]
    validation = [file for file, chosen in zip(files, validating, strict=True) if chosen]
    if not train or not validation:
        raise UserError(
            f"{folder}: validation_share {share} takes {len(validation)} of {len(files)} files; allowed: a share that "
            "leaves some for both, or a folder 'validation'"
        )
    return train, validation


def _texts(files: Files) -> Iterator[LabelledText]:
    for file, label in files:
        yield LabelledText(str(file), read_file(file), label)
