"""One text a file, in folders by split and class, as IMDb's reviews come: `train/pos/0_9.txt`.

The layout of Maas et al., *Learning Word Vectors for Sentiment Analysis* (2011). Vocabulary and labels are those of the
training texts.
"""

from collections.abc import Iterator
from pathlib import Path

from pydantic import Field

from pipeline.class_folders import Files, labelled_files, left_out
from pipeline.dataset import Arrays, Description
from pipeline.text.labelled import LabelledText, labelled_dataset
from pipeline.text.reading import read_file
from pipeline.text.vocabulary import TextParameters


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
    classes, files = labelled_files(path, (".txt",), parameters.classes, parameters.validation_share)
    names = [file for found in files.values() for file, _ in found]
    source = f"{len(names):,} texts in {len(classes)} classes, one a file{left_out(names)}"
    return labelled_dataset({split: _texts(files[split]) for split in files}, classes, parameters, source)


def _texts(files: Files) -> Iterator[LabelledText]:
    for file, label in files:
        yield LabelledText(str(file), read_file(file), label)
