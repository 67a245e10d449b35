"""The formats of imported files: what is read is what was written; what cannot be right is refused in plain words."""

import gzip
import io
import json
import re
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from pipeline.checking.content import check_dataset
from pipeline.dataset import SPLITS, Array, Dataset
from pipeline.errors import UserError
from pipeline.formats import arrays, idx
from pipeline.stages.ingest import ingest

MNIST = Path(__file__).parents[2] / "shared/data/mnist"
RANDOM = np.random.default_rng(7)
IMAGES = RANDOM.integers(0, 256, (9, 3, 4), dtype=np.uint8)
LABELS = np.array([0, 1, 2, 0, 1, 2, 0, 1, 2], dtype=np.uint8)
TRAIN_IMAGES, TRAIN_LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"
FOUR_FILES = {
    TRAIN_IMAGES: IMAGES,
    TRAIN_LABELS: LABELS,
    "t10k-images-idx3-ubyte": IMAGES[:2],
    "t10k-labels-idx1-ubyte": LABELS[:2],
}
SMALL = idx.Parameters(validation=3)


def idx_bytes(values: Array) -> bytes:
    return struct.pack(f">BBBB{values.ndim}I", 0, 0, 8, values.ndim, *values.shape) + values.tobytes()


def write_idx_folder(folder: Path, packed: bool = False) -> Path:
    folder.mkdir()
    for name, values in FOUR_FILES.items():
        if packed:
            (folder / f"{name}.gz").write_bytes(gzip.compress(idx_bytes(values)))
        else:
            (folder / name).write_bytes(idx_bytes(values))
    return folder


def refused(*words: str) -> Any:
    """Expect a UserError whose message holds all the words."""
    return pytest.raises(UserError, match="(?s)" + "".join(f"(?=.*{re.escape(word)})" for word in words))


# ---- idx ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("packed", [False, True])
def test_idx_is_read_as_written(tmp_path: Path, packed: bool) -> None:
    splits, description = idx.read(write_idx_folder(tmp_path / "raw", packed), SMALL)
    np.testing.assert_array_equal(splits["train"]["x"], IMAGES[:6])
    np.testing.assert_array_equal(splits["train"]["y"], LABELS[:6])
    np.testing.assert_array_equal(splits["validation"]["x"], IMAGES[6:])
    np.testing.assert_array_equal(splits["validation"]["y"], LABELS[6:])
    np.testing.assert_array_equal(splits["test"]["x"], IMAGES[:2])
    assert {values.dtype for split in splits.values() for values in split.values()} == {np.dtype(np.uint8)}
    assert isinstance(splits["train"]["x"], np.memmap) is not packed
    assert (description.layout, description.classes, description.ceilings) == ("images", ["0", "1", "2"], {})
    assert not description.disjoint


def test_idx_takes_other_names_and_classes(tmp_path: Path) -> None:
    folder = write_idx_folder(tmp_path / "raw")
    (folder / TRAIN_IMAGES).rename(folder / "faces")
    parameters = idx.Parameters(train_images="faces.gz", validation=1, classes=["a", "b", "c", "d"])
    splits, description = idx.read(folder, parameters)
    assert len(splits["train"]["x"]) == 8 and description.classes == ["a", "b", "c", "d"]


def test_idx_path_must_be_a_folder_with_all_files(tmp_path: Path) -> None:
    folder = write_idx_folder(tmp_path / "raw")
    with refused("nowhere", "does not exist", "a folder"):
        idx.read(tmp_path / "nowhere", SMALL)
    with refused(TRAIN_IMAGES, "is a file", "a folder"):
        idx.read(folder / TRAIN_IMAGES, SMALL)
    (folder / TRAIN_LABELS).unlink()
    with refused(f"no file {TRAIN_LABELS} or {TRAIN_LABELS}.gz", "holds: t10k-images-idx3-ubyte, t10k-labels"):
        idx.read(folder, SMALL)


