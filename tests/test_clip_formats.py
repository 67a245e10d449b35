"""Folders of clips: pictures and videos as they are stored, splits, sizes, rates, and every file that is refused."""

import importlib.util
import json
import shutil
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from exported import write_features_export
from PIL import Image
from pydantic import ValidationError
from tables import refused

from pipeline.clips import open_pictures, read_frames, read_video
from pipeline.dataset import Array, Dataset
from pipeline.formats import clip_folders
from pipeline.predict import predict
from pipeline.stages.ingest import ingest

CLASSES = ("jumps", "runs")
FRAMES, HEIGHT, WIDTH = 4, 16, 24
needs_av = pytest.mark.skipif(
    importlib.util.find_spec("av") is None, reason='PyAV is not installed: pip install ".[video]"'
)


def shade(place: int) -> Array:
    return np.full((HEIGHT, WIDTH, 3), 20 * place, np.uint8)


def write_pictures(folder: Path, frames: list[Array]) -> None:
    folder.mkdir(parents=True)
    for place, frame in enumerate(frames):
        Image.fromarray(frame).save(folder / f"{place:03}.png")


def write_video(file: Path, frames: list[Array], rate: int = 10) -> None:
    import av

    file.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(file), "w") as container:
        stream = container.add_stream("ffv1" if file.suffix == ".mkv" else "mpeg4", rate=Fraction(rate))
        stream.width, stream.height = frames[0].shape[1], frames[0].shape[0]
        stream.pix_fmt = "bgr0" if file.suffix == ".mkv" else "yuv420p"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode(None))


def write_going_back(file: Path) -> None:
    """Four frames, of which the third is shown before the second."""
    import av

    with av.open(str(file), "w") as container:
        stream = container.add_stream("ffv1", rate=10)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "bgr0"
        for place in range(FRAMES):
            for packet in stream.encode(av.VideoFrame.from_ndarray(shade(place), format="rgb24")):
                packet.pts = [0, 20, 10, 30][place]  # of tenths of a second
                container.mux(packet)


def write_timeless(file: Path) -> None:
    """Four frames of H.264 as they leave the encoder, without the container that tells when they are shown."""
    import av

    with av.open(str(file), "w", format="h264") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for place in range(FRAMES):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(shade(place), format="rgb24")))
        container.mux(stream.encode(None))


def folder_of(root: Path, stored: str, frames: int = FRAMES) -> Path:
    """Two classes, two clips each in three splits: the shade of a frame is its place, in the second class one more."""
    for split in ("train", "validation", "test"):
        for label, name in enumerate(CLASSES):
            for number in range(2):
                clip = [shade(place + label) for place in range(frames)]
                target = root / split / name / f"{number}"
                write_pictures(target, clip) if stored == "pictures" else write_video(target.with_suffix(".mkv"), clip)
    return root


def parameters(**options: Any) -> clip_folders.Parameters:
    return clip_folders.Parameters(**{"stored": "pictures", "frames": FRAMES} | options)


@pytest.mark.parametrize("stored", ["pictures", pytest.param("videos", marks=needs_av)])
@pytest.mark.parametrize("channels", [1, 3])
def test_clips_are_read_as_they_are_stored(tmp_path: Path, stored: str, channels: int) -> None:
    root = folder_of(tmp_path / "clips", stored)
    splits, description = clip_folders.read(root, parameters(stored=stored, channels=channels))
    assert (description.layout, description.classes) == ("clips", list(CLASSES))
    for arrays in splits.values():
        assert arrays["x"].shape == (4, FRAMES, HEIGHT, WIDTH, channels) and arrays["x"].dtype == np.uint8
        assert arrays["y"].tolist() == [0, 0, 1, 1]
        expected = 20 * (np.arange(FRAMES) + arrays["y"][:, None])
        assert (arrays["x"] == expected[..., None, None, None]).all()


def test_what_lies_beside_the_clips_is_left_out_and_counted(tmp_path: Path) -> None:
    root = folder_of(tmp_path / "clips", "pictures")
    _, description = clip_folders.read(root, parameters())
    text = "12 clips of 4 frames, 16 x 24 pixels, in 2 classes"
    assert description.text == text
    (root / "train/jumps/2.mp4").write_bytes(b"a video among folders")
    (root / "train/jumps/.cache").mkdir()
    _, description = clip_folders.read(root, parameters())
    assert description.text == f"{text}; left out beside them are 1 other files"


def test_an_import_of_clips_is_a_dataset(tmp_path: Path) -> None:
    root = folder_of(tmp_path / "clips", "pictures")
    card = ingest("clips", root, "clip_folders", parameters(), tmp_path / "data")
    assert card.example_shape() == (FRAMES, HEIGHT, WIDTH, 3) and card.num_examples("test") == 4


