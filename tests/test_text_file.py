"""Text files as windows of characters: by position, with the vocabulary of the training text alone."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from found import ROOT
from pydantic import ValidationError

from pipeline.checking.content import check_dataset
from pipeline.dataset import SPLITS, Arrays, Dataset, Description
from pipeline.errors import UserError
from pipeline.formats.text_file import Parameters, read
from pipeline.stages.ingest import ingest

SHAKESPEARE = ROOT.parent / "shared/data/tinyshakespeare/input.txt"
SIXTHS = {"validation_share": 1 / 6, "test_share": 1 / 6}
LETTERS = "abcdefghijklmnopqrstuvwxyz"


def read_text(folder: Path, text: str | bytes, **options: Any) -> tuple[dict[str, Arrays], Description]:
    path = folder / "book.txt"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return read(path, Parameters.model_validate({"window": 3, "step": 1} | options))


def texts(arrays: Arrays, description: Description) -> list[str]:
    """The windows as they are read."""
    vocabulary = ["?", *(description.vocabulary or [])[1:]]
    return ["".join(vocabulary[index] for index in row) for row in arrays["x"]]


def test_the_text_is_divided_by_position_and_no_window_crosses(tmp_path: Path) -> None:
    text = "abcdefgh" + "abcd" + "defgh" + "abc"
    splits, description = read_text(tmp_path, text, validation_share=0.25, test_share=0.25)
    assert len(text) == 20
    assert texts(splits["train"], description) == [text[start : start + 4] for start in range(7)]
    assert texts(splits["validation"], description) == [text[10:14]]
    assert texts(splits["test"], description) == [text[15:19]]
    assert description.vocabulary == ["<unk>", *"abcdefgh"] and description.layout == "symbols"
    assert {arrays["x"].dtype for arrays in splits.values()} == {np.dtype(np.uint8)}
    assert not description.disjoint and not description.ceilings


@pytest.mark.parametrize(("step", "evaluation_step"), [(1, None), (3, 1), (7, 2)])
def test_windows_begin_every_so_many_characters(tmp_path: Path, step: int, evaluation_step: int | None) -> None:
    text = LETTERS * 10
    splits, description = read_text(tmp_path, text, step=step, evaluation_step=evaluation_step)
    assert texts(splits["train"], description) == [text[k : k + 4] for k in range(0, 208 - 3, step)]
    own = evaluation_step or 3  # each character of the stretch is then predicted once
    assert texts(splits["test"], description) == [text[k : k + 4] for k in range(234, 260 - 3, own)]


def test_rare_characters_and_those_that_the_training_text_lacks_are_unknown(tmp_path: Path) -> None:
    splits, description = read_text(tmp_path, "aabbaabbaabbaabZ" + "aXYa" + "aaXb", least_count=2, **SIXTHS)
    assert description.vocabulary == ["<unk>", "a", "b"]
    assert texts(splits["train"], description)[-1] == "aab?"
    assert texts(splits["validation"], description) == ["a??a"]
    assert description.text.endswith("<unk> are 1 of train, 2 of validation, 1 of test")


def test_any_characters_may_come(tmp_path: Path) -> None:
    many = "".join(map(chr, range(0x4E00, 0x4E00 + 300)))
    splits, description = read_text(tmp_path, many * 4 + "𝄞é" * 10)
    assert splits["train"]["x"].dtype == np.uint16 and len(description.vocabulary or []) == 301
    assert texts(splits["train"], description)[0] == many[:4]


def test_a_folder_is_one_text_in_the_order_of_its_names(tmp_path: Path) -> None:
    folder = tmp_path / "books"
    (folder / "b").mkdir(parents=True)
    (folder / "a.txt").write_bytes(b"\xef\xbb\xbfabab\r\nab\rab")  # a byte-order mark, and two kinds of line ends
    (folder / "b" / "one.txt").write_text("cdcdcdcdcd")
    (folder / ".DS_Store").write_bytes(b"\xff\xfe")
    splits, description = read(folder, Parameters(window=2, step=1, validation_share=0.2, test_share=0.2))
    assert description.vocabulary == ["<unk>", "\n", "a", "b", "c", "d"]
    assert "".join(window[0] for window in texts(splits["train"], description)) == "abab\nab\nab"


REFUSED: dict[str, tuple[str | bytes, dict[str, Any], tuple[str, ...]]] = {
    "empty": ("", {}, ("book.txt", "is empty")),
    "white space": (" \n\n", {}, ("book.txt", "is empty")),
    "latin-1": ("erste Zeile\nGrüße\n".encode("latin-1"), {}, ("book.txt:2", "not text in UTF-8", "0xfc")),
    "utf-16": ("ab".encode("utf-16"), {}, ("book.txt:1", "not text in UTF-8")),
    "short": (LETTERS, {"window": 10}, ("validation split has 2 of 26 characters", "at least 11", "window of 10")),
    "very short": (LETTERS, {"window": 30}, ("train split has 22 of 26 characters", "at least 31")),
    "one character": ("a" * 100, {}, ("1 characters occur 1 times and more", "2 characters and more")),
    "all rare": (LETTERS * 4, {"least_count": 9}, ("0 characters occur 9 times",)),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_read_is_refused(tmp_path: Path, case: str) -> None:
    text, options, words = REFUSED[case]
    with pytest.raises(UserError, match="(?s)" + "".join(f"(?=.*{re.escape(word)})" for word in words)):
        read_text(tmp_path, text, **options)


def test_a_folder_without_files_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="an empty folder; allowed: a text file, or a folder of text files"):
        read(tmp_path, Parameters(window=2, step=1))


def test_shares_must_leave_something_to_train_on() -> None:
    with pytest.raises(ValidationError, match="leave nothing to train on"):
        Parameters(window=2, step=1, validation_share=0.5, test_share=0.5)


def test_an_imported_text_passes_its_checks(tmp_path: Path) -> None:
    path = tmp_path / "raw.txt"
    path.write_text("to be or not to be, that is the question. " * 60)
    ingest("own", path, "text_file", Parameters(window=20, step=5), tmp_path / "own")
    checks = check_dataset(Dataset(tmp_path / "own"), imported=True)
    assert not checks.errors


@pytest.mark.skipif(not SHAKESPEARE.is_file(), reason="the file is not here")
def test_tiny_shakespeare_has_the_characters_that_others_count() -> None:
    splits, description = read(SHAKESPEARE, Parameters(window=100, step=25, validation_share=0.05, test_share=0.05))
    assert description.text == "1,115,394 characters of input.txt; <unk> are 0 of train, 0 of validation, 0 of test"
    assert len(description.vocabulary or []) == 1 + 65
    assert {split: len(splits[split]["x"]) for split in SPLITS} == {"train": 40_151, "validation": 557, "test": 557}