WHOLE = idx_bytes(IMAGES)
BAD_FILES = {
    "empty": (b"", ["magic number missing", "allowed: 00 00 08 03"]),
    "text": (b"hello, world", ["magic number 68 65 6c 6c", "allowed: 00 00 08 03"]),
    "float": (b"\0\0\x0d\3" + WHOLE[4:], ["32-bit float", "00 00 0d 03", "allowed: 00 00 08 03", "unsigned bytes"]),
    "unknown type": (b"\0\0\x07\3" + WHOLE[4:], ["magic number 00 00 07 03"]),
    "labels": (idx_bytes(LABELS), ["has 1 dimensions", "3 dimensions"]),
    "header only in part": (WHOLE[:9], ["cut off in its header", "expected 16 bytes, found 9"]),
    "no examples": (idx_bytes(IMAGES[:0]), ["is empty", "0 x 3 x 4"]),
    "cut off": (WHOLE[:-5], ["cut off", "expected 108 bytes of values (9 x 3 x 4), found 103"]),
    "too long": (WHOLE + b"12", ["2 bytes too long", "expected 108", "found 110"]),
    "absurd sizes": (WHOLE[:4] + b"\xff" * 12 + WHOLE[16:], ["cut off", "4294967295 x", "found 108"]),
}


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("case", BAD_FILES)
def test_idx_refuses_a_bad_file(tmp_path: Path, case: str, packed: bool) -> None:
    content, words = BAD_FILES[case]
    folder = write_idx_folder(tmp_path / "raw", packed)
    path = folder / (TRAIN_IMAGES + ".gz" * packed)
    path.write_bytes(gzip.compress(content) if packed else content)
    with refused(f"{path}: ", *words):
        idx.read(folder, SMALL)


PACKED = gzip.compress(WHOLE)
BAD_GZIP = {
    "unpacked": (WHOLE, ["is not gzip", "starts with 00 00", "remove '.gz'"]),
    "empty": (b"", ["is not gzip", "nothing"]),
    "cut off": (PACKED[:-20], ["corrupt or cut-off gzip"]),
    "cut off in its checksum": (PACKED[:-3], ["corrupt or cut-off gzip"]),
    "wrong checksum": (PACKED[:-8] + b"\1\2\3\4" + PACKED[-4:], ["corrupt or cut-off gzip", "CRC"]),
    "corrupt": (PACKED[:10] + b"\xff" * 20 + PACKED[30:], ["corrupt or cut-off gzip"]),
}


@pytest.mark.parametrize("case", BAD_GZIP)
def test_idx_refuses_bad_gzip(tmp_path: Path, case: str) -> None:
    content, words = BAD_GZIP[case]
    path = tmp_path / "images.gz"
    path.write_bytes(content)
    with refused(f"{path}: ", *words):
        idx.read_idx(path, 3)


def test_idx_says_when_a_file_is_packed_but_not_named_so(tmp_path: Path) -> None:
    path = tmp_path / "images"
    path.write_bytes(PACKED)
    with refused(f"{path}: is gzip", "does not end in '.gz'"):
        idx.read_idx(path, 3)


def test_idx_refuses_files_that_do_not_fit_together(tmp_path: Path) -> None:
    folder = write_idx_folder(tmp_path / "raw")
    with refused(TRAIN_LABELS, "label 2 found in row 2", "allowed: 0 to 1 ('classes' names 2)"):
        idx.read(folder, idx.Parameters(validation=3, classes=["a", "b"]))
    with refused(TRAIN_IMAGES, "holds 9 examples", "takes the last 9", "allowed: 1 to 8"):
        idx.read(folder, idx.Parameters(validation=9))
    (folder / TRAIN_LABELS).write_bytes(idx_bytes(LABELS[:7]))
    with refused(TRAIN_LABELS, "7 labels", "9 images", "one label for each image"):
        idx.read(folder, SMALL)