@pytest.mark.parametrize("stored", ["pictures", pytest.param("videos", marks=needs_av)])
def test_of_longer_clips_the_middle_is_taken(tmp_path: Path, stored: str) -> None:
    root = folder_of(tmp_path / "clips", stored, frames=7)
    splits, _ = clip_folders.read(root, parameters(stored=stored, frames=3))
    assert splits["test"]["x"][0, :, 0, 0, 0].tolist() == [40, 60, 80]


@pytest.mark.parametrize(
    "names",
    [
        ["frame_1", "frame_2", "frame_10", "frame_11"],
        ["1", "02", "3", "010"],
        ["9", "10b", "10c", "a"],
        ["2-9", "2-10", "10-1", "10-2"],
        ["01", "1", "2", "11"],
    ],
)
def test_pictures_follow_each_other_by_the_numbers_in_their_names(tmp_path: Path, names: list[str]) -> None:
    for place in (2, 0, 3, 1):
        Image.fromarray(shade(place)).save(tmp_path / f"{names[place]}.png")
    (tmp_path / "._00.png").write_bytes(b"what a file system wrote beside a picture")
    assert read_frames(tmp_path, FRAMES, 3)[:, 0, 0, 0].tolist() == [0, 20, 40, 60]
    frames = open_pictures(tmp_path, 10).pictures(FRAMES, 3)
    assert [name for name, _ in frames] == [str(tmp_path / f"{name}.png") for name in names]


@needs_av
@pytest.mark.parametrize(
    ("rate", "places"), [(10, [0, 1, 2, 3]), (5, [0, 2, 4, 6]), (4, [0, 2, 5, 7]), (20, [0, 0, 1, 1])]
)
def test_videos_are_sampled_at_the_declared_rate(tmp_path: Path, rate: float, places: list[int]) -> None:
    """Of ten frames a second: at each moment the newest one. Twice as many show each frame twice."""
    from pipeline.clips import _decoded, _sampled

    write_video(tmp_path / "clip.mkv", [shade(place) for place in range(9)])
    times = np.array([frame.time for frame in _decoded(tmp_path / "clip.mkv")])
    assert len(times) == 9
    assert _sampled(times, rate)[:4].tolist() == places


@needs_av
def test_videos_whose_frames_have_no_times_that_go_on_cannot_be_sampled(tmp_path: Path) -> None:
    """Without a frame_rate no times are needed."""
    write_going_back(tmp_path / "back.mkv")
    write_timeless(tmp_path / "timeless.mp4")
    for name, words in (
        ("back.mkv", "frame 3 is shown at 1 s, after one at 2 s; allowed: times that do not go back"),
        ("timeless.mp4", "frame 1 does not say when it is shown; allowed: a video whose frames have times"),
    ):
        with refused(f"{tmp_path / name}: {words}"):
            read_video(tmp_path / name, FRAMES, 3, frame_rate=10)
        assert read_video(tmp_path / name, FRAMES, 3).shape == (FRAMES, HEIGHT, WIDTH, 3)


@needs_av
def test_clips_of_any_size_are_brought_to_the_declared_one(tmp_path: Path) -> None:
    root = folder_of(tmp_path / "clips", "videos")
    write_video(root / "train/runs/large.mp4", [np.full((48, 72, 3), 100, np.uint8)] * FRAMES)
    splits, description = clip_folders.read(root, parameters(stored="videos", size=[8, 12]))
    assert splits["train"]["x"].shape == (5, FRAMES, 8, 12, 3) and description.resized
    assert abs(int(splits["train"]["x"][-1].mean()) - 100) <= 3
    with refused("large.mp4: 48 x 72 pixels", "has 16 x 24", "'size'"):
        clip_folders.read(root, parameters(stored="videos"))


@pytest.mark.parametrize(
    ("stored", "options"),
    [
        ("pictures", {}),
        ("pictures", {"size": (8, 12)}),
        pytest.param("videos", {}, marks=needs_av),
        pytest.param("videos", {"size": (8, 12)}, marks=needs_av),
        pytest.param("videos", {"frame_rate": 5}, marks=needs_av),
    ],
)
def test_a_trained_network_is_asked_about_clips_as_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stored: str, options: dict[str, Any]
) -> None:
    """It sees them as the import did: the middle, at its rate and of its size."""
    root = folder_of(tmp_path / "raw", stored, frames=9)
    for split in ("train", "validation", "test"):
        shutil.copytree(root / split / "runs", root / split / "walks")  # it answers with one of three
    monkeypatch.chdir(tmp_path)
    declared = parameters(stored=stored, frames=3, **options)
    ingest("clips", root, "clip_folders", declared, Path("data/clips"))
    write_features_export(Path("models/reader/export"), "reader", Dataset(Path("data/clips")), each_frame=False)
    file = "raw/test/runs/0" if stored == "pictures" else "raw/test/runs/0.mkv"
    (found,) = (json.loads(line) for line in predict("reader", file, None, True))
    (expected,) = (json.loads(line) for line in predict("reader", None, 2, True))
    assert found.pop("example") == Path(file).name and expected.pop("example") == "test[2]"
    assert found == expected


