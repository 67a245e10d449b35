"""The stage `import`: the user's own or public files, read from one declared path, become a dataset like any other."""

from pathlib import Path

from pydantic import BaseModel

from pipeline.dataset import Arrays, Card, Description, save_dataset
from pipeline.errors import UserError
from pipeline.plugins import load_plugin


def ingest(name: str, path: Path, format_name: str, parameters: BaseModel, target: Path) -> Card:
    """Read `path` with the format's plug-in and write the dataset `target`, whole or not at all.

    name: the key of the block under `imports` in params.yaml, for messages.
    parameters: an instance of `Parameters` of `formats/<format_name>.py`.
    Raises `UserError` for a path that is missing, unreadable or overlaps `target`, and for whatever the format refuses.
    """
    where = f"params.yaml, imports.{name}"
    if not path.exists():
        raise UserError(f"{where}.path: {path} does not exist; put the files there, or name where they are")
    _check_apart(f"{where}.path", path, target)
    format_plugin = load_plugin("formats", format_name, f"{where}.format")
    try:
        splits, description = format_plugin.read(path, parameters)
    except OSError as error:
        raise UserError(f"{where}.path: {path} cannot be read: {error}") from None
    _check_names(where, description)
    _check_shapes(where, splits, description)
    return save_dataset(
        target, splits, description, source=format_name, seed=None, parameters=parameters.model_dump(mode="json")
    )


def _check_apart(where: str, path: Path, target: Path) -> None:
    """Writing replaces the whole target: the user's files must not lie in it, nor it among them."""
    source, output = path.resolve(), target.resolve()
    if source == output or source in output.parents or output in source.parents:
        raise UserError(
            f"{where}: {path} overlaps the output {target}; allowed: a path outside it, such as raw/{target.name}"
        )


def _check_names(where: str, description: Description) -> None:
    for option, names in (("classes", description.classes), ("vocabulary", description.vocabulary)):
        twice = sorted({entry for entry in names or () if (names or []).count(entry) > 1})
        if twice:
            raise UserError(f"{where}.parameters.{option}: {', '.join(twice)} listed twice; allowed: each name once")


def _check_shapes(where: str, splits: dict[str, Arrays], description: Description) -> None:
    """Every split shows a network the same shape; only sequences of symbols, and texts, may differ in length."""
    shapes = {split: list(arrays["x"].shape[1:]) for split, arrays in splits.items()}
    if description.layout not in ("symbols", "texts") and len({tuple(shape) for shape in shapes.values()}) > 1:
        raise UserError(f"{where}.path: examples differ in shape between splits: {shapes}; allowed: one shape for all")
