"""A CSV or TSV file with a column of texts and one of labels.

Vocabulary and labels are those of the training texts.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from pydantic import Field, model_validator

from pipeline.dataset import SPLITS, Arrays, Description
from pipeline.errors import UserError, choices
from pipeline.tables.rows import read_rows
from pipeline.text.labelled import LabelledText, chosen_share, labelled_dataset
from pipeline.text.vocabulary import TextParameters

SEPARATORS = {".csv": ",", ".tsv": "\t"}


class Parameters(TextParameters):
    """text, label: the names of their columns. split: of the column that says `train`, `validation` or `test`.

    Without `split`, validation_share and test_share of the rows are taken, those whose texts fall to them: the same
    text is never in two splits, and other rows change nothing.
    classes: the labels in their order; by default those of the training rows, sorted.
    separator: by default a comma in `.csv`, a tab in `.tsv`. quoted: whether quotation marks enclose cells; if not,
    they are characters like any other.
    """

    text: str
    label: str
    split: str | None = None
    validation_share: float = Field(default=0.1, gt=0, lt=1)
    test_share: float = Field(default=0.1, gt=0, lt=1)
    classes: list[str] | None = Field(default=None, min_length=2)
    separator: str | None = Field(default=None, min_length=1, max_length=1)
    quoted: bool = True

    @model_validator(mode="after")
    def _leave_some_to_train_on(self) -> Self:
        if self.validation_share + self.test_share >= 1:
            raise ValueError("validation_share + test_share leave nothing to train on; allowed: less than 1 together")
        return self


@dataclass(frozen=True)
class Row:
    """One row, and where it stands: file and line."""

    where: str
    split: str
    text: str
    label: str


def read(path: Path, parameters: Parameters) -> tuple[dict[str, Arrays], Description]:
    """Read the file `path`: `x` [N, T] indices of tokens, `length` [N] and `y` [N] labels for each split.

    A file that is not UTF-8, columns and cells that are missing, and labels that no training row has are a `UserError`.
    """
    if path.suffix.lower() not in SEPARATORS or not path.is_file():
        raise UserError(f"{path}: allowed: a file that ends in {' or '.join(SEPARATORS)}")
    rows = list(_rows(path, parameters))
    for split in SPLITS:
        if not any(row.split == split for row in rows):
            raise UserError(f"{path}: {len(rows)} rows, none of which is for {split}; allowed: at least one")
    classes = parameters.classes or sorted({row.label for row in rows if row.split == "train"})
    if len(classes) < 2:
        raise UserError(f"{path}: column {parameters.label!r}: all training rows are {classes[0]!r}; allowed: 2 labels")
    source = f"{len(rows):,} texts in {len(classes)} classes from {path.name}"
    examples = {split: _labelled(rows, split, classes) for split in SPLITS}
    return labelled_dataset(examples, classes, parameters, source)


def _labelled(rows: list[Row], split: str, classes: list[str]) -> Iterator[LabelledText]:
    labels = {name: label for label, name in enumerate(classes)}
    for row in rows:
        if row.split != split:
            continue
        if row.label not in labels:
            raise UserError(
                f"{row.where}: label {row.label!r} is none of those to be learned; {choices(row.label, classes)}"
            )
        yield LabelledText(row.where, row.text, labels[row.label])


def _rows(path: Path, parameters: Parameters) -> Iterator[Row]:
    separator = parameters.separator or SEPARATORS[path.suffix.lower()]
    hint = "; if quotation marks enclose no cells: quoted: false"
    for where, (text, label, split) in read_rows(path, _columns(parameters), separator, parameters.quoted, hint):
        if not label.strip():
            raise UserError(f"{where}: no label in column {parameters.label!r}; allowed: one in each row")
        yield Row(where, _split(where, split, parameters), text, label.strip())


def _columns(parameters: Parameters) -> tuple[str, str, str]:
    """The columns of texts, of labels and of splits; without the last, splits are dealt by the text."""
    return parameters.text, parameters.label, parameters.split or parameters.text


def _split(where: str, cell: str, parameters: Parameters) -> str:
    if parameters.split is None:
        share = chosen_share(cell)
        if share < parameters.test_share:
            return "test"
        return "validation" if share < parameters.test_share + parameters.validation_share else "train"
    if cell not in SPLITS:
        raise UserError(f"{where}: column {parameters.split!r}: found {cell!r}; {choices(cell, SPLITS)}")
    return cell
