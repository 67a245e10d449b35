"""Clips as arrays of bytes: from a folder of pictures, one a frame, or from a video file, decoded with PyAV.

Shape legend: T frames, H height, W width, C channels.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.dataset import Array
from pipeline.errors import UserError
from pipeline.pictures import SUFFIXES, as_array, check_size, read_picture

VIDEO_SUFFIXES = (".mp4", ".avi", ".mkv", ".mov", ".webm")
ALMOST = 1e-6  # of a second: times of frames are fractions, and these are not
NamedPictures = Iterator[tuple[str, Array]]  # each [H, W, C], by the file that it is from


@dataclass(frozen=True)
class Film:
    """A video, or a folder of pictures, of which one frame at a time is in memory.

    times: [T] when each frame that is taken is shown, in seconds from the first on. places: [T] where they stand in it,
    counted in frames. length: of all of it, in seconds.
    """

    path: Path
    times: Array
    places: Array
    length: float

    def pictures(self, num_frames: int, channels: int, size: tuple[int, int] | None = None) -> NamedPictures:
        """The first `num_frames` of them, one after the other; size: as `read_picture` takes it."""
        if self.path.is_dir():
            return _pictures(_picture_files(self.path)[:num_frames], channels, size)
        return _video_pictures(self.path, self.places[:num_frames].tolist(), channels, size)


def open_pictures(folder: Path, frame_rate: float) -> Film:
    """The pictures in a folder, in the order of `read_frames`, `frame_rate` of which are a second."""
    num_frames = len(_picture_files(folder))
    places = np.arange(num_frames)
    return Film(folder, places / frame_rate, places, num_frames / frame_rate)


def open_video(file: Path, frame_rate: float | None) -> Film:
    """The frames of a video, or so many of each second, each the newest there is at its time.

    Its last frame is shown as long as its frames usually are. Raises `UserError` as `read_video` with a frame_rate.
    """
    times = _times(file)
    _check_times(file, times)
    steps = np.diff(times)
    places = np.arange(len(times)) if frame_rate is None else _sampled(times, frame_rate)
    shown = times - times[:1] if frame_rate is None else np.arange(len(places)) / frame_rate
    return Film(file, shown, places, float(steps.sum() + np.median(steps)) if len(steps) else 0.0)


def read_frames(folder: Path, num_frames: int, channels: int, size: tuple[int, int] | None = None) -> Array:
    """`num_frames` [T, H, W, C] of the pictures in a folder: from the middle, where there are more.

    They follow each other by name, digits as numbers: `frame_2.png` before `frame_10.png`. Hidden files are left alone.
    size: as `read_picture` takes it. Raises `UserError` naming the folder, where it holds too few, or the picture.
    """
    files = _picture_files(folder)
    return _stacked(_pictures(files[_middle(folder, len(files), num_frames)], channels, size))


def read_video(
    file: Path, num_frames: int, channels: int, size: tuple[int, int] | None = None, frame_rate: float | None = None
) -> Array:
    """`num_frames` [T, H, W, C] of a video: from the middle, where there are more.

    frame_rate: so many of each second are taken, each the newest there is at its time; None takes all.
    Raises `UserError` naming the file, where it is empty, no video, or holds too few, and with a frame_rate where its
    frames do not say when they are shown, or go back in time.
    """
    times = _times(file)
    if frame_rate is not None:
        _check_times(file, times)
    taken = np.arange(len(times)) if frame_rate is None else _sampled(times, frame_rate)
    kept = taken[_middle(file, len(taken), num_frames)]
    return _stacked(_video_pictures(file, kept.tolist(), channels, size))


def _picture_files(folder: Path) -> list[Path]:
    files = (entry for entry in folder.iterdir() if entry.suffix.lower() in SUFFIXES)
    return sorted((file for file in files if not file.name.startswith(".")), key=_numbered)


def _numbered(file: Path) -> tuple[list[str | int], str]:
    """By what files are sorted: text and numbers of their names in turn, and the name where these are equal."""
    parts = re.split(r"(\d+)", file.name)
    return [int(part) if place % 2 else part for place, part in enumerate(parts)], file.name


def _pictures(files: Sequence[Path], channels: int, size: tuple[int, int] | None) -> NamedPictures:
    for file in files:
        yield str(file), _with_channels(read_picture(file, channels, size))


def _video_pictures(file: Path, places: Sequence[int], channels: int, size: tuple[int, int] | None) -> NamedPictures:
    """The frames of a video at the `places`, which do not go back.

    Where the places come from its times, it is decoded for the second time: a minute of a large video takes more memory
    than there is.
    """
    wanted = Counter(places)
    for place, frame in zip(range(places[-1] + 1), _decoded(file), strict=False):
        if place in wanted:
            picture = _with_channels(as_array(frame.to_image(), channels, size))
            yield from [(str(file), picture)] * wanted[place]


def _with_channels(picture: Array) -> Array:
    return picture if picture.ndim == 3 else picture[..., None]


def _times(file: Path) -> Array:
    """When each frame of a video is shown, in seconds: NaN where it does not say so."""
    return np.array([frame.time for frame in _decoded(file)], np.float64)


def _check_times(file: Path, times: Array) -> None:
    unknown, back = np.isnan(times), np.diff(times) < 0
    if unknown.any():
        raise UserError(
            f"{file}: frame {1 + int(np.argmax(unknown))} does not say when it is shown; allowed: a video whose frames "
            "have times, or a folder of pictures"
        )
    if back.any():
        place = 1 + int(np.argmax(back))
        raise UserError(
            f"{file}: frame {place + 1} is shown at {times[place]:g} s, after one at {times[place - 1]:g} s; allowed: "
            "times that do not go back"
        )


def _decoded(file: Path) -> Iterator[Any]:
    """The frames of a video, one after the other, as PyAV gives them."""
    try:
        import av
    except ModuleNotFoundError:
        raise UserError(f'{file}: video files need PyAV; install it with: pip install ".[video]"') from None
    if not file.stat().st_size:
        raise UserError(f"{file}: is empty; allowed: a video")
    try:
        with av.open(str(file)) as container:
            if not container.streams.video:
                raise UserError(f"{file}: holds no pictures; allowed: a video")
            yield from container.decode(container.streams.video[0])
    except (av.FFmpegError, OSError, ValueError) as error:
        raise UserError(f"{file}: not a readable video: {error}") from None


def _sampled(times: Array, frame_rate: float) -> Array:
    """The place of the newest frame at each of the moments, `frame_rate` a second from the first frame on."""
    if not len(times):
        return np.arange(0)
    moments = np.arange(int((times[-1] - times[0]) * frame_rate + ALMOST) + 1) / frame_rate + times[0]
    return np.searchsorted(times, moments + ALMOST, side="right") - 1


def _middle(where: Path, found: int, asked: int) -> slice:
    if found < asked:
        raise UserError(f"{where}: {found} frames; allowed: {asked} and more, the 'frames' of a clip")
    first = (found - asked) // 2
    return slice(first, first + asked)


def _stacked(named: NamedPictures) -> Array:
    """Pictures as one clip, which must be alike in size."""
    pictures: list[Array] = []
    for name, picture in named:
        pictures.append(picture)
        check_size(name, picture.shape[:2], "the first frame", pictures[0].shape[:2])
    return np.stack(pictures)
