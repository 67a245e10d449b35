"""Texts in files of the user: what is read, what is numbered after the training texts alone, and what is refused."""

import csv
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.checking.content import check_dataset
from pipeline.dataset import Arrays, Dataset, Description
from pipeline.errors import UserError
from pipeline.formats import text_folders, text_table
from pipeline.stages.ingest import ingest

IMDB = Path(__file__).parents[2] / "shared/data/imdb/aclImdb_labelled.tar.gz"
FILES = {
    "train/pos/0_9.txt": "A good film!<br /><br />Good.",
    "train/pos/1_8.txt": "good",
    "train/neg/0_1.txt": "a bad film",
    "train/neg/1_2.txt": "BAD, bad",
    "val/pos/0_9.txt": "unseen",
    "val/neg/0_1.txt": "bad",
    "test/pos/0_7.txt": "good unheard",
    "test/neg/0_3.txt": "bad a",
}
SPLITS = ("train", "validation", "test")


def written(folder: Path, files: dict[str, str | bytes]) -> Path:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder


def texts(arrays: Arrays, description: Description) -> list[str]:
    vocabulary = description.vocabulary or []
    rows = zip(arrays["x"], arrays["length"], strict=True)
    return [" ".join(vocabulary[token] for token in row[:end]) for row, end in rows]


def test_folders_are_read_as_splits_and_classes(tmp_path: Path) -> None:
    splits, description = text_folders.read(written(tmp_path, FILES), text_folders.Parameters())
    assert description.classes == ["neg", "pos"] and description.layout == "texts" and description.padded
    assert (description.vocabulary or [])[:6] == ["<pad>", "<unk>", "bad", "good", "a", "film"]
    assert texts(splits["train"], description) == ["a bad film", "bad , bad", "a good film ! good .", "good"]
    assert texts(splits["validation"], description) == ["bad", "<unk>"]  # no training text has it
    assert texts(splits["test"], description) == ["bad a", "good <unk>"]
    assert splits["train"]["y"].tolist() == [0, 0, 1, 1] and splits["train"]["x"].dtype == np.uint16
    assert description.text == "8 texts in 2 classes, one a file; 9 tokens told apart"


def test_other_folders_and_files_are_left_alone(tmp_path: Path) -> None:
    more = {
        "train/unsup/0_0.txt": "no label",
        "train/urls_pos.txt": "http://",
        "train/pos/notes.md": "no text",
        "README": "r",
    }
    folder = written(tmp_path, FILES | more)
    splits, description = text_folders.read(folder, text_folders.Parameters(classes=["pos", "neg"]))
    assert description.classes == ["pos", "neg"] and splits["train"]["y"].tolist() == [0, 0, 1, 1]
    assert "2 classes, one a file; left out beside them are 1 other files; 9 tokens" in description.text
    with pytest.raises(UserError, match=r"test/unsup: no \*\.txt files there; .* under 'classes'"):
        text_folders.read(folder, text_folders.Parameters())


def test_without_a_folder_of_its_own_validation_takes_a_share_that_stays(tmp_path: Path) -> None:
    many = {
        f"{split}/{name}/{n}.txt": f"{name} {name}{split}{n}"
        for split in ("train", "test")
        for name in "ab"
        for n in range(200)
    }
    parameters = text_folders.Parameters(validation_share=0.2)
    splits, description = text_folders.read(written(tmp_path, many), parameters)
    chosen = set(texts(splits["validation"], description))
    assert len(splits["validation"]["y"]) + len(splits["train"]["y"]) == 400
    assert 50 < len(splits["validation"]["y"]) < 110
    assert set(splits["validation"]["y"].tolist()) == {0, 1} and chosen == {"a <unk>", "b <unk>"}
    written(tmp_path, {f"train/a/new{n}.txt": "a" for n in range(100)})
    again, _ = text_folders.read(tmp_path, parameters)
    assert again["validation"]["y"].tolist().count(1) == splits["validation"]["y"].tolist().count(1)
    one = {"train/a/1.txt": "a", "train/b/1.txt": "b", "test/a/1.txt": "a", "test/b/1.txt": "b"}
    with pytest.raises(UserError, match=r"train: validation_share 0.01 takes 0 of 2 files; allowed: a share"):
        text_folders.read(written(tmp_path / "few", one), text_folders.Parameters(validation_share=0.01))


