"""Files in folders by split and class, `train/<class>/<file>`, or by split alone: which there are, and their splits.

What is declared of pictures and films that lie so is here, too."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, model_validator

from pipeline.errors import UserError
from pipeline.text.labelled import chosen_share

TRAIN, TEST, VALIDATION = "train", "test", ("validation", "val")
Files = list[tuple[Path, int]]


class PictureParameters(BaseModel):
    """What is declared of all pictures in folders.

    validation_share, test_share: of the training files, where there is no folder `validation` or `val`, and none
    `test`: those whose names fall to it, which do not change when other files come.
    size: height and width to which every picture is brought (`pipeline.pictures.read_picture`); without it all must be
    of one size. channels: 3 for colours, 1 for shades of grey."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    validation_share: float = Field(default=0.1, gt=0, lt=1)
    test_share: float | None = Field(default=None, gt=0, lt=1)
    size: tuple[PositiveInt, PositiveInt] | None = None
    channels: Literal[1, 3] = 3

    @model_validator(mode="after")
    def _leave_some(self) -> Self:
        if self.validation_share + (self.test_share or 0) >= 1:
            raise ValueError("validation_share and test_share leave nothing to train on; allowed: less than 1 together")
        return self


class FilmParameters(PictureParameters):
    """What is declared of all films in folders.

    stored: whether a clip, or video, is a video file, or a folder of pictures, its frames by name, digits as
    numbers. frames: of an example. frame_rate: of videos, how many frames of a second are taken; none takes all."""

    stored: Literal["videos", "pictures"]
    frames: int = Field(ge=1)
    frame_rate: float | None = Field(default=None, gt=0)


def labelled_files(
    path: Path,
    suffixes: tuple[str, ...] | None,
    classes: list[str] | None,
    validation_share: float,
    test_share: float | None = None,
) -> tuple[list[str], dict[str, Files]]:
    """The classes, and the files of each split by class and name, each with the index of its class.

    classes: the folders that are read, in the order of their labels; None for all that train, by name. Files that have
    none of the `suffixes` are left alone, and so is what is hidden. Without suffixes, what is looked for are folders.
    validation_share: of the training files, where there is no folder `validation` or `val`; test_share: likewise, where
    there is no folder `test`. A file falls to a share by its name, and stays there when others come. With a test_share
    the folders of the classes may also lie in `path` itself.
    Raises `UserError` for a folder that is missing or has no such file, for a class that only test files have, for
    one under `classes` that is there twice or is not the name of a folder beside the others, and for two folders of
    validation files.
    """
    _check_names(classes or [])
    kind = _kind(suffixes)
    if not path.is_dir():
        raise UserError(f"{path}: is no folder; allowed: a folder with {TRAIN}/<class>/ and {TEST}/<class>/ of {kind}")
    root = path if test_share is not None and not (path / TRAIN).is_dir() else path / TRAIN
    _check_test(path, test_share)
    names = classes or _class_names(root, kind)

    def files_of(folder: Path) -> list[Path]:
        found = _files(folder, names, suffixes, kind)
        if classes is None and folder == path / TEST:
            _check_known(folder, names, kind)
        return found

    label = {name: place for place, name in enumerate(names)}
    splits = _by_split(path, root, files_of, validation_share, test_share)
    return names, {split: [(file, label[file.parent.name]) for file in files] for split, files in splits.items()}


def split_files(
    path: Path, suffixes: tuple[str, ...] | None, validation_share: float, test_share: float | None = None
) -> dict[str, list[Path]]:
    """The files of each split by name, where they have no classes: `train/<file>`. All else is as in `labelled_files`,
    but that there is always a folder `train`."""
    kind = _kind(suffixes)
    if not path.is_dir():
        raise UserError(f"{path}: is no folder; allowed: a folder with {TRAIN}/ of {kind}")
    _check_test(path, test_share)

    def files_of(folder: Path) -> list[Path]:
        files = _entries(folder, suffixes)
        if not files:
            raise UserError(f"{folder}: no {kind} there; allowed: at least one in each split")
        return files

    return _by_split(path, path / TRAIN, files_of, validation_share, test_share)


def left_out(files: Iterable[Path]) -> str:
    """What lies beside the files that are read and is none of them, for the end of a dataset's text; hidden files are
    not meant. Empty where there is nothing else."""
    read = set(files)
    others = [entry for folder in {file.parent for file in read} for entry in _visible(folder) if entry not in read]
    num_folders = sum(entry.is_dir() for entry in others)
    counts = ((len(others) - num_folders, "other files"), (num_folders, "folders"))
    found = " and ".join(f"{num:,} {what}" for num, what in counts if num)
    return f"; left out beside them are {found}" if found else ""


