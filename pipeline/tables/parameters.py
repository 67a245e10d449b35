"""What a user declares about a table: its columns, what is asked, how its rows become examples and splits."""

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from pipeline.errors import choices

MissingRule = Literal["error", "drop_rows", "drop_sequences", "forward_fill", "mean"]


class Window(BaseModel):
    """steps: rows that an example holds. stride: rows between the beginnings of two examples of a group."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    steps: int = Field(ge=1)
    stride: int = Field(default=1, ge=1)


class Parameters(BaseModel):
    """The block `parameters` of an import of format `table`. A row of the file is a time step.

    inputs: columns of numbers, which a network sees at each step. categories: those of the inputs that hold text, each
        with the values it may hold; each of these becomes a feature of 0 and 1.
    targets: columns that are to be answered. answer: `label`, a class, or `value`, numbers, once for each example;
        `labels` and `values`, at each step of it. classes: the labels in the order of their indices; by default those
        found, sorted.
    group: the column that says which rows belong together (a patient, a station); without it all do.
    time: the column that says when a row was: a number, or a date as ISO 8601 or `time_format` (of `strptime`) has it.
        It must grow from row to row of a group; without it the rows are taken as they stand. gaps: whether a row may
        come later after the one before than is usual, by half as much again and more; `error` refuses it.
    drop_first: how many rows at the beginning of each group are left out, as if they were not in the file.
    window: makes examples of equally many rows; without it each group is one example, of its own length.
    horizon: how many rows after its step an answer lies; a single answer belongs to the last step. 0 is the same row.
    future: ask instead for that many rows after the last step: `labels` and `values` step by step, `value` at once.
    season: after how many rows the targets are much the same again, for a forecast that repeats the last season.
    split: `time`, the last rows for test and those before them for validation (of whole groups, those that begin
        last); `group`, whole groups dealt by `seed`. validation_share, test_share: of rows or groups, rounded down.
    missing: what becomes of empty cells. `error`: they are refused. `drop_rows`: the row goes, and those before and
        after it become neighbours. `drop_sequences`: every example with one goes. `forward_fill`: inputs take the value
        before it in the group. `mean`: inputs take the mean of the training rows. Answers are never made up: with the
        last two, every example goes whose answer is missing. A whole group's one answer is that of any row that has it.
    scaling: `standard` brings features, and values to be answered, to mean 0 and spread 1 on the training rows, when a
        batch is made; stored values and scores keep the units of the file.
    separator, decimal: of a CSV file.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    inputs: list[str] = Field(min_length=1)
    categories: dict[str, list[str]] = {}
    targets: list[str] = Field(min_length=1)
    answer: Literal["label", "labels", "value", "values"]
    classes: list[str] | None = Field(default=None, min_length=2)
    group: str | None = None
    time: str | None = None
    time_format: str | None = None
    gaps: Literal["error", "allow"] = "error"
    drop_first: int = Field(default=0, ge=0)
    window: Window | None = None
    horizon: int = Field(default=0, ge=0)
    future: int | None = Field(default=None, ge=1)
    season: int | None = Field(default=None, ge=1)
    split: Literal["time", "group"]
    validation_share: float = Field(default=0.1, gt=0, lt=1)
    test_share: float = Field(default=0.1, gt=0, lt=1)
    seed: int = Field(default=0, ge=0)
    missing: MissingRule = "error"
    scaling: Literal["standard", "none"] = "standard"
    separator: str = Field(default=",", min_length=1, max_length=1)
    decimal: Literal[".", ","] = "."

    @property
    def asks_labels(self) -> bool:
        """Whether classes are asked for, not numbers."""
        return self.answer in ("label", "labels")

    @property
    def asks_each_step(self) -> bool:
        """Whether an example has more than one answer."""
        return self.answer in ("labels", "values")

    @property
    def reach(self) -> int:
        """How many rows after the last step of an example its answers go."""
        return self.future or self.horizon

    @property
    def least_rows(self) -> int:
        """How many rows an example takes at least, its answers included."""
        return (self.window.steps if self.window else 1) + self.reach

    def columns(self) -> list[str]:
        """Every declared column once."""
        named = [*self.inputs, *self.targets, self.group, self.time]
        return list(dict.fromkeys(column for column in named if column is not None))

    @model_validator(mode="after")
    def _columns_fit(self) -> Self:
        lists = {"inputs": self.inputs, "targets": self.targets, "classes": self.classes or [], **self.categories}
        for key, names in lists.items():
            twice = sorted({name for name in names if names.count(name) > 1})
            if twice:
                raise ValueError(f"{key}: {', '.join(twice)} listed twice; allowed: each once")
        for column in sorted(set(self.categories) - set(self.inputs)):
            raise ValueError(f"categories: {column!r} is no input; {choices(column, self.inputs)}")
        if self.asks_labels and len(self.targets) > 1:
            raise ValueError(f"answer is {self.answer!r}, targets are {', '.join(self.targets)}; allowed: one target")
        if self.classes and not self.asks_labels:
            raise ValueError(f"answer is {self.answer!r}; 'classes' is allowed only with 'label' and 'labels'")
        shown = sorted(set(self.inputs) & set(self.targets))
        if shown and not self.reach:
            raise ValueError(
                f"target {shown[0]!r} is among the inputs, and answered from the same row; allowed: 'horizon' or"
                " 'future' of 1 and more, or other inputs"
            )
        return self

    @model_validator(mode="after")
    def _options_fit(self) -> Self:
        if self.horizon and self.future:
            raise ValueError(f"horizon is {self.horizon} and future is {self.future}; allowed: one of the two")
        if self.future and self.answer == "label":
            raise ValueError("answer is 'label', and future asks for more than one; allowed: 'labels', or 'horizon'")
        if self.season:
            self._check_season(self.season)
        if self.time_format and not self.time:
            raise ValueError("time_format says how 'time' is written; declare the column 'time'")
        if self.separator == self.decimal:
            raise ValueError(f"separator and decimal are both {self.decimal!r}; allowed: two different ones")
        if not self.window and not self.group:
            raise ValueError("without 'window' each group is an example; declare 'window' or the column 'group'")
        if self.split == "group" and not self.group:
            raise ValueError("split is 'group'; declare the column 'group', or split by 'time'")
        if self.split == "time" and self.group and not self.time:
            raise ValueError(
                "split is 'time', and groups share none without the column 'time'; declare it, or split by 'group'"
            )
        if self.validation_share + self.test_share >= 1:
            raise ValueError("validation_share + test_share leave nothing to train on; allowed: less than 1 together")
        return self

    def _check_season(self, season: int) -> None:
        if not (self.window and self.future and self.answer == "values" and set(self.targets) <= set(self.inputs)):
            raise ValueError(
                "season belongs to forecasts; allowed: with 'window', 'future', answer 'values', and targets that are"
                " inputs as well"
            )
        if season > self.window.steps:
            raise ValueError(
                f"season is {season}, and a window has {self.window.steps} steps; allowed: no more than these"
            )