def test_texts_that_are_cut_are_counted_and_reported(tmp_path: Path) -> None:
    ingest(
        "own", written(tmp_path / "raw", FILES), "text_folders", text_folders.Parameters(longest=2), tmp_path / "own"
    )
    dataset = Dataset(tmp_path / "own")
    assert dataset.card.cut == {"train": 3, "validation": 0, "test": 0}
    assert dataset.card.text.endswith("3 texts cut to 2 tokens")
    assert any("texts of more than 2 tokens" in finding.line() for finding in check_dataset(dataset, True).findings)


BAD_FOLDERS: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    ({"train/pos/2_9.txt": ""}, {}, r"train/pos/2_9\.txt: the text is empty; allowed: at least one token \(words\)"),
    ({"test/pos/2_9.txt": "<br /> \n"}, {}, r"test/pos/2_9\.txt: the text is empty"),
    ({"train/neg/7_1.txt": b"good\nd\xe9j\xe0 vu"}, {}, r"train/neg/7_1\.txt:2: not text in UTF-8: .* 0xe9"),
    (
        {"test/mixed/0_5.txt": "so so"},
        {},
        r"test/mixed: a class that the training files do not have; allowed: neg, pos",
    ),
    ({}, {"classes": ["pos", "bad"]}, r"train/bad: no \*\.txt files there; allowed: at least one for each class"),
    ({}, {"classes": ["pos", "neg/"]}, "classes: found 'neg/'; allowed: names of folders that lie side by side"),
    ({}, {"classes": ["pos", "neg", "pos"]}, "classes: found 'pos' twice; allowed: each once"),
    (
        {"validation/pos/1_9.txt": "fine", "val/pos/1_9.txt": "fine"},
        {},
        "found validation/ and val/; allowed: one of the two",
    ),
    ({}, {"min_count": 99}, "min_count is 99, and no token of the training texts occurs so often"),
]


@pytest.mark.parametrize(("files", "parameters", "message"), BAD_FOLDERS)
def test_a_folder_that_is_wrong_is_refused_with_the_file(
    tmp_path: Path, files: dict[str, Any], parameters: dict[str, Any], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        text_folders.read(written(tmp_path, FILES | files), text_folders.Parameters(**parameters))


def test_what_is_no_folder_of_texts_is_refused(tmp_path: Path) -> None:
    parameters = text_folders.Parameters()
    for name, message in (("gone", "gone: is no folder"), ("", "train: no such folder; allowed: one with a folder")):
        with pytest.raises(UserError, match=message):
            text_folders.read(tmp_path / name, parameters)
    with pytest.raises(UserError, match=r"test: no such folder; allowed: one like train/, or, .* a test_share"):
        text_folders.read(written(tmp_path / "untested", {"train/a/1.txt": "a", "train/b/1.txt": "b"}), parameters)
    with pytest.raises(UserError, match=r"train: folders with \*\.txt files: found pos; allowed: 2 and more"):
        text_folders.read(written(tmp_path, {"train/pos/1.txt": "a"}), parameters)


COLUMNS = ("text", "label", "part")
ROWS = [
    ("Good, very good", "ham", "train"),
    ('A "bad" film\nof two lines', "spam", "train"),
    ("good", "ham", "validation"),
    ("unseen", "spam", "test"),
]
OWN = {"text": "text", "label": "label", "split": "part"}


def table(path: Path, rows: list[tuple[str, ...]], columns: tuple[str, ...] = COLUMNS) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, delimiter="\t" if path.suffix == ".tsv" else ",").writerows([columns, *rows])
    return path


@pytest.mark.parametrize("name", ["own.csv", "own.tsv"])
def test_a_table_is_read_by_its_columns(tmp_path: Path, name: str) -> None:
    splits, description = text_table.read(table(tmp_path / name, ROWS), text_table.Parameters(**OWN))
    assert description.classes == ["ham", "spam"]
    assert texts(splits["train"], description) == ["good , very good", 'a " bad " film of two lines']
    assert [splits[split]["y"].tolist() for split in SPLITS] == [[0, 1], [0], [1]]
    assert texts(splits["test"], description) == ["<unk>"]


def test_without_quotes_a_quotation_mark_is_a_character(tmp_path: Path) -> None:
    path = tmp_path / "own.tsv"
    rows = ['5" of rain\tham\ttrain', '"x\tspam\ttrain', "a\tham\tvalidation", "b\tham\ttest"]
    path.write_text("\n".join(["text\tlabel\tpart", *rows]))
    splits, description = text_table.read(path, text_table.Parameters(**OWN, quoted=False))
    assert texts(splits["train"], description) == ['5 " of rain', '" x']
    with pytest.raises(UserError, match=r"own\.tsv:5: not a row: .*quoted: false"):
        text_table.read(path, text_table.Parameters(**OWN))


