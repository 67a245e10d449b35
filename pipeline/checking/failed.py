"""What a failed check found, kept aside for the report: DVC keeps nothing of a stage that fails.

Each is filed under what was asked (which data, which accepted version, which limit), and counts as long as the question
is the same: data that is brought back, or accepted, leaves no failure behind, although DVC may take its check from the
cache.
"""

import hashlib
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from pipeline.checking.findings import DataChecks
from pipeline.checking.summary import data_hash, reference_path
from pipeline.config import drift_limit
from pipeline.dataset import CARD_FILE, read_card
from pipeline.files import read_model, sha256, write_json

FOLDER = Path(".cadence", "failed_checks")


class Failure(BaseModel):
    """A question and the checks that failed on it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    question: str
    checks: DataChecks


def keep_failure(checks: DataChecks) -> None:
    """Remember what failed, for the data as it is now."""
    failure = Failure(question=_question(checks.dataset), checks=checks)
    FOLDER.mkdir(parents=True, exist_ok=True)
    write_json(_path(checks.dataset), failure.model_dump())


def drop_failure(name: str) -> None:
    """Forget it, as the data passed."""
    _path(name).unlink(missing_ok=True)


def read_failure(name: str) -> DataChecks | None:
    """What failed on a dataset as it is now; None where nothing did."""
    if not (_path(name).is_file() and Path("data", name, CARD_FILE).is_file()):
        return None
    failure = read_model(_path(name), Failure)
    return failure.checks if failure.question == _question(name) else None


def _question(name: str) -> str:
    reference = reference_path(name)
    accepted = sha256(reference) if reference.is_file() else "none"
    asked = f"{data_hash(read_card(Path('data', name)))} {accepted} {drift_limit(name)[1]}"
    return hashlib.sha256(asked.encode()).hexdigest()


def _path(name: str) -> Path:
    return FOLDER / f"{name}.json"
