"""Long videos and the table of their segments: the class of each frame, stretches, splits, and all that is refused."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError
from tables import refused
from test_clip_formats import (
    HEIGHT,
    WIDTH,
    needs_av,
    shade,
    write_going_back,
    write_pictures,
    write_timeless,
    write_video,
)

from pipeline.checking.content import check_dataset
from pipeline.dataset import BACKGROUND_CLASS, Array, Dataset
from pipeline.formats import untrimmed_videos
from pipeline.stages.ingest import ingest

# Videos of ten frames a second, by their number of frames, and what happens in them: `train/b` has no row.
LENGTHS = {"train/a": 10, "train/b": 4, "validation/c": 8, "test/d": 9}
ROWS = [
    ("train/a", "jumps", 0.2, 0.5),
    ("train/a", "runs", 0.5, 0.7),
    ("validation/c", "runs", 0, 0.8),
    ("test/d", "jumps", 0.1, 0.3),
    ("test/d", "runs", 0.8, 0.9),
]
NOT_TRAINED = [("validation/c", "jumps", 0, 0.1), ("test/d", "jumps", 0, 0.1)]  # each split shows a segment
# Of stretches of four frames: segment jumps of train/a is divided, and runs of test/d is left out.
LABELS = {
    "train": [[0, 0, 1, 1], [1, 2, 2, 0], [0, 0, 0, 0]],
    "validation": [[2, 2, 2, 2], [2, 2, 2, 2]],
    "test": [[0, 1, 1, 0], [0, 0, 0, 0]],
}
SHADES = {
    "train": [[0, 1, 2, 3], [4, 5, 6, 7], [0, 1, 2, 3]],
    "validation": [[0, 1, 2, 3], [4, 5, 6, 7]],
    "test": [[0, 1, 2, 3], [4, 5, 6, 7]],
}


def parameters(stored: str = "pictures", **options: Any) -> untrimmed_videos.Parameters:
    given = {"stored": stored, "frames": 4, "frame_rate": 10} | options
    return untrimmed_videos.Parameters.model_validate({key: value for key, value in given.items() if value})


def write_table(root: Path, rows: list[tuple[Any, ...]], stored: str = "pictures") -> None:
    suffix = "" if stored == "pictures" else ".mkv"
    lines = [",".join(map(str, (f"{video}{suffix}", *rest))) for video, *rest in rows]
    (root / "segments.csv").write_text("\n".join(["video,label,start,end", *lines]) + "\n")


def frames(number: int) -> list[Array]:
    return [shade(place) for place in range(number)]


def videos_of(root: Path, stored: str = "pictures", rows: list[tuple[Any, ...]] = ROWS) -> Path:
    """The shade of a frame is its place in its video."""
    for video, number in LENGTHS.items():
        if stored == "pictures":
            write_pictures(root / video, frames(number))
        else:
            write_video((root / video).with_suffix(".mkv"), frames(number))
    write_table(root, rows, stored)
    return root


def refused_rows(root: Path, *rows: tuple[Any, ...], words: tuple[str, ...]) -> None:
    """These rows, after the first good one, are refused, with the line of the last of them."""
    write_table(root, [ROWS[0], *rows])
    with refused(f"{root / 'segments.csv'}:{len(rows) + 2}: ", *words):
        untrimmed_videos.read(root, parameters())


# ---- what is read ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stored", ["pictures", pytest.param("videos", marks=needs_av)])
@pytest.mark.parametrize("channels", [1, 3])
def test_frames_have_the_class_of_the_segment_in_which_they_are_shown(
    tmp_path: Path, stored: str, channels: int
) -> None:
    root = videos_of(tmp_path / "videos", stored)
    splits, description = untrimmed_videos.read(root, parameters(stored, channels=channels))
    assert (description.layout, description.output_steps) == ("clips", 4) and not description.disjoint
    assert description.classes == [BACKGROUND_CLASS, "jumps", "runs"]
    for split, arrays in splits.items():
        assert arrays["y"].tolist() == LABELS[split] and arrays["y"].dtype == np.uint8
        shades = np.array(SHADES[split], np.uint8)[..., None, None, None]
        assert arrays["x"].dtype == np.uint8 and arrays["x"].shape[2:] == (HEIGHT, WIDTH, channels)
        assert (arrays["x"] == 20 * shades).all()
    assert description.text == (
        "4 videos in 7 stretches of 4 frames, 10 a second, 16 x 24 pixels, with 5 segments of 2 classes; left out are "
        "3 frames at the ends of videos, with them 1 segments; 2 segments are divided by the end of a stretch"
    )


@pytest.mark.parametrize(
    ("rate", "labels", "shades"),
    [
        (None, [[0, 0, 1, 1], [1, 2, 2, 0]], [[0, 1, 2, 3], [4, 5, 6, 7]]),
        (5, [[0, 1, 1, 2]], [[0, 2, 4, 6]]),
        (20, [[0, 0, 0, 0], [1, 1, 1, 1], [1, 1, 2, 2], [2, 2, 0, 0]], [[0, 0, 1, 1], [2, 2, 3, 3], [4, 4, 5, 5]]),
    ],
)
@needs_av
def test_the_table_is_in_seconds_at_any_frame_rate(
    tmp_path: Path, rate: float | None, labels: list[list[int]], shades: list[list[int]]
) -> None:
    for video in ("train/a", "validation/c", "test/d"):
        write_video(tmp_path / f"{video}.mkv", frames(10))
    write_table(tmp_path, [*ROWS[:2], *NOT_TRAINED], "videos")
    splits, _ = untrimmed_videos.read(tmp_path, parameters("videos", frame_rate=rate))
    x, y = splits["train"]["x"], splits["train"]["y"]
    assert y.tolist() == labels
    assert x[: len(shades), :, 0, 0, 0].tolist() == (20 * np.array(shades)).tolist()


def test_pictures_can_be_counted_in_place_of_seconds(tmp_path: Path) -> None:
    root = videos_of(tmp_path, rows=[("train/a", "jumps", 2, 5), ("train/a", "runs", 5, 10), *NOT_TRAINED])
    splits, _ = untrimmed_videos.read(root, parameters(frame_rate=1, frames=2))
    assert splits["train"]["y"].tolist() == [[0, 0], [1, 1], [1, 2], [2, 2], [2, 2], [0, 0], [0, 0]]


def test_what_lies_beside_the_videos_is_left_out_and_counted(tmp_path: Path) -> None:
    root = videos_of(tmp_path)
    (root / "test/e.mp4").write_bytes(b"a video among folders")
    _, description = untrimmed_videos.read(root, parameters())
    assert description.text.endswith("by the end of a stretch; left out beside them are 1 other files")


def test_ends_may_be_rounded(tmp_path: Path) -> None:
    root = videos_of(tmp_path, rows=[("train/b", "jumps", 0.1, 0.44), *NOT_TRAINED])
    splits, _ = untrimmed_videos.read(root, parameters())
    assert splits["train"]["y"][-1].tolist() == [0, 1, 1, 1]


def test_an_import_of_long_videos_is_a_dataset(tmp_path: Path) -> None:
    rows = [*ROWS[:4], ("test/d", "runs", 0.5, 0.6)]
    root = videos_of(tmp_path / "videos", rows=rows)
    card = ingest("videos", root, "untrimmed_videos", parameters(size=(8, 12)), tmp_path / "data")
    assert card.example_shape() == (4, 8, 12, 3) and card.num_examples("test") == 2 and card.resized
    findings = check_dataset(Dataset(tmp_path / "data"), imported=True).findings
    assert not [finding for finding in findings if finding.level == "error"]


def test_videos_fall_to_splits_by_their_names(tmp_path: Path) -> None:
    """Stretches of one video, which is of one shade, stay together, and no other video moves them."""
    rows = [(f"train/{number}", "jumps", 0, 2) for number in range(12)]
    found = []
    for number in range(13):
        write_pictures(tmp_path / f"train/{number}", [shade(number)] * 4)
        if number < 11:
            continue
        write_table(tmp_path, rows[: number + 1])
        options = {"frames": 2, "frame_rate": 1, "validation_share": 0.3, "test_share": 0.3}
        splits, _ = untrimmed_videos.read(tmp_path, parameters(**options))
        shades = {split: arrays["x"][:, 0, 0, 0, 0].tolist() for split, arrays in splits.items()}
        assert all(each.count(one) == 2 for each in shades.values() for one in each)
        found.append({one: split for split, each in shades.items() for one in each})
    assert len(found[0]) == 12 and found[0].items() < found[1].items()


def test_many_classes_take_two_bytes(tmp_path: Path) -> None:
    root = videos_of(tmp_path)
    write_pictures(root / "train/long", [shade(0)] * 300)
    rows = [("train/long", f"{number:03}", number, number + 1) for number in range(256)]
    write_table(root, [*rows, *((video, "000", 0, 1) for video in ("validation/c", "test/d"))])
    splits, description = untrimmed_videos.read(root, parameters(frame_rate=1))
    assert splits["train"]["y"].dtype == np.uint16 and splits["train"]["y"].max() == 256
    assert len(description.classes or []) == 257


# ---- what is refused ------------------------------------------------------------------------------------------------


def test_rows_that_cannot_be_meant_are_refused(tmp_path: Path) -> None:
    root = videos_of(tmp_path)
    for rows, words in (
        ([("train/a", "", 0, 0.1)], ("no label", "with its name")),
        ([("train/a", BACKGROUND_CLASS, 0, 0.1)], (f"label '{BACKGROUND_CLASS}'", "frames without a row")),
        ([("train/a", "runs", 0.9, 0.9)], ("from 0.9 to 0.9", "an end after it")),
        ([("train/a", "runs", -1, 0.1)], ("from -1 to 0.1", "a start of 0 and more")),
        ([("train/a", "runs", "0:07", 9)], ("column 'start'", "found '0:07'", "such as 12.5")),
        ([("train/a", "runs", 0.7, "nan")], ("column 'end'", "found 'nan'", "a number of seconds")),
        ([("train/a", "runs", 0.9, 1.06)], ("from 0.9 to 1.06 s", f"{root / 'train/a'} is 1 s long")),
        ([("train/a", "runs", 0.91, 0.99)], ("no frame of", str(root / "train/a"), "'frame_rate'")),
        ([("train/e", "runs", 0, 0.1)], ("no video 'train/e'", "did you mean 'train/")),
        ([("test/d", "rums", 0, 0.1), ("train/a", "runs", 0.5, 0.6)][::-1], ("'rums'", "no video that trains", "runs")),
        ([("train/a", "runs", 0.4, 0.6)], ("segments.csv:2 has 0.2 to 0.5 s of the same video", "one class")),
        ([("train/a", "runs", 0.4)], ("found 3 cells", "allowed: 4")),
    ):
        refused_rows(root, *rows, words=words)


def test_tables_that_say_nothing_are_refused(tmp_path: Path) -> None:
    root = videos_of(tmp_path)
    table = root / "segments.csv"
    for content, words in (
        (b"", [f"{table}: is empty", "video, label, start, end"]),
        (b"video,label,start,end\n", [f"{table}: holds no segment"]),
        (b"video,label,start,stop\ntrain/a,jumps,0,1\n", [f"{table}:1: no column 'end'", "stop"]),
        (b"video,label,start,end\ntrain/a,j\xfcmps,0,1\n", [f"{table}:2: not text in UTF-8"]),
        (b'video,label,start,end\n"train/a"b,jumps,0,1\n', [f"{table}:2: not a row"]),
        (b"video,label,start,end\ntest/d,jumps,0,0.4\n", [f"{table}: no row is of a video that trains"]),
    ):
        table.write_bytes(content)
        with refused(*words):
            untrimmed_videos.read(root, parameters())
    table.unlink()
    with refused(f"{table}: no such file", "video, label, start, end"):
        untrimmed_videos.read(root, parameters())
    with refused(f"{table}: is no folder"):
        untrimmed_videos.read(table, parameters())


@pytest.mark.parametrize(
    ("split", "rows"),
    [
        ("train", [("train/a", "jumps", 0.8, 1), *NOT_TRAINED]),
        ("validation", [ROWS[0], NOT_TRAINED[1]]),
        ("test", [ROWS[0], NOT_TRAINED[0]]),
        ("test", [ROWS[0], NOT_TRAINED[0], ("test/d", "jumps", 0.8, 0.9)]),
    ],
)
def test_splits_that_show_no_segment_are_refused(tmp_path: Path, split: str, rows: list[tuple[Any, ...]]) -> None:
    """Neither a split without a row is scored, nor one whose rows all lie behind the last stretch of their video."""
    root = videos_of(tmp_path, rows=rows)
    with refused(f"{root / 'segments.csv'}: no segment is shown in the split {split!r}", "stretches of 4 frames"):
        untrimmed_videos.read(root, parameters())


def test_folders_that_hold_no_videos_are_refused(tmp_path: Path) -> None:
    root = videos_of(tmp_path)
    with refused(f"{root / 'train'}: no *.mp4 or", "there; allowed: at least one"):
        untrimmed_videos.read(root, parameters("videos"))
    with refused(f"{root / 'test'}: a folder of its own", "test_share is 0.2"):
        untrimmed_videos.read(root, parameters(test_share=0.2))
    (root / "test").rename(root / "tests")
    with refused(f"{root / 'test'}: no such folder; allowed: one like train/"):
        untrimmed_videos.read(root, parameters())


def test_pictures_that_cannot_be_stretches_are_refused(tmp_path: Path) -> None:
    root = videos_of(tmp_path)
    with refused(f"{root / 'train/b'}: 4 frames", "5 and more", "'frames'"):
        untrimmed_videos.read(root, parameters(frames=5))
    write_pictures(root / "train/empty", [])
    with refused(f"{root / 'train/empty'}: 0 frames"):
        untrimmed_videos.read(root, parameters())
    (root / "train/empty").rmdir()
    write_pictures(root / "train/small", [np.zeros((8, 12, 3), np.uint8)] * 4)
    small = root / "train/small/000.png"
    with refused(f"{small}: 8 x 12 pixels", f"{root / 'train/a'} has 16 x 24", "'size'"):
        untrimmed_videos.read(root, parameters())
    assert untrimmed_videos.read(root, parameters(size=(8, 8)))[0]["train"]["x"].shape[2:4] == (8, 8)
    small.write_bytes(b"")
    with refused(f"{small}: is empty"):
        untrimmed_videos.read(root, parameters())


@needs_av
def test_videos_that_cannot_be_read_are_refused(tmp_path: Path) -> None:
    root = videos_of(tmp_path, "videos")
    bad = root / "train/b.mkv"
    for content, words in ((b"", "is empty"), (b"no video at all", "not a readable video")):
        bad.write_bytes(content)
        with refused(f"{bad}: {words}"):
            untrimmed_videos.read(root, parameters("videos"))
    bad.unlink()
    write_video(bad, frames(4))
    large = root / "train/large.mp4"
    write_video(large, [np.zeros((32, 48, 3), np.uint8)] * 4)
    with refused(f"{large}: 32 x 48 pixels", f"{root / 'train/a.mkv'} has 16 x 24", "'size'"):
        untrimmed_videos.read(root, parameters("videos"))
    large.unlink()
    with refused(f"{bad}: 2 frames", "4 and more"):
        untrimmed_videos.read(root, parameters("videos", frame_rate=5))
    write_table(root, [("train/a", "runs", 0, 1.1)], "videos")
    with refused("segments.csv:2: from 0 to 1.1 s", f"{root / 'train/a.mkv'} is 1 s long"):
        untrimmed_videos.read(root, parameters("videos"))


@needs_av
def test_videos_whose_frames_have_no_times_that_go_on_are_refused(tmp_path: Path) -> None:
    root = videos_of(tmp_path, "videos")
    write_going_back(root / "train/back.mkv")
    with refused(f"{root / 'train/back.mkv'}: frame 3 is shown at 1 s, after one at 2 s", "do not go back"):
        untrimmed_videos.read(root, parameters("videos"))
    (root / "train/back.mkv").unlink()
    write_timeless(root / "train/timeless.mp4")
    for rate in (None, 10):
        with refused(f"{root / 'train/timeless.mp4'}: frame 1 does not say when it is shown"):
            untrimmed_videos.read(root, parameters("videos", frame_rate=rate))


def test_parameters_that_do_not_fit_together_are_refused() -> None:
    for options, words in (
        ({"frame_rate": None}, "pictures know no time"),
        ({"validation_share": 0.5, "test_share": 0.5}, "leave nothing to train on"),
        ({"frames": -1}, "greater than or equal to 1"),
    ):
        with pytest.raises(ValidationError, match=words):
            parameters(**options)
