"""`accept-data`: make the version of an import that is here the one that later versions are compared with."""

from pathlib import Path

from pipeline.checking.content import check_dataset
from pipeline.checking.summary import read_reference, reference_path, summarise, write_reference
from pipeline.dataset import CARD_FILE, Dataset
from pipeline.errors import UserError
from pipeline.stages.check_data import Show, failure


def accept(name: str, show: Show, root: Path = Path()) -> Path | None:
    """Write the reference of the import `name` and return its path; None where this version is accepted already.

    Raises `UserError` where there is no such data, and `StageFailure` where it fails a check by itself.
    """
    folder, path = root / "data" / name, reference_path(name, root)
    if not (folder / CARD_FILE).is_file():
        raise UserError(f"{folder}: nothing is imported yet; make it with: dvc repro import@{name}")
    dataset = Dataset(folder)
    checks = check_dataset(dataset, imported=True)
    if checks.errors:
        raise failure(checks)
    try:
        accepted = read_reference(path)
    except UserError:  # damaged: this is how it is mended
        accepted = None
    found = summarise(dataset)
    if accepted == found:
        return None
    show(accepted, found)
    write_reference(path, found)
    return path
