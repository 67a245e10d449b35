"""What may stand in params.yaml: one class for each kind of block, which config.py reads it into."""

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat

from pipeline.training import Training


class Block(BaseModel):
    """One entry of a section."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Splits(Block):
    """How many examples each split holds."""

    train: int = Field(ge=1)
    validation: int = Field(ge=1)
    test: int = Field(ge=1)


class DatasetBlock(Block):
    """`datasets.<name>`: a synthetic dataset."""

    source: str
    seed: int = Field(ge=0)
    splits: Splits
    parameters: Any


class ImportBlock(Block):
    """`imports.<name>`: a dataset from the user's own files; `path` is one file or one folder.

    drift: the PSI to the accepted version from which on a feature has drifted; None is the usual one.
    """

    path: Path
    format: str
    parameters: Any = {}
    drift: float | None = Field(default=None, gt=0, allow_inf_nan=False)


class DerivedBlock(Block):
    """`derived.<name>`: a dataset computed from another one, and perhaps from a trained variant (`start`)."""

    method: str
    dataset: str
    start: str
    parameters: Any = {}


class VariantBlock(Block):
    """`variants.<name>`: one network trained on one dataset. gate: least (or largest) allowed value by metric."""

    dataset: str
    start: str
    view: str
    task: str
    model: str
    network: Any
    training: Training
    seed: int = Field(ge=0)
    gate: dict[str, float]


class ComparisonBlock(Block):
    """`comparisons.<name>`: one figure of several variants, in the report. figure: its kind; text: what it shows."""

    figure: str
    variants: list[str] = Field(min_length=1)
    text: str
    parameters: Any = {}


class PromotionBlock(Block):
    """`promotion.<dataset>`: what a model must keep and show to become the dataset's champion.

    gate: least (or largest) allowed value by metric of the task; `latency_ms` and `megabytes` are upper bounds.
    confidence: of the interval that must lie above 0. tolerance: how much worse, in units of the deciding metric, an
    equal model may be. margin: the share by which an equal one must be smaller or faster.
    """

    gate: dict[str, FiniteFloat] = {}
    confidence: float = Field(default=0.95, ge=0.5, lt=1)
    tolerance: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    margin: float = Field(default=0.1, gt=0, lt=1)