def test_what_is_no_clip_is_refused_by_who_reads_clips(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = folder_of(tmp_path / "raw", "pictures")
    monkeypatch.chdir(tmp_path)
    ingest("clips", root, "clip_folders", parameters(), Path("data/clips"))
    write_features_export(Path("models/reader/export"), "reader", Dataset(Path("data/clips")), each_frame=False)
    Path("raw/empty").mkdir()
    for file, words in (
        ("raw/empty", "raw/empty: 0 frames; allowed: 4 and more"),
        ("raw/test/runs/0/000.png", "found extension '.png'; reader reads clips; allowed: .avi, .csv"),
        ("raw/nothing.mp4", "raw/nothing.mp4: no such file"),
    ):
        with refused(words):
            list(predict("reader", file, None, False))


def test_splits_can_be_shares(tmp_path: Path) -> None:
    for name in CLASSES:
        for number in range(20):
            write_pictures(tmp_path / "clips" / name / f"{number}", [shade(0)])
    splits, _ = clip_folders.read(tmp_path / "clips", parameters(frames=1, validation_share=0.2, test_share=0.2))
    sizes = {split: len(arrays["y"]) for split, arrays in splits.items()}
    assert sum(sizes.values()) == 40 and all(size >= 2 for size in sizes.values())


def test_pictures_that_cannot_be_clips_are_refused(tmp_path: Path) -> None:
    root = folder_of(tmp_path / "clips", "pictures")
    few = root / "train/jumps/0"
    (few / "003.png").rename(tmp_path / "kept.png")
    with refused(f"{few}: 3 frames", "4 and more", "'frames'"):
        clip_folders.read(root, parameters())
    (few / "003.png").write_bytes(b"")
    with refused(f"{few / '003.png'}: is empty"):
        clip_folders.read(root, parameters())
    (few / "003.png").write_bytes((tmp_path / "kept.png").read_bytes()[:60])
    with refused(f"{few / '003.png'}: not a readable picture"):
        clip_folders.read(root, parameters())
    Image.fromarray(shade(0)[:8]).save(few / "003.png")
    with refused(f"{few / '003.png'}: 8 x 24 pixels", "first frame has 16 x 24", "'size'"):
        clip_folders.read(root, parameters())
    assert clip_folders.read(root, parameters(size=(8, 8)))[0]["train"]["x"].shape[2:4] == (8, 8)
    (root / "test/none").mkdir()
    with refused(f"{root / 'test/none'}: a class that the training files do not have"):
        clip_folders.read(root, parameters(size=(8, 8)))
    (root / "train/none").mkdir()
    with refused(f"{root / 'train/none'}: no folders of frames there", "at least one"):
        clip_folders.read(root, parameters(size=(8, 8)))
    with refused(f"{tmp_path / 'kept.png'}: is no folder"):
        clip_folders.read(tmp_path / "kept.png", parameters())


@needs_av
def test_videos_that_cannot_be_read_are_refused(tmp_path: Path) -> None:
    root = folder_of(tmp_path / "clips", "videos")
    bad = root / "train/jumps/0.mkv"
    whole = bad.read_bytes()
    for content, words in (
        (b"", ["is empty", "allowed: a video"]),
        (b"no video at all", ["not a readable video"]),
        (whole[: len(whole) // 2], []),
    ):
        bad.write_bytes(content)
        with refused(str(bad), *words):
            clip_folders.read(root, parameters(stored="videos"))
    bad.unlink()
    write_video(bad, [shade(0)] * (FRAMES - 1))
    with refused(f"{bad}: {FRAMES - 1} frames", f"{FRAMES} and more"):
        clip_folders.read(root, parameters(stored="videos"))
    import wave

    sound = root / "train/jumps/0.avi"
    with wave.open(str(sound), "wb") as file:
        file.setnchannels(1), file.setsampwidth(2), file.setframerate(8000)
        file.writeframes(bytes(1600))
    bad.unlink()
    with refused(f"{sound}: holds no pictures"):
        clip_folders.read(root, parameters(stored="videos"))


@pytest.mark.skipif(importlib.util.find_spec("av") is not None, reason="PyAV is installed")
def test_videos_without_pyav_say_what_to_install(tmp_path: Path) -> None:
    for split in ("train", "validation", "test"):
        for name in CLASSES:
            (tmp_path / split / name).mkdir(parents=True)
            (tmp_path / split / name / "0.mp4").write_bytes(b"video")
    with refused("0.mp4", "need PyAV", 'pip install ".[video]"'):
        clip_folders.read(tmp_path, parameters(stored="videos"))


def test_parameters_that_do_not_fit_together_are_refused() -> None:
    for options, words in (
        ({"frame_rate": 10}, "pictures know no time"),
        ({"validation_share": 0.5, "test_share": 0.5}, "leave nothing to train on"),
        ({"frames": 0}, "greater than or equal to 1"),
    ):
        with pytest.raises(ValidationError, match=words):
            parameters(**options)
