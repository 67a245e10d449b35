"""Images in files of the user: what is read is what was written; what is no image is refused with its file."""

import io
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError
from tables import refused

from pipeline.class_folders import labelled_files
from pipeline.dataset import Array, Dataset
from pipeline.errors import UserError
from pipeline.formats import cifar, image_folders
from pipeline.pictures import read_picture
from pipeline.stages.ingest import ingest

CIFAR = Path(__file__).parents[2] / "shared/data/cifar10_jpeg/cifar10_jpeg.tar.gz"
RANDOM = np.random.default_rng(3)
COLOURED = RANDOM.integers(0, 256, (8, 4, 5, 3), dtype=np.uint8)
SPLITS = ("train", "validation", "test")
ALL = image_folders.Parameters()


def encoded(pixels: Array, kind: str = "PNG", **options: Any) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind, **options)
    return file.getvalue()


FOLDERS = {
    "train/cat/b.png": encoded(COLOURED[1]),
    "train/cat/a.PNG": encoded(COLOURED[0]),
    "train/dog/a.png": encoded(COLOURED[2]),
    "val/cat/a.png": encoded(COLOURED[3]),
    "val/dog/a.png": encoded(COLOURED[4]),
    "test/cat/a.png": encoded(COLOURED[5]),
    "test/dog/b.png": encoded(COLOURED[6]),
    "test/dog/notes.txt": b"left alone",
}
TEXT = "7 images of 4 x 5 pixels in 2 classes, one a file"