def test_without_a_column_of_splits_texts_are_dealt_by_themselves(tmp_path: Path) -> None:
    rows = [(f"word{n % 300} of {n % 300}", "ab"[n % 2]) for n in range(600)]  # each text twice
    parameters = text_table.Parameters(text="text", label="label", validation_share=0.2, test_share=0.3)
    splits, _ = text_table.read(table(tmp_path / "own.csv", rows, COLUMNS[:2]), parameters)
    counts = {split: len(splits[split]["y"]) for split in SPLITS}
    assert sum(counts.values()) == 600 and all(count % 2 == 0 for count in counts.values())
    assert abs(counts["test"] - 180) < 60 and abs(counts["validation"] - 120) < 60
    reversed_splits, _ = text_table.read(table(tmp_path / "turned.csv", rows[::-1], COLUMNS[:2]), parameters)
    assert {split: len(arrays["y"]) for split, arrays in reversed_splits.items()} == counts


BAD_TABLES: list[tuple[list[tuple[str, ...]], dict[str, Any], str]] = [
    (ROWS, {"text": "texts"}, r"own\.csv:1: no column 'texts'; did you mean 'text'\? Allowed: label, part, text"),
    (ROWS, {"split": None, "label": "labl"}, r"own\.csv:1: no column 'labl'; did you mean 'label'"),
    ([*ROWS, (" ", "ham", "train")], {}, r"own\.csv:7: the text is empty; allowed: at least one token"),
    ([*ROWS, ("good", "", "train")], {}, r"own\.csv:7: no label in column 'label'"),
    ([*ROWS, ("good", "ham")], {}, r"own\.csv:7: found 2 cells; allowed: 3, as many as columns"),
    (
        [*ROWS, ("good", "egg", "test")],
        {},
        r"own\.csv:7: label 'egg' is none of those to be learned; allowed: ham, spam",
    ),
    ([*ROWS, ("good", "ham", "dev")], {}, r"own\.csv:7: column 'part': found 'dev'; allowed: test, train, validation"),
    (ROWS[:3], {}, r"own\.csv: 3 rows, none of which is for test; allowed: at least one"),
    ([ROWS[0], ROWS[2], ROWS[3]], {}, r"own\.csv: column 'label': all training rows are 'ham'; allowed: 2 labels"),
    ([], {}, r"own\.csv: 0 rows, none of which is for train"),
]


@pytest.mark.parametrize(("rows", "parameters", "message"), BAD_TABLES)
def test_a_table_that_is_wrong_is_refused_with_the_line(
    tmp_path: Path, rows: list[tuple[str, ...]], parameters: dict[str, Any], message: str
) -> None:
    path = table(tmp_path / "own.csv", rows)
    with pytest.raises(UserError, match=message):
        text_table.read(path, text_table.Parameters(**OWN | parameters))


def test_a_file_that_is_no_table_is_refused(tmp_path: Path) -> None:
    parameters = text_table.Parameters(**OWN)
    for name, content, message in (
        ("own.txt", b"a", r"own\.txt: allowed: a file that ends in \.csv or \.tsv"),
        ("own.csv", b"", r"own\.csv:1: no column 'text'"),
        ("own.csv", b"text,label,part\ngood,ham,train\n\xff,ham,train\n", r"own\.csv:3: not text in UTF-8"),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(UserError, match=message):
            text_table.read(tmp_path / name, parameters)
    with pytest.raises(ValueError, match="leave nothing to train on"):
        text_table.Parameters(**OWN, validation_share=0.5, test_share=0.5)


@pytest.mark.full
@pytest.mark.skipif(not IMDB.is_file(), reason="IMDb's reviews are not here")
def test_imdb_is_read_whole_and_tokenised_in_time(tmp_path: Path) -> None:
    import tarfile

    with tarfile.open(IMDB) as archive:
        archive.extractall(tmp_path, filter="data")
    parameters = text_folders.Parameters(vocabulary_size=10_000, longest=100)
    started = time.process_time()
    splits, description = text_folders.read(tmp_path / "aclImdb", parameters)
    assert time.process_time() - started < 20
    assert [len(splits[split]["y"]) for split in ("train", "test")] == [25_000 - len(splits["validation"]["y"]), 25_000]
    assert len(description.vocabulary or []) == 10_000 and description.classes == ["neg", "pos"]
    assert splits["test"]["y"].mean() == 0.5 and (splits["test"]["length"] >= 1).all()
