"""A dataset in a few hundred numbers: what a later version of it is compared with.

data/references/<dataset>.json holds the summary of the version that was accepted last; git keeps it, and only
`accept-data` writes it.
"""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict

from pipeline.checking import written
from pipeline.checking.sequences import answer_features, answers_asked, sequence_features
from pipeline.checking.texts import text_features
from pipeline.dataset import SPLITS, Array, Arrays, Card, Dataset
from pipeline.errors import UserError
from pipeline.files import read_model, write_json
from pipeline.labels import names_of

REFERENCES = Path("data", "references")
DIGITS = 6
BINS = 10
BLOCKS = 4
CHUNK_VALUES = 1 << 22


class Feature(BaseModel):
    """One number an example: its smallest value, deciles and largest value in train, and a histogram for each split.

    The bins end at the deciles; a decile that occurs twice ends one bin only. The last bin is open.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    quantiles: list[float]
    counts: dict[str, list[int]]


class DataSummary(BaseModel):
    """data: one hash over all arrays. shape, dtype: of a stored `x`. names: of the labels, or of the symbols where
    there are none; labels: how often each occurs, by split."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    dataset: str
    data: str
    layout: str
    shape: list[int]
    dtype: str
    num_steps: int | None
    names: list[str]
    examples: dict[str, int]
    labels: dict[str, list[int]]
    features: dict[str, Feature]


def summarise(dataset: Dataset, like: DataSummary | None = None) -> DataSummary:
    """The summary of a dataset; its histograms in the bins of `like`, or in ten of its own training split."""
    card = dataset.card
    values = {split: features(dataset.split(split), card) for split in SPLITS}
    summaries = {}
    for name, train in values["train"].items():
        own = [float(value) for value in np.round(np.quantile(train, np.linspace(0, 1, BINS + 1)), DIGITS)]
        edges = np.unique((like.features[name].quantiles if like and name in like.features else own)[1:-1])
        counts = {
            split: np.bincount(np.searchsorted(edges, values[split][name]), minlength=len(edges) + 1).tolist()
            for split in SPLITS
        }
        summaries[name] = Feature(quantiles=own, counts=counts)
    return DataSummary(
        dataset=card.name,
        data=data_hash(card),
        layout=card.layout,
        shape=list(card.example_shape()),
        dtype=card.splits["train"]["x"].dtype,
        num_steps=card.num_steps,
        names=names_of(card),
        examples={split: card.num_examples(split) for split in SPLITS},
        labels={split: label_counts(dataset.split(split), card).tolist() for split in SPLITS},
        features=summaries,
    )


def data_hash(card: Card) -> str:
    """One hash over all arrays, the same that runs carry as `hash.data`."""
    return hashlib.sha256(json.dumps(card.checksums(), sort_keys=True).encode()).hexdigest()


def label_counts(arrays: Arrays, card: Card) -> Array:
    """How often each label of `y` that is asked for occurs, or each symbol of `x` where there are no labels: [K]."""
    if not names_of(card):
        return np.zeros(0, dtype=np.int64)
    padded = card.layout in ("sequences", "texts")
    asked = answers_asked(arrays, card) if padded else arrays["y" if "y" in arrays else "x"]
    counted = np.ravel(asked).astype(np.int64)
    return np.bincount(counted, minlength=len(names_of(card)))


def features(arrays: Arrays, card: Card) -> dict[str, Array]:
    """A few numbers that say how an example looks, each [N].

    Images, 0 (black) to 1: `brightness` (mean), `contrast` (standard deviation) and `block_<row>_<column>`, the means
    of 4 x 4 parts. Arrival times alike: a pixel's value is the share of frames in which it is 1. Symbols:
    `distinct_symbols`, how many different ones a sequence holds. Sequences: of each feature `<feature>_mean`, `_std`,
    `_first` and `_last`; `length`; and where values are asked for, the means of them, `answer_<output>`. Texts:
    `length` and `unknown_share`; and of texts that are asked for `answer_length` and `answer_unknown_share`.
    """
    chunks = [_features(part, card) for part in _parts(arrays)]
    return {name: np.round(np.concatenate([chunk[name] for chunk in chunks]), DIGITS) for name in chunks[0]}


def reference_path(name: str, root: Path = Path()) -> Path:
    """Where the summary of the accepted version of an import stands."""
    return root / REFERENCES / f"{name}.json"


def write_reference(path: Path, summary: DataSummary) -> None:
    """Write a summary together with its own hash."""
    content = summary.model_dump()
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, {"sha256": _digest(content), **content})


def read_reference(path: Path) -> DataSummary | None:
    """The accepted summary; None where none was. One that is not as `accept-data` wrote it is a `UserError`."""
    if not path.is_file():
        return None
    mend = f"bring it back with: git checkout {path}, or accept the data as it is: python -m pipeline accept-data"
    try:
        stored = read_model(path, _Stored)
    except UserError as error:
        raise UserError(f"{str(error).rpartition('; ')[0]}; {mend} {path.stem}") from None
    content = stored.model_dump(exclude={"sha256"})
    if _digest(content) != stored.sha256 or stored.dataset != path.stem:
        raise UserError(f"{path}: was altered since accept-data wrote it; {mend} {path.stem}")
    return DataSummary(**content)


class _Stored(DataSummary):
    sha256: str


def _digest(content: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _features(arrays: Arrays, card: Card) -> dict[str, Array]:
    return _features_of_inputs(arrays, card) | (written.answer_features(arrays) if card.answers else {})


def _features_of_inputs(arrays: Arrays, card: Card) -> dict[str, Array]:
    if card.layout == "sequences":
        return sequence_features(arrays, card) | answer_features(arrays, card)
    if card.layout == "texts":
        return text_features(arrays, card)
    return _symbol_features(arrays["x"]) if card.layout == "symbols" else _pixel_features(arrays, card)


def _parts(arrays: Arrays) -> Iterator[Arrays]:
    """The arrays in parts whose `x` fits into memory as floats."""
    x = arrays["x"]
    step = max(1, CHUNK_VALUES // max(1, x[0].size))
    for start in range(0, len(x), step):
        yield {name: np.asarray(values[start : start + step]) for name, values in arrays.items()}


def _pixel_features(arrays: Arrays, card: Card) -> dict[str, Array]:
    x = arrays["x"]
    if card.layout == "arrival_times":
        num_steps = card.num_steps or 1
        end = np.minimum(arrays["departure"], num_steps) if "departure" in arrays else num_steps
        light = (end - np.minimum(x, num_steps).astype(np.float32)) / num_steps
    else:
        light = x.astype(np.float32) / 255
    if card.layout == "clips":
        light = light.mean(axis=1)
    if light.ndim == 4:
        light = light.mean(axis=3)
    rows, columns = (np.arange(min(BLOCKS, size)) * size // min(BLOCKS, size) for size in light.shape[1:])
    sums = np.add.reduceat(np.add.reduceat(light, rows, axis=1), columns, axis=2)
    areas = np.outer(np.diff([*rows, light.shape[1]]), np.diff([*columns, light.shape[2]]))
    blocks = {
        f"block_{row}_{column}": sums[:, row, column] / areas[row, column] for row, column in np.ndindex(areas.shape)
    }
    found = {"brightness": light.mean(axis=(1, 2)), "contrast": light.std(axis=(1, 2)), **blocks}
    return {name: values.astype(np.float64) for name, values in found.items()}


def _symbol_features(x: Array) -> dict[str, Array]:
    ordered = np.sort(x, axis=1)
    return {"distinct_symbols": 1.0 + (ordered[:, 1:] != ordered[:, :-1]).sum(axis=1)}