def written(folder: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


# ---- folders of images ----------------------------------------------------------------------------------------------


def test_folders_are_read_as_splits_and_classes(tmp_path: Path) -> None:
    splits, description = image_folders.read(written(tmp_path, FOLDERS), ALL)
    assert (description.layout, description.classes, description.resized) == ("images", ["cat", "dog"], False)
    for split, rows in (("train", [0, 1, 2]), ("validation", [3, 4]), ("test", [5, 6])):
        np.testing.assert_array_equal(splits[split]["x"], COLOURED[rows])
        assert splits[split]["x"].dtype == np.uint8
    assert [splits[split]["y"].tolist() for split in SPLITS] == [[0, 0, 1], [0, 1], [0, 1]]
    assert (
        description.text == "7 images of 4 x 5 pixels in 2 classes, one a file; left out beside them are 1 other files"
    )


def test_what_lies_beside_the_images_is_left_out_and_counted(tmp_path: Path) -> None:
    files = {name: content for name, content in FOLDERS.items() if not name.endswith(".txt")}
    hidden = {"train/cat/._b.png": b"", "test/dog/.DS_Store": b"", "train/.cache/a.png": b""}
    assert image_folders.read(written(tmp_path, files | hidden), ALL)[1].text == TEXT
    beside = {"train/cat/2.bmp": b"", "train/cat/more/3.png": WHOLE, "train/cat/more/4.png": WHOLE, "val/dog/5": b""}
    assert image_folders.read(written(tmp_path, beside), ALL)[1].text == (
        f"{TEXT}; left out beside them are 2 other files and 1 folders"
    )


def test_they_become_a_dataset(tmp_path: Path) -> None:
    ingest("own", written(tmp_path / "raw", FOLDERS), "image_folders", ALL, tmp_path / "own")
    dataset = Dataset(tmp_path / "own")
    assert dataset.card.example_shape() == (4, 5, 3) and dataset.card.ceilings == {}
    np.testing.assert_array_equal(dataset.split("test")["x"], COLOURED[5:7])


def test_shades_of_grey_have_no_axis_of_channels(tmp_path: Path) -> None:
    splits, _ = image_folders.read(written(tmp_path, FOLDERS), image_folders.Parameters(channels=1))
    red, green, blue = np.moveaxis(COLOURED[:3].astype(float), -1, 0)
    assert splits["train"]["x"].shape == (3, 4, 5)
    np.testing.assert_allclose(splits["train"]["x"], 0.299 * red + 0.587 * green + 0.114 * blue, atol=1)


def test_images_of_any_size_are_scaled_and_cut_to_a_declared_one(tmp_path: Path) -> None:
    wide = np.zeros((4, 12, 3), np.uint8)
    wide[:, 4:8] = (10, 100, 200)  # the middle third, which is square
    folder = written(tmp_path, FOLDERS | {"train/dog/wide.png": encoded(wide)})
    splits, description = image_folders.read(folder, image_folders.Parameters(size=[2, 2]))
    assert splits["train"]["x"].shape == (4, 2, 2, 3) and description.resized
    np.testing.assert_allclose(splits["train"]["x"][3], np.full((2, 2, 3), (10, 100, 200)), atol=12)
    with pytest.raises(
        UserError, match=r"dog/wide\.png: 4 x 12 pixels, and .*cat/a\.PNG has 4 x 5; allowed: one heigh"
    ):
        image_folders.read(folder, ALL)


def test_without_splits_of_their_own_files_are_dealt_by_their_names_and_stay(tmp_path: Path) -> None:
    many = {f"{name}/{n}.png": encoded(COLOURED[n % 8]) for name in ("cat", "dog") for n in range(150)}
    folder, shares = written(tmp_path, many), {"validation_share": 0.2, "test_share": 0.3}
    splits, _ = image_folders.read(folder, image_folders.Parameters(**shares))
    counts = {split: len(arrays["y"]) for split, arrays in splits.items()}
    assert sum(counts.values()) == 300 and abs(counts["test"] - 90) < 30 and abs(counts["validation"] - 60) < 30
    _, before = labelled_files(folder, (".png",), None, 0.2, 0.3)
    written(tmp_path, {f"cat/new{n}.png": encoded(COLOURED[0]) for n in range(50)})
    _, after = labelled_files(folder, (".png",), None, 0.2, 0.3)
    assert all(set(before[split]) <= set(after[split]) for split in SPLITS)
    files = [file for split in SPLITS for file, _ in after[split]]
    assert len(files) == len(set(files)) == 350
    _, smaller = labelled_files(folder, (".png",), None, 0.1, 0.3)
    assert set(smaller["validation"]) < set(after["validation"])


def test_a_test_share_of_a_folder_train_leaves_its_validation_alone(tmp_path: Path) -> None:
    files = {name: content for name, content in FOLDERS.items() if not name.startswith("test")}
    files |= {f"train/cat/{n}.png": encoded(COLOURED[n % 8]) for n in range(30)}
    splits, _ = image_folders.read(written(tmp_path, files), image_folders.Parameters(test_share=0.3))
    np.testing.assert_array_equal(splits["validation"]["x"], COLOURED[3:5])
    assert len(splits["train"]["y"]) + len(splits["test"]["y"]) == 33


WHOLE = encoded(RANDOM.integers(0, 256, (40, 50, 3), dtype=np.uint8))
BAD_FOLDERS: list[tuple[dict[str, bytes], dict[str, Any], str]] = [
    ({"train/dog/b.png": b""}, {}, r"train/dog/b\.png: is empty; allowed: a picture"),
    ({"test/dog/c.jpg": b"no picture"}, {}, r"test/dog/c\.jpg: not a readable picture: cannot identify"),
    ({"train/dog/b.png": WHOLE[:3000]}, {}, r"train/dog/b\.png: not a readable picture: image file is truncated"),
    ({"val/dog/b.png": WHOLE[:40] + b"\0" + WHOLE[41:]}, {}, r"val/dog/b\.png: not a readable picture"),
    (
        {"val/dog/b.png": encoded(np.zeros((4, 5), np.uint16))},
        {},
        r"val/dog/b\.png: pixels are stored as I;16; allowed",
    ),
    (
        {"train/eel/notes.txt": b""},
        {},
        r"train/eel: no \*\.png or \*\.jpg or \*\.jpeg files there; allowed: at least one",
    ),
    ({"test/eel/a.png": WHOLE}, {}, r"test/eel: a class that the training files do not have; allowed: cat, dog"),
    ({}, {"classes": ["cat", "cow"]}, r"train/cow: no \*\.png"),
    ({}, {"test_share": 0.2}, r"/test: a folder of its own, and test_share is 0\.2; allowed: one of the two"),
]


@pytest.mark.parametrize(("files", "parameters", "message"), BAD_FOLDERS)
def test_a_folder_that_is_wrong_is_refused_with_the_file(
    tmp_path: Path, files: dict[str, bytes], parameters: dict[str, Any], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        image_folders.read(written(tmp_path, FOLDERS | files), image_folders.Parameters(**parameters))


@pytest.mark.parametrize("name", ["cat/", "animals/cat", "../cat", "..", ".", "", "/cat", "./cat"])
def test_a_class_that_is_no_name_of_a_folder_is_refused(tmp_path: Path, name: str) -> None:
    folder = written(tmp_path, FOLDERS | {f"{split}/animals/cat/a.png": WHOLE for split in ("train", "val", "test")})
    with refused(f"classes: found {name!r}; allowed: names of folders", "without a slash"):
        image_folders.read(folder, image_folders.Parameters(classes=["dog", name]))


def test_what_is_no_folder_of_classes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="gone: is no folder; allowed: a folder with train/<class>/"):
        image_folders.read(tmp_path / "gone", ALL)
    with pytest.raises(UserError, match="train: no such folder; allowed: one with a folder of"):
        image_folders.read(tmp_path, ALL)
    folder = written(tmp_path, {"cat/a.png": WHOLE, "dog/a.png": WHOLE})
    with pytest.raises(UserError, match=r"validation_share 0\.1 takes 0 of 2 files; allowed: a share that leaves some"):
        image_folders.read(folder, image_folders.Parameters(test_share=0.01))
    with pytest.raises(ValidationError, match="leave nothing to train on"):
        image_folders.Parameters(validation_share=0.5, test_share=0.5)


def test_a_photograph_is_turned_as_its_camera_says(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera lay on its side: turn clockwise
    pixels = np.zeros((8, 16, 3), np.uint8)
    pixels[:, 8:] = 255
    path = written(tmp_path, {"lying.jpg": encoded(pixels, "JPEG", exif=exif)}) / "lying.jpg"
    found = read_picture(path, 1)
    assert found.shape == (16, 8) and found[:6].max() < 30 and found[10:].min() > 225


@pytest.mark.slow
@pytest.mark.skipif(not CIFAR.is_file(), reason=f"CIFAR-10's images are not at {CIFAR}")
def test_cifar_is_read_from_folders_of_images(tmp_path: Path) -> None:
    """Means and deviations as the data's own notes state them, found when it was fetched."""
    with tarfile.open(CIFAR) as archive:
        archive.extractall(tmp_path, filter="data")
    splits, description = image_folders.read(tmp_path, image_folders.Parameters())
    training = np.concatenate([splits["train"]["x"], splits["validation"]["x"]])
    assert training.shape == (50_000, 32, 32, 3) and splits["test"]["x"].shape == (10_000, 32, 32, 3)
    assert 4500 < len(splits["validation"]["y"]) < 5500
    assert np.bincount(splits["test"]["y"]).tolist() == [1000] * 10
    assert (description.classes or [])[:3] == ["airplane", "automobile", "bird"]
    np.testing.assert_allclose(training.mean(axis=(0, 1, 2)) / 255, [0.4913, 0.4821, 0.4465], atol=1e-4)
    np.testing.assert_allclose(training.std(axis=(0, 1, 2)) / 255, [0.2452, 0.2428, 0.2606], atol=1e-4)


# ---- CIFAR's binary files -------------------------------------------------------------------------------------------

PICTURES = RANDOM.integers(0, 256, (12, 32, 32, 3), dtype=np.uint8)
LABELS = np.arange(12, dtype=np.uint8) % 3
NAMES = b"airplane\nautomobile\nbird\n\n"


def records(rows: list[int], *labels: Array) -> bytes:
    """As described: labels, then all of red, of green and of blue, row by row."""
    found = b""
    for row in rows:
        found += bytes(int(label[row]) for label in labels)
        for colour in range(3):
            found += bytes(int(value) for line in PICTURES[row] for value in line[:, colour])
    return found


CIFAR_10 = {f"data_batch_{n}.bin": records([2 * n - 2, 2 * n - 1], LABELS) for n in range(1, 6)}
CIFAR_10 |= {"test_batch.bin": records([10, 11], LABELS), "batches.meta.txt": NAMES}
FEW = cifar.Parameters(validation=3)


def test_cifar_10_is_read_as_written(tmp_path: Path) -> None:
    splits, description = cifar.read(written(tmp_path, CIFAR_10), FEW)
    assert (description.layout, description.classes) == ("images", ["airplane", "automobile", "bird"])
    for split, rows in (("train", slice(7)), ("validation", slice(7, 10)), ("test", slice(10, 12))):
        np.testing.assert_array_equal(splits[split]["x"], PICTURES[rows])
        np.testing.assert_array_equal(splits[split]["y"], LABELS[rows])


def test_a_name_of_cifar_is_a_line(tmp_path: Path) -> None:
    names = {"batches.meta.txt": b"airplane\r\n pickup truck \r\nbird\r\n\r\n"}
    _, description = cifar.read(written(tmp_path, CIFAR_10 | names), FEW)
    assert description.classes == ["airplane", "pickup truck", "bird"]


@pytest.mark.parametrize(("kind", "place"), [("fine", 1), ("coarse", 0)])
def test_cifar_100_has_two_labels(tmp_path: Path, kind: Any, place: int) -> None:
    labels = (LABELS % 2, LABELS)
    files = {"train.bin": records(list(range(9)), *labels), "test.bin": records([9, 10], *labels)}
    files |= {"fine_label_names.txt": b"apple\nbear\nbee\n", "coarse_label_names.txt": b"food\nanimals\n"}
    splits, description = cifar.read(written(tmp_path, files), cifar.Parameters(validation=1, labels=kind))
    assert description.classes == [["food", "animals"], ["apple", "bear", "bee"]][place]
    np.testing.assert_array_equal(splits["train"]["y"], labels[place][:8])
    np.testing.assert_array_equal(splits["test"]["x"], PICTURES[9:11])


BAD_CIFAR: list[tuple[dict[str, bytes], str]] = [
    (
        {"data_batch_3.bin": CIFAR_10["data_batch_3.bin"][:-1]},
        r"data_batch_3\.bin: holds 6145 bytes, no whole number of",
    ),
    ({"test_batch.bin": b""}, r"test_batch\.bin: holds 0 bytes, none of its records of 3073 bytes"),
    ({"batches.meta.txt": b"cat\ndog\n"}, r"data_batch_2\.bin: label 2 found in record 0; allowed: 0 to 1"),
    ({"batches.meta.txt": b"\n"}, r"batches\.meta\.txt: is empty; allowed: one name"),
    ({"batches.meta.txt": b"\xff"}, r"batches\.meta\.txt: not text in UTF-8"),
]


@pytest.mark.parametrize(("files", "message"), BAD_CIFAR)
def test_a_bad_file_of_cifar_is_refused(tmp_path: Path, files: dict[str, bytes], message: str) -> None:
    with pytest.raises(UserError, match=message):
        cifar.read(written(tmp_path, CIFAR_10 | files), FEW)


def test_what_is_no_folder_of_cifar_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"gone: is no folder; allowed: a folder with data_batch_1\.bin"):
        cifar.read(tmp_path / "gone", FEW)
    with pytest.raises(
        UserError, match=r"neither data_batch_1\.bin \(CIFAR-10\) nor train\.bin \(CIFAR-100\) is there$"
    ):
        cifar.read(tmp_path, FEW)
    pickled = written(tmp_path / "python", {"data_batch_1": b"\x80\x02}q\x01"})
    with pytest.raises(UserError, match="pickled: get the binary version"):
        cifar.read(pickled, FEW)
    folder = written(tmp_path / "binary", CIFAR_10)
    with pytest.raises(UserError, match="hold 10 images, of which 'validation' takes the last 10; allowed: 1 to 9"):
        cifar.read(folder, cifar.Parameters(validation=10))
    with pytest.raises(UserError, match="holds CIFAR-10, and labels is 'coarse'; allowed: fine"):
        cifar.read(folder, cifar.Parameters(validation=3, labels="coarse"))
    (folder / "data_batch_4.bin").unlink()
    with pytest.raises(
        UserError, match=r"no file data_batch_4\.bin; the folder holds: batches\.meta\.txt, data_batch_1"
    ):
        cifar.read(folder, FEW)
