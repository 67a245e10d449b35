"""What the checks of a dataset found: the numbers, and the findings among them."""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from pipeline.files import read_model

CHECKS_FILE = "checks.json"
PASSED_FILE = "passed.json"
DIGITS = 4


class Finding(BaseModel):
    """One thing that is wrong (`error`, nothing is trained on it) or odd (`warning`).

    where: a split, or a split and its array. statistic: what was measured, with unit. advice: what to do.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    check: Literal["schema", "ranges", "labels", "duplicates", "reference", "drift"]
    level: Literal["error", "warning"]
    where: str
    statistic: str
    value: int | float | str
    allowed: int | float | str
    advice: str

    def line(self) -> str:
        """The finding as one line."""
        return f"{self.where}: {self.statistic}: found {self.value}; allowed: {self.allowed}; {self.advice}"


class Drift(BaseModel):
    """How far one feature of one split is from that of the accepted version."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    feature: str
    split: str
    psi: float
    allowed: float

    @property
    def drifted(self) -> bool:
        """Whether it is further away than is allowed."""
        return self.psi > self.allowed


class DataChecks(BaseModel):
    """The content of checks.json. What DVC shows as metrics are the numbers; it leaves the lists out.

    blank: examples of one value all over. duplicates: examples that occur before or elsewhere, by where. label_shift:
    PSI of a split's labels to train's. largest_drift: largest PSI to the accepted version; empty where there is none.
    texts: how long they are and how much of them is unknown, by split, see `written.text_facts`.
    names: of the labels, or of the symbols where there are none; of values none. shares: of each of them.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    dataset: str
    errors: int = 0
    warnings: int = 0
    examples: dict[str, int]
    blank: dict[str, int] = {}
    duplicates: dict[str, int] = {}
    label_shift: dict[str, float] = {}
    largest_drift: dict[str, float] = {}
    texts: dict[str, dict[str, float]] = {}
    names: list[str] = []
    shares: dict[str, list[float]] = {}
    drift: list[Drift] = []
    findings: list[Finding] = []

    def with_findings(self, findings: list[Finding]) -> "DataChecks":
        """The same with these findings, counted."""
        counts = {level: sum(finding.level == level for finding in findings) for level in ("error", "warning")}
        return self.model_copy(update={"findings": findings, "errors": counts["error"], "warnings": counts["warning"]})

    def with_drift(self, drift: list[Drift]) -> "DataChecks":
        """The same with a comparison to the accepted version."""
        largest = {split: max(d.psi for d in drift if d.split == split) for split in {d.split: None for d in drift}}
        return self.model_copy(update={"drift": drift, "largest_drift": largest})


def error(check: str, where: str, statistic: str, value: float | str, allowed: float | str, advice: str) -> Finding:
    """Something that is wrong: nothing is trained on such data."""
    return _finding("error", check, where, statistic, value, allowed, advice)


def warning(check: str, where: str, statistic: str, value: float | str, allowed: float | str, advice: str) -> Finding:
    """Something that is odd, and to be looked at."""
    return _finding("warning", check, where, statistic, value, allowed, advice)


def _finding(
    level: str, check: str, where: str, statistic: str, value: float | str, allowed: float | str, advice: str
) -> Finding:
    value, allowed = (round(number, DIGITS) if isinstance(number, float) else number for number in (value, allowed))
    return Finding.model_validate(
        {"check": check, "level": level, "where": where, "statistic": statistic}
        | {"value": value, "allowed": allowed, "advice": advice}
    )


def checks_folder(name: str, root: Path = Path()) -> Path:
    """Where the checks of a dataset are written."""
    return root / "reports" / "data" / name


def read_checks(folder: Path) -> DataChecks | None:
    """The checks of a dataset; None where it was not checked."""
    path = folder / CHECKS_FILE
    return read_model(path, DataChecks) if path.is_file() else None