def _kind(suffixes: tuple[str, ...] | None) -> str:
    return "folders of frames" if suffixes is None else " or ".join(f"*{suffix}" for suffix in suffixes) + " files"


def _by_split(
    path: Path, root: Path, files_of: Callable[[Path], list[Path]], validation_share: float, test_share: float | None
) -> dict[str, list[Path]]:
    """The files that lie in `root` and in the folders of the other splits; where these have none, their share."""
    files = {TRAIN: files_of(root)}
    if test_share is None:
        if not (path / TEST).is_dir():
            raise UserError(
                f"{path / TEST}: no such folder; allowed: one like {root.name}/, or, of pictures and films, a "
                "test_share of those that train"
            )
        files[TEST] = files_of(path / TEST)
    own = [path / name for name in VALIDATION if (path / name).is_dir()]
    if len(own) > 1:
        raise UserError(f"{path}: found {' and '.join(f'{folder.name}/' for folder in own)}; allowed: one of the two")
    if own:
        files["validation"] = files_of(own[0])
    shares = {} if own else {"validation": validation_share}
    if test_share is not None:
        shares[TEST] = test_share
    files |= _dealt(root, files[TRAIN], shares)
    return {split: files[split] for split in (TRAIN, "validation", TEST)}


def _check_names(classes: list[str]) -> None:
    for name in classes:
        if name in ("", ".", "..") or Path(name).name != name:
            raise UserError(
                f"classes: found {name!r}; allowed: names of folders that lie side by side, without a slash, such as "
                "'cat'"
            )
    twice = next((name for name in classes if classes.count(name) > 1), None)
    if twice is not None:
        raise UserError(f"classes: found {twice!r} twice; allowed: each once")


def _check_test(path: Path, test_share: float | None) -> None:
    if test_share is not None and (path / TEST).is_dir():
        raise UserError(f"{path / TEST}: a folder of its own, and test_share is {test_share}; allowed: one of the two")


def _class_names(folder: Path, kind: str) -> list[str]:
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder; allowed: one with a folder of {kind} for each class")
    names = sorted(entry.name for entry in _visible(folder) if entry.is_dir())
    if len(names) < 2:
        found = ", ".join(names) or "none"
        raise UserError(f"{folder}: folders with {kind}: found {found}; allowed: 2 and more, one for a class")
    return names


def _files(folder: Path, classes: list[str], suffixes: tuple[str, ...] | None, kind: str) -> list[Path]:
    """The files of a split by class and name."""
    found: list[Path] = []
    for name in classes:
        files = _entries(folder / name, suffixes)
        if not files:
            raise UserError(
                f"{folder / name}: no {kind} there; allowed: at least one for each class; if it is no class, name "
                "those that are under 'classes'"
            )
        found += files
    return found


def _entries(folder: Path, suffixes: tuple[str, ...] | None) -> list[Path]:
    """The files of a folder that end so, by name; without suffixes its folders; none where it does not exist."""
    entries = sorted(_visible(folder)) if folder.is_dir() else []
    return [entry for entry in entries if (entry.is_dir() if suffixes is None else entry.suffix.lower() in suffixes)]


def _visible(folder: Path) -> list[Path]:
    return [entry for entry in folder.iterdir() if not entry.name.startswith(".")]


def _check_known(folder: Path, classes: list[str], kind: str) -> None:
    unknown = [name for name in _class_names(folder, kind) if name not in classes]
    if unknown:
        raise UserError(
            f"{folder / unknown[0]}: a class that the training files do not have; allowed: {', '.join(classes)}"
        )


def _dealt(folder: Path, files: list[Path], shares: dict[str, float]) -> dict[str, list[Path]]:
    """The files that fall to each share, and those that are left to train on."""
    dealt: dict[str, list[Path]] = {TRAIN: [], **{split: [] for split in shares}}
    for file in files:
        left = chosen_share(file.relative_to(folder).as_posix())
        for split, share in shares.items():
            left -= share
            if left < 0:
                dealt[split].append(file)
                break
        else:
            dealt[TRAIN].append(file)
    for split, share in shares.items():
        if not dealt[split] or not dealt[TRAIN]:
            raise UserError(
                f"{folder}: {split}_share {share} takes {len(dealt[split])} of {len(files)} files; allowed: a share "
                f"that leaves some for all splits, or a folder '{split}'"
            )
    return dealt
