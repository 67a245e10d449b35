"""`check_generated@`, `check_imported@`, `check_derived@<dataset>`: may anything be trained on this data?"""

from collections.abc import Callable
from pathlib import Path

from pipeline.checking.content import check_dataset
from pipeline.checking.drift import compare
from pipeline.checking.findings import CHECKS_FILE, PASSED_FILE, DataChecks, Finding, error
from pipeline.checking.stability import PSI_LIMIT
from pipeline.checking.summary import DataSummary, data_hash, read_reference, summarise
from pipeline.dataset import Dataset
from pipeline.errors import StageFailure
from pipeline.files import write_json

Show = Callable[[DataSummary | None, DataSummary], None]


def check_data(folder: Path, reports: Path, reference: Path | None, limit: float | None, show: Show) -> DataChecks:
    """Check the dataset in `folder`; write checks.json, and passed.json, which training waits for.

    reference: where the accepted version of an import stands; None for what is drawn or derived. limit: the PSI that is
    a drift, where it is not the usual one. show: is given accepted and found version where they must be looked at.

    passed.json names the data and nothing else: other checks or another reference make no training run again. Returns
    what was found; with an error in it nothing is written: the caller raises `failure`.
    """
    dataset = Dataset(folder)
    checks = check_dataset(dataset, imported=reference is not None)
    if reference and not checks.errors:
        checks = _against_accepted(checks, dataset, reference, limit or PSI_LIMIT, show)
    if not checks.errors:
        write_json(reports / CHECKS_FILE, checks.model_dump())
        write_json(reports / PASSED_FILE, {"dataset": dataset.card.name, "data": data_hash(dataset.card)})
    return checks


def failure(checks: DataChecks) -> StageFailure:
    """The errors of a dataset, one a line."""
    errors = [f"data/{checks.dataset}: {finding.line()}" for finding in checks.findings if finding.level == "error"]
    return StageFailure("\n        ".join(errors))


def _against_accepted(checks: DataChecks, dataset: Dataset, path: Path, limit: float, show: Show) -> DataChecks:
    name, accepted = dataset.card.name, read_reference(path)
    if accepted is None:
        show(None, summarise(dataset))
        return checks.with_findings([*checks.findings, _not_accepted(name, path)])
    found = summarise(dataset, like=accepted)
    drift, findings = compare(accepted, found, limit)
    if findings:
        show(accepted, found)
    return checks.with_drift(drift).with_findings([*checks.findings, *findings])


def _not_accepted(name: str, path: Path) -> Finding:
    advice = f"look at the summary above; if it is what you meant: python -m pipeline accept-data {name}"
    return error("reference", path.as_posix(), "accepted version to compare with", "none", "one", advice)