@pytest.mark.parametrize("wrong", [{"train_images": "../secret"}, {"validation": 0}, {"classes": []}, {"valid": 3}])
def test_idx_parameters_are_checked(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        idx.Parameters.model_validate(wrong)


@pytest.mark.skipif(not MNIST.is_dir(), reason=f"the real MNIST files are not at {MNIST}")
def test_idx_reads_the_real_mnist() -> None:
    """Label counts as published: train 5923, 6742, 5958, ... of 60,000 and test 980, 1135, 1032, ... of 10,000."""
    splits, description = idx.read(MNIST, idx.Parameters())
    assert {split: values["x"].shape for split, values in splits.items()} == {
        "train": (55_000, 28, 28),
        "validation": (5_000, 28, 28),
        "test": (10_000, 28, 28),
    }
    training = np.concatenate([splits["train"]["y"], splits["validation"]["y"]])
    assert np.bincount(training).tolist() == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert np.bincount(splits["test"]["y"]).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert description.classes == [str(digit) for digit in range(10)]


# ---- arrays ---------------------------------------------------------------------------------------------------------

PICTURES = arrays.Parameters(layout="images", validation_share=0.3, test_share=0.2)
DIVIDED = {
    "train_x": IMAGES[:4],
    "train_y": LABELS[:4],
    "validation_x": IMAGES[4:7],
    "validation_y": LABELS[4:7],
    "test_x": IMAGES[7:],
    "test_y": LABELS[7:],
}


def write_arrays(target: Path, stored: dict[str, Any], form: str = "npz") -> Path:
    if form == "npz":
        np.savez(target.with_suffix(".npz"), **stored)
        return target.with_suffix(".npz")
    target.mkdir()
    for name, values in stored.items():
        np.save(target / f"{name}.npy", values)
    return target


@pytest.mark.parametrize("form", ["npz", "folder"])
def test_arrays_are_read_as_written(tmp_path: Path, form: str) -> None:
    path = write_arrays(tmp_path / "raw", DIVIDED, form)
    splits, description = arrays.read(path, PICTURES)
    for split, stored in splits.items():
        for name, values in stored.items():
            np.testing.assert_array_equal(values, DIVIDED[f"{split}_{name}"])
    assert isinstance(splits["train"]["x"], np.memmap) is (form == "folder")
    assert (description.classes, description.disjoint) == (["0", "1", "2"], False)


def test_arrays_without_splits_are_dealt_out(tmp_path: Path) -> None:
    x = np.arange(100, dtype=np.uint8).repeat(4).reshape(100, 2, 2)
    path = write_arrays(tmp_path / "raw", {"x": x, "y": np.arange(100) % 3})
    splits, _ = arrays.read(path, PICTURES)
    assert {split: len(values["x"]) for split, values in splits.items()} == {"train": 50, "validation": 30, "test": 20}
    dealt = np.concatenate([values["x"][:, 0, 0] for values in splits.values()])
    assert sorted(dealt.tolist()) == list(range(100)) and dealt.tolist() != list(range(100))
    for values in splits.values():  # every label still belongs to its image
        np.testing.assert_array_equal(values["x"][:, 0, 0] % 3, values["y"])

    again, _ = arrays.read(path, PICTURES)
    np.testing.assert_array_equal(again["train"]["x"], splits["train"]["x"])
    more_validation, _ = arrays.read(path, PICTURES.model_copy(update={"validation_share": 0.5}))
    np.testing.assert_array_equal(more_validation["test"]["x"], splits["test"]["x"])
    more_test, _ = arrays.read(path, PICTURES.model_copy(update={"test_share": 0.5}))
    np.testing.assert_array_equal(more_test["validation"]["x"], splits["validation"]["x"])
    other_seed, _ = arrays.read(path, PICTURES.model_copy(update={"seed": 1}))
    assert not np.array_equal(other_seed["test"]["x"], splits["test"]["x"])


def test_arrays_of_the_other_layouts(tmp_path: Path) -> None:
    clips = arrays.Parameters(layout="arrival_times", num_steps=256)
    splits, description = arrays.read(write_arrays(tmp_path / "clips", DIVIDED), clips)
    assert (description.layout, description.num_steps, len(splits["test"]["x"])) == ("arrival_times", 256, 2)

    symbols = {name: values.reshape(len(values), -1) % 3 for name, values in DIVIDED.items() if name.endswith("x")}
    parameters = arrays.Parameters(layout="symbols", vocabulary=["a", "b", "c"])
    splits, description = arrays.read(write_arrays(tmp_path / "symbols", symbols), parameters)
    assert list(splits["train"]) == ["x"] and description.classes is None
    assert description.vocabulary == ["a", "b", "c"]


X, Y = IMAGES, LABELS.astype(np.int64)
COLOURS = {"layout": "images", "classes": ["red", "blue"]}
TEXT = {"layout": "symbols", "vocabulary": ["a", "b"]}
CLIPS = {"layout": "arrival_times", "num_steps": 300}
BAD_ARRAYS: dict[str, tuple[dict[str, Any], dict[str, Any], list[str]]] = {
    "no y": ({"layout": "images"}, {"x": X}, ["holds the arrays x: y missing", "allowed", "train_x, train_y"]),
    "nothing": ({"layout": "images"}, {}, ["(none)", "train_x"]),
    "no validation": (
        {"layout": "images"},
        {name: DIVIDED[name] for name in DIVIDED if "validation" not in name},
        ["validation_x, validation_y missing"],
    ),
    "both ways": ({"layout": "images"}, {"x": X, "y": Y} | DIVIDED, ["test_x, test_y, train_x", "unexpected"]),
    "symbols with y": (TEXT, {"x": X[0], "y": Y[:3]}, ["y unexpected", "'symbols': x or train_x, validation_x"]),
    "float images": (
        {"layout": "images"},
        {"x": X / 255, "y": Y},
        ["array x: is float64 [9, 3, 4]", "allowed", "uint8"],
    ),
    "flat images": (
        {"layout": "images"},
        {"x": X.reshape(9, 12), "y": Y},
        ["uint8 [9, 12]", "[N, H, W] or [N, H, W, C]"],
    ),
    "no axis": ({"layout": "images"}, {"x": np.uint8(1), "y": Y}, ["uint8 []"]),
    "empty": ({"layout": "images"}, {"x": X[:0], "y": Y[:0]}, ["is empty", "[0, 3, 4]"]),
    "signed arrivals": (CLIPS, {"x": X.astype(np.int16), "y": Y}, ["int16 [9, 3, 4]", "unsigned"]),
    "narrow arrivals": (CLIPS, {"x": X, "y": Y}, ["uint8 cannot hold", "300 'num_steps'"]),
    "too few labels": ({"layout": "images"}, {"x": X, "y": Y[:8]}, ["array y", "int64 [8]", "integers [9]"]),
    "labels as text": ({"layout": "images"}, {"x": X, "y": Y.astype(str)}, ["array y", "allowed: integers [9]"]),
    "labels as floats": ({"layout": "images"}, {"x": X, "y": Y / 2}, ["array y", "float64"]),
    "negative label": ({"layout": "images"}, {"x": X, "y": Y - 1}, ["array y: holds -1", "0 and more"]),
    "label beyond classes": (COLOURS, {"x": X, "y": Y}, ["array y: holds 2", "0 to 1 ('classes' names 2)"]),
    "beyond vocabulary": (TEXT, {"x": X[0]}, ["array x: holds", "0 to 1 ('vocabulary' names 2)"]),
    "single symbols": (TEXT, {"x": X[0, :, :1]}, ["sequences of 1 symbol", "2 symbols and more"]),
    "too few to divide": ({"layout": "images"}, {"x": X, "y": Y}, ["holds 9 examples", "take 0 and 0", "1 and more"]),
}


@pytest.mark.parametrize("form", ["npz", "folder"])
@pytest.mark.parametrize("case", BAD_ARRAYS)
def test_arrays_that_do_not_fit_the_layout_are_refused(tmp_path: Path, case: str, form: str) -> None:
    parameters, stored, words = BAD_ARRAYS[case]
    path = write_arrays(tmp_path / "raw", stored, form)
    with refused(str(path), *words):
        arrays.read(path, arrays.Parameters.model_validate(parameters))


@pytest.mark.parametrize("mixed", ["train", "validation", "test"])
def test_labels_of_frames_in_some_splits_alone_are_refused(tmp_path: Path, mixed: str) -> None:
    of_clips, of_frames = np.arange(6, dtype=np.uint8) % 3, np.arange(30, dtype=np.uint8).reshape(6, 5) % 3
    parameters = arrays.Parameters(layout="clips", classes=["background", "a", "b"])
    for usual, other in ((of_clips, of_frames), (of_frames, of_clips)):
        stored = {f"{split}_x": np.zeros((6, 5, 4, 4, 1), np.uint8) for split in SPLITS}
        stored |= {f"{split}_y": other if split == mixed else usual for split in SPLITS}
        np.savez(tmp_path / "own.npz", **stored)
        name = "validation_y" if mixed == "train" else f"{mixed}_y"
        found, train = stored[name].shape, stored["train_y"].shape
        with refused(f"own.npz, array {name}: is uint8 {[*found]}, and train_y {[*train]}; allowed: as many axes"):
            arrays.read(tmp_path / "own.npz", parameters)


class Bomb:
    """Would show itself if anything were unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (pytest.fail, ("an imported file was unpickled",))


STEPS = np.arange(20 * 5 * 2, dtype=np.float32).reshape(20, 5, 2)
SEQUENCES: dict[str, tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = {
    "labels": ({}, {"y": np.arange(20) % 3}, {"classes": ["0", "1", "2"]}),
    "labels at each step": (
        {"classes": ["a", "b"]},
        {"y": np.tile(np.arange(5, dtype=np.uint8) % 2, (20, 1))},
        {"classes": ["a", "b"]},
    ),
    "values": ({"outputs": ["heat"], "features": ["a", "b"]}, {"y": STEPS[:, 0, :1]}, {"outputs": ["heat"]}),
    "values at each step": ({}, {"y": STEPS}, {"outputs": ["value_1", "value_2"]}),
    "values at others": ({}, {"y": STEPS[:, :3]}, {"outputs": ["value_1", "value_2"], "output_steps": 3}),
    "padded": ({}, {"y": STEPS[:, 0], "length": np.full(20, 5)}, {"outputs": ["value_1", "value_2"], "padded": True}),
}


@pytest.mark.parametrize("case", SEQUENCES)
def test_arrays_of_sequences(tmp_path: Path, case: str) -> None:
    block, stored, expected = SEQUENCES[case]
    path = write_arrays(tmp_path / "raw", {"x": STEPS} | stored)
    splits, description = arrays.read(path, arrays.Parameters(layout="sequences", **block))
    assert [len(splits[split]["x"]) for split in ("train", "validation", "test")] == [16, 2, 2]
    assert {name for split in splits.values() for name in split} == {"x", *stored}
    keys = ("classes", "outputs", "output_steps", "padded")
    assert {key: getattr(description, key) for key in keys} == {
        "classes": None,
        "outputs": None,
        "output_steps": None,
        "padded": False,
    } | expected
    ingest("own", path, "arrays", arrays.Parameters(layout="sequences", **block), tmp_path / "data/own")
    assert check_dataset(Dataset(tmp_path / "data/own"), imported=True).errors == 0


BAD_SEQUENCES: dict[str, tuple[dict[str, Any], dict[str, Any], list[str]]] = {
    "integers": ({}, {"x": STEPS.astype(int), "y": Y}, ["array x: is int64 [20, 5, 2]", "floats [N, T, F]"]),
    "flat values": (
        {},
        {"x": STEPS, "y": STEPS[:, 0, 0]},
        ["array y: is float32 [20]", "floats [N, K] or", "N being 20"],
    ),
    "other number": ({}, {"x": STEPS, "y": Y}, ["array y: is int64 [9]", "N being 20"]),
    "label beyond": ({"classes": ["a"]}, {"x": STEPS, "y": np.arange(20)}, ["array y: holds 19", "0 to 0"]),
    "classes of values": ({"classes": ["a"]}, {"x": STEPS, "y": STEPS}, ["holds floats", "allowed with labels"]),
    "outputs of labels": ({"outputs": ["a"]}, {"x": STEPS, "y": np.arange(20)}, ["holds integers", "with values"]),
    "outputs": ({"outputs": ["a"]}, {"x": STEPS, "y": STEPS}, ["has 2 values; 'outputs' names 1"]),
    "features": ({"features": ["a"]}, {"x": STEPS, "y": STEPS}, ["has 2 features; 'features' names 1"]),
    "lengths": (
        {},
        {"x": STEPS, "y": STEPS, "length": np.ones(20)},
        ["array length: is float64 [20]", "integers [20]"],
    ),
    "length 0": ({}, {"x": STEPS, "y": STEPS, "length": np.arange(20) % 3}, ["length: holds 0", "1 to 5"]),
    "length 6": ({}, {"x": STEPS, "y": STEPS, "length": np.full(20, 6)}, ["length: holds 6", "1 to 5"]),
}


@pytest.mark.parametrize("case", BAD_SEQUENCES)
def test_arrays_of_sequences_that_do_not_fit_are_refused(tmp_path: Path, case: str) -> None:
    block, stored, words = BAD_SEQUENCES[case]
    path = write_arrays(tmp_path / "raw", stored)
    with refused(str(path), *words):
        arrays.read(path, arrays.Parameters(layout="sequences", **block))


@pytest.mark.parametrize("form", ["npz", "folder"])
def test_objects_are_never_loaded(tmp_path: Path, form: str) -> None:
    objects = np.empty(9, dtype=object)
    objects[:] = Bomb()
    path = write_arrays(tmp_path / "raw", {"x": X, "y": objects}, form)
    with refused("y.npy", "Python objects", "pickle"):
        arrays.read(path, PICTURES)


def test_unreadable_npz_is_refused(tmp_path: Path) -> None:
    with refused("nowhere.npz: does not exist", ".npz file, or a folder"):
        arrays.read(tmp_path / "nowhere.npz", PICTURES)
    path = write_arrays(tmp_path / "raw", {"x": X, "y": Y})
    whole = path.read_bytes()
    for content in (b"", b"hello", whole[:-30], whole[: len(whole) // 2]):
        path.write_bytes(content)
        with refused(f"{path}: not a .npz file", "cut off"):
            arrays.read(path, PICTURES)
    pixels = whole.index(X.tobytes())
    path.write_bytes(whole[:pixels] + bytes([whole[pixels] ^ 1]) + whole[pixels + 1 :])
    with refused(f"{path}, member x.npy", "CRC"):
        arrays.read(path, PICTURES)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "no array")
    with refused(f"{path}, member readme.txt", "cannot be read as a NumPy array"):
        arrays.read(path, PICTURES)


def test_unreadable_npy_is_refused(tmp_path: Path) -> None:
    folder = write_arrays(tmp_path / "raw", {"x": X, "y": Y}, "folder")
    path = folder / "x.npy"
    whole = path.read_bytes()
    damaged_header = whole.replace(b"(9, 3, 4)", b"(9, 3, 4(")
    for content in (b"", b"hello", whole[:50], whole[:-1], damaged_header):
        path.write_bytes(content)
        with refused(f"{path}: cannot be read as a NumPy array"):
            arrays.read(folder, PICTURES)
    path.write_bytes(whole + b"12")
    with refused(f"{path}: is too long", f"expected {len(whole)} bytes, found {len(whole) + 2}"):
        arrays.read(folder, PICTURES)


WRONG_PARAMETERS: list[tuple[dict[str, Any], str]] = [
    ({"layout": "pictures"}, "layout"),
    ({"layout": "symbols"}, "'vocabulary' is needed"),
    ({"layout": "images", "vocabulary": ["a"]}, "'vocabulary' is needed with 'symbols', and only there"),
    ({"layout": "arrival_times"}, "'num_steps' is needed"),
    ({"layout": "symbols", "vocabulary": ["a"], "classes": ["b"]}, "'classes' is allowed only with labels"),
    ({"layout": "images", "validation_share": 0.5, "test_share": 0.5}, "nothing to train on"),
    ({"layout": "images", "test_share": 0.0}, "test_share"),
    ({"layout": "images", "share": 0.5}, "share"),
]


@pytest.mark.parametrize(("wrong", "words"), WRONG_PARAMETERS)
def test_arrays_parameters_are_checked(wrong: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=re.escape(words)):
        arrays.Parameters.model_validate(wrong)


# ---- the stage ------------------------------------------------------------------------------------------------------


def test_import_writes_a_dataset_like_any_other(tmp_path: Path) -> None:
    source, target = write_idx_folder(tmp_path / "raw", packed=True), tmp_path / "data" / "digits"
    card = ingest("digits", source, "idx", SMALL, target)
    dataset = Dataset(target)
    assert dataset.card == card and (card.name, card.source, card.seed) == ("digits", "idx", None)
    assert card.parameters == SMALL.model_dump(mode="json")
    np.testing.assert_array_equal(dataset.split("validation")["x"], IMAGES[6:])
    assert str(tmp_path) not in (target / "card.json").read_text()

    plain = ingest("digits", write_idx_folder(tmp_path / "plain"), "idx", SMALL, tmp_path / "other" / "digits")
    assert plain == card  # the same content, however it was packed


def test_a_failed_import_leaves_what_was_there(tmp_path: Path) -> None:
    source, target = write_idx_folder(tmp_path / "raw"), tmp_path / "data" / "digits"
    ingest("digits", source, "idx", SMALL, target)
    before = {path.name: path.read_bytes() for path in target.iterdir()}
    (source / TRAIN_IMAGES).write_bytes(WHOLE[:-1])
    with refused("cut off"):
        ingest("digits", source, "idx", SMALL, target)
    with refused("cut off"):
        ingest("new", source, "idx", SMALL, tmp_path / "data" / "new")
    assert {path.name: path.read_bytes() for path in target.iterdir()} == before
    assert [path.name for path in target.parent.iterdir()] == ["digits"]


def test_import_names_the_key_that_is_wrong(tmp_path: Path) -> None:
    source, target = write_idx_folder(tmp_path / "raw"), tmp_path / "data" / "digits"
    with refused("params.yaml, imports.digits.path: ", "nowhere does not exist"):
        ingest("digits", tmp_path / "nowhere", "idx", SMALL, target)
    with refused("params.yaml, imports.digits.format: no formats/idy.py", "did you mean 'idx'", "arrays"):
        ingest("digits", source, "idy", SMALL, target)
    with refused("params.yaml, imports.digits.parameters.classes: a listed twice"):
        ingest("digits", source, "idx", idx.Parameters(validation=3, classes=["a", "b", "a"]), target)
    (source / "t10k-images-idx3-ubyte").write_bytes(idx_bytes(IMAGES[:2, :, :2]))
    with refused("params.yaml, imports.digits.path: examples differ in shape", "'train': [3, 4]", "'test': [3, 2]"):
        ingest("digits", source, "idx", SMALL, target)


@pytest.mark.parametrize("target", ["raw", "raw/digits", "."])
def test_import_never_writes_over_its_own_source(tmp_path: Path, target: str) -> None:
    source = write_idx_folder(tmp_path / "raw")
    with refused("params.yaml, imports.digits.path: ", "overlaps the output"):
        ingest("digits", source, "idx", SMALL, tmp_path / target)
    assert len(list(source.iterdir())) == 4


def test_symbols_may_differ_in_length_between_splits(tmp_path: Path) -> None:
    stored: dict[str, Any] = {
        f"{split}_x": np.zeros((2, length), np.uint8)
        for split, length in (("train", 5), ("validation", 5), ("test", 9))
    }
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **stored)
    path = tmp_path / "text.npz"
    path.write_bytes(buffer.getvalue())
    parameters = arrays.Parameters(layout="symbols", vocabulary=["a"])
    ingest("text", path, "arrays", parameters, tmp_path / "data" / "text")
    card = json.loads((tmp_path / "data" / "text" / "card.json").read_text())
    assert card["splits"]["test"]["x"]["shape"] == [2, 9]
