"""Long videos by split, `train/kitchen.mp4`, and a table of what happens in them, and when: `segments.csv`.

As ActivityNet (Caba Heilbron et al. 2015) and THUMOS tell it: video, label, start and end, in seconds. All examples are
of one length, so a video is stored in stretches of so many frames, one after the other.

Shape legend: N stretches, T frames, H height, W width, C channels.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from math import isfinite
from pathlib import Path
from typing import Self

import numpy as np
from pydantic import model_validator

from pipeline.class_folders import FilmParameters, left_out, split_files
from pipeline.clips import ALMOST, VIDEO_SUFFIXES, Film, open_pictures, open_video
from pipeline.dataset import BACKGROUND_CLASS, Array, Arrays, Description
from pipeline.errors import UserError, choices
from pipeline.large_arrays import zeros
from pipeline.pictures import check_size
from pipeline.tables.rows import read_rows

TABLE = "segments.csv"
COLUMNS = ("video", "label", "start", "end")
ROUNDING = 0.05  # of a second, by which an end may lie behind that of its video: tables are rounded to tenths


class Parameters(FilmParameters):
    """frames: of a stretch. frame_rate: of pictures it says how many are a second, with 1 the table counts pictures.
    All else is declared as of all films in folders."""

    @model_validator(mode="after")
    def _have_times(self) -> Self:
        if self.frame_rate is None and self.stored == "pictures":
            raise ValueError(
                "no frame_rate, and pictures know no time; allowed: how many of them are a second, or 1 where the "
                "table counts pictures"
            )
        return self


@dataclass(frozen=True)
class Row:
    """One row of the table, and where it stands: file and line. start, end: in seconds."""

    where: str
    label: str
    start: float
    end: float


@dataclass(frozen=True)
class Labelled:
    """A video and the class of each of its frames [T]; from which to which of them each segment goes [S, 2]."""

    film: Film
    labels: Array
    segments: Array


def read(path: Path, parameters: Parameters) -> tuple[dict[str, Arrays], Description]:
    """Read the folder `path`: `x` [N, T, H, W, C] uint8, and `y` [N, T], the class of each frame, for each split.

    The first class is the background, that of frames in no segment. What of a video is shorter than a stretch, at its
    end, is left out. A table or video that cannot be meant is a `UserError` that names it, and the line; and so is a
    split in which no segment is shown.
    """
    suffixes = VIDEO_SUFFIXES if parameters.stored == "videos" else None
    files = split_files(path, suffixes, parameters.validation_share, parameters.test_share)
    names = {file: file.relative_to(path).as_posix() for found in files.values() for file in found}
    rows = _table(path / TABLE, list(names.values()))
    trained = sorted({row.label for file in files["train"] for row in rows[names[file]]})
    if not trained:
        raise UserError(
            f"{path / TABLE}: no row is of a video that trains, one of {len(files['train'])} in "
            f"{files['train'][0].parent} that fall to no share; allowed: one and more"
        )
    number = {label: place for place, label in enumerate([BACKGROUND_CLASS, *trained])}
    videos = {
        split: [_labelled(file, rows[names[file]], number, parameters) for file in found]
        for split, found in files.items()
    }
    _check_shown(path / TABLE, videos, parameters.frames)
    first = files["train"][0]
    shape = next(videos["train"][0].film.pictures(1, parameters.channels, parameters.size))[1].shape
    splits: dict[str, Arrays] = {
        split: {"x": _stretches(found, parameters, shape, first), "y": _labels(found, parameters.frames)}
        for split, found in videos.items()
    }
    description = Description(
        text=_text([video for found in videos.values() for video in found], parameters, shape, len(number))
        + left_out(names),
        layout="clips",
        classes=list(number),
        output_steps=parameters.frames,
        resized=parameters.size is not None,
        disjoint=False,  # collected videos may be there twice
    )
    return splits, description


def _table(path: Path, videos: list[str]) -> dict[str, list[Row]]:
    """The rows of each video by their start: none, where nothing happens in it."""
    if not path.is_file() or not path.stat().st_size:
        found_there = "is empty" if path.is_file() else "no such file"
        raise UserError(f"{path}: {found_there}; allowed: a table with the columns {', '.join(COLUMNS)}")
    found: dict[str, list[Row]] = {video: [] for video in videos}
    for where, (video, label, start, end) in read_rows(path, COLUMNS):
        if video not in found:
            near = get_close_matches(video, videos, n=1, cutoff=0)[0]
            raise UserError(f"{where}: no video {video!r} in {path.parent}; did you mean {near!r}?")
        found[video].append(_row(where, label.strip(), start, end))
    if not any(found.values()):
        raise UserError(f"{path}: holds no segment; allowed: one row for each, under {','.join(COLUMNS)}")
    return {video: sorted(rows, key=lambda row: row.start) for video, rows in found.items()}


def _row(where: str, label: str, start: str, end: str) -> Row:
    if not label or label == BACKGROUND_CLASS:
        found = f"label {label!r} is that of frames without a row" if label else "no label"
        raise UserError(f"{where}: {found}; allowed: a row for what happens, with its name")
    row = Row(where, label, _seconds(where, "start", start), _seconds(where, "end", end))
    if not 0 <= row.start < row.end:
        raise UserError(f"{where}: from {start} to {end}; allowed: a start of 0 and more, and an end after it")
    return row


def _seconds(where: str, column: str, cell: str) -> float:
    try:
        seconds = float(cell)
    except ValueError:
        seconds = float("nan")
    if not isfinite(seconds):
        raise UserError(f"{where}: column {column!r}: found {cell!r}; allowed: a number of seconds, such as 12.5")
    return seconds


def _labelled(file: Path, rows: list[Row], number: Mapping[str, int], parameters: Parameters) -> Labelled:
    if parameters.stored == "pictures":
        film = open_pictures(file, parameters.frame_rate or 1)
    else:
        film = open_video(file, parameters.frame_rate)
    num_frames = len(film.times)
    if num_frames < parameters.frames:
        raise UserError(f"{file}: {num_frames} frames; allowed: {parameters.frames} and more, as 'frames' says")
    labels = np.zeros(num_frames, np.min_scalar_type(len(number) - 1))
    segments = list(_segments(film, rows))
    for row, (start, end) in zip(rows, segments, strict=True):
        if row.label not in number:
            raise UserError(
                f"{row.where}: label {row.label!r}, which no video that trains has; {choices(row.label, [*number][1:])}"
            )
        labels[start:end] = number[row.label]
    return Labelled(film, labels, np.array(segments, np.int64).reshape(-1, 2))


def _segments(film: Film, rows: list[Row]) -> Iterator[tuple[int, int]]:
    """The first frame of each row, and the one after its last."""
    before: Row | None = None
    for row in rows:
        said = f"{row.where}: from {row.start:g} to {row.end:g} s"
        if row.end > film.length + ROUNDING:
            raise UserError(f"{said}, and {film.path} is {film.length:g} s long; allowed: ends up to there")
        if before and row.start < before.end - ALMOST:
            raise UserError(
                f"{said}, and {before.where} has {before.start:g} to {before.end:g} s of the same video; allowed: "
                "segments that do not overlap, as a frame has one class"
            )
        start, end = np.searchsorted(film.times, [row.start - ALMOST, row.end - ALMOST]).tolist()
        if start == end:
            raise UserError(f"{said}, and no frame of {film.path} is shown then; allowed: longer, or more 'frame_rate'")
        yield start, end
        before = row


def _check_shown(table: Path, videos: Mapping[str, list[Labelled]], frames: int) -> None:
    for split, found in videos.items():
        if not _labels(found, frames).any():
            raise UserError(
                f"{table}: no segment is shown in the split {split!r}, of which stretches of {frames} frames are "
                "stored; allowed: one and more, as a score would tell nothing"
            )


def _stretches(videos: list[Labelled], parameters: Parameters, shape: tuple[int, ...], first: Path) -> Array:
    """All stretches [N, T, H, W, C], of which one frame at a time is decoded."""
    whole = [_whole(video, parameters.frames) for video in videos]
    x = zeros((sum(whole) // parameters.frames, parameters.frames, *shape), np.uint8)
    frames, place = x.reshape(-1, *shape), 0
    for video, num_frames in zip(videos, whole, strict=True):
        for name, picture in video.film.pictures(num_frames, parameters.channels, parameters.size):
            check_size(name, picture.shape[:2], str(first), shape[:2])
            frames[place] = picture
            place += 1
    return x


def _labels(videos: list[Labelled], frames: int) -> Array:
    return np.concatenate([video.labels[: _whole(video, frames)].reshape(-1, frames) for video in videos])


def _whole(video: Labelled, frames: int) -> int:
    """How many frames are in whole stretches."""
    return len(video.labels) // frames * frames


def _text(videos: list[Labelled], parameters: Parameters, shape: tuple[int, ...], num_classes: int) -> str:
    """What is stored, and what of the videos is not, or not as the table has it."""
    frames = parameters.frames
    stored = sum(_whole(video, frames) for video in videos)
    left = sum(len(video.labels) for video in videos) - stored
    lost = sum(int((video.segments[:, 0] >= _whole(video, frames)).sum()) for video in videos)
    divided = sum(
        int((video.segments[:, 0] // frames < (video.segments[:, 1] - 1) // frames).sum()) for video in videos
    )
    rate = f", {parameters.frame_rate:g} a second" if parameters.frame_rate else ""
    text = (
        f"{len(videos):,} videos in {stored // frames:,} stretches of {frames} frames{rate}, {shape[0]} x {shape[1]} "
        f"pixels, with {sum(len(video.segments) for video in videos):,} segments of {num_classes - 1} classes"
    )
    if left:
        text += f"; left out are {left:,} frames at the ends of videos, with them {lost:,} segments"
    if divided:
        text += f"; {divided:,} segments are divided by the end of a stretch"
    return text
