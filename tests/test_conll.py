"""Tagged text in CoNLL's form: what is read of it, and what is said of files that cannot be meant."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.dataset import SPLITS, Arrays, Description
from pipeline.errors import UserError
from pipeline.formats.conll import Parameters, read
from pipeline.text.tagging import Scheme, spans

WNUT17 = Path(__file__).parents[2] / "shared/data/wnut17_ner"
TRAIN = "-DOCSTART- O\n\nAnn B-person\nsaw O\nNew B-place\nYork I-place\n\nBob B-person\n"
VALIDATION = "Ann B-person\n"
TEST = "York B-place\nwaits O\n"


def written(folder: Path, train: str | bytes = TRAIN, validation: str = VALIDATION, test: str = TEST) -> Path:
    for name, content in (("train", train), ("validation", validation), ("test", test)):
        path = folder / f"{name}.txt"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder


def reading(folder: Path, **options: Any) -> tuple[dict[str, Arrays], Description]:
    return read(folder, Parameters(train="train.txt", validation="validation.txt", test="test.txt", **options))


def sentences(found: tuple[dict[str, Arrays], Description], split: str = "train") -> list[list[tuple[str, str]]]:
    splits, description = found
    words, tags, arrays = description.vocabulary or [], description.classes or [], splits[split]
    return [
        [(words[word], tags[tag]) for word, tag in zip(x[:length], y[:length], strict=True)]
        for x, y, length in zip(arrays["x"], arrays["y"], arrays["length"], strict=True)
    ]


def test_sentences_and_tags_are_read_and_the_vocabulary_is_that_of_training(tmp_path: Path) -> None:
    found = reading(written(tmp_path))
    assert sentences(found) == [
        [("Ann", "B-person"), ("saw", "O"), ("New", "B-place"), ("York", "I-place")],
        [("Bob", "B-person")],
    ]
    assert sentences(found, "test") == [[("York", "B-place"), ("<unk>", "O")]]
    splits, description = found
    assert description.classes == ["O", "B-person", "I-person", "B-place", "I-place"]
    assert description.vocabulary is not None and set(description.vocabulary[2:]) == {
        "Ann",
        "saw",
        "New",
        "York",
        "Bob",
    }
    assert (description.layout, description.tokenizer, description.padded) == ("texts", "spaces", True)
    assert "4 sentences of 8 tokens with 5 names" in description.text
    assert splits["train"]["x"].shape == (2, 4) and splits["train"]["x"][1, 1:].tolist() == [0, 0, 0]
    assert splits["test"]["x"].shape == (1, 2)


def test_columns_separators_and_line_ends_may_be_others(tmp_path: Path) -> None:
    expected = sentences(reading(written(tmp_path)))
    tabs = TRAIN.replace(" ", "\tNN\t").replace("\n", "\r\n").replace("\r\n\r\n", "\r\n\t\r\n")
    other = [text.replace(" ", "\tNN\t") for text in (VALIDATION, TEST)]
    for separator in ("tab", "spaces"):
        folder = written(tmp_path, "\ufeff" + tabs, *other)
        assert sentences(reading(folder, separator=separator, token_column=1, tag_column=3)) == expected
    turned = ["\n".join(" ".join(reversed(line.split())) for line in text.split("\n")) for text in (VALIDATION, TEST)]
    train = "\n".join(" ".join(reversed(line.split())) for line in TRAIN.split("\n")[2:])
    assert sentences(reading(written(tmp_path, train, *turned), token_column=-1, tag_column=1)) == expected


def test_characters_are_tokens_like_any_other(tmp_path: Path) -> None:
    text = "北 B-地\n京 I-地\n很 O\n大 O\n"
    found = reading(written(tmp_path, text, text, text))
    assert sentences(found) == [[("北", "B-地"), ("京", "I-地"), ("很", "O"), ("大", "O")]]


@pytest.mark.parametrize("scheme", ["iob1", "iobes"])
def test_schemes_of_files_become_the_one_that_is_learned(tmp_path: Path, scheme: Scheme) -> None:
    tags = {"iob1": ("I-p", "I-q", "I-q", "B-q"), "iobes": ("S-p", "B-q", "E-q", "S-q")}[scheme]
    text = "\n".join(f"{token} {tag}" for token, tag in zip("abcd", tags, strict=True))
    found = reading(written(tmp_path, text, text, text), scheme=scheme)
    assert [tag for _, tag in sentences(found)[0]] == ["B-p", "B-q", "I-q", "B-q"]
    learned = reading(written(tmp_path, text, text, text), scheme=scheme, tags="iobes")
    assert [tag for _, tag in sentences(learned)[0]] == ["S-p", "B-q", "E-q", "S-q"]


def test_of_rare_words_the_shape_is_known(tmp_path: Path) -> None:
    found = reading(written(tmp_path, TRAIN + "\nAnn B-person\n"), min_count=2)
    assert [word for word, _ in sentences(found)[0]] == ["Ann", "<unk:small>", "<unk:Capitalised>", "<unk:Capitalised>"]


def test_sentences_beyond_the_limit_are_divided_between_names_and_counted(tmp_path: Path) -> None:
    found = reading(written(tmp_path), longest=3)
    assert [[word for word, _ in sentence] for sentence in sentences(found)] == [
        ["Ann", "saw"],
        ["New", "York"],
        ["Bob"],
    ]
    assert [tag for sentence in sentences(found) for _, tag in sentence] == [
        tag for sentence in sentences(reading(tmp_path)) for _, tag in sentence
    ]
    assert found[1].text.endswith("; 1 longer than 3 tokens are divided into 2 pieces")
    assert "longer" not in reading(tmp_path, longest=4)[1].text
    with pytest.raises(UserError, match=r"train.txt:5: a name of more than 1 tokens; allowed: a larger 'longest'"):
        reading(tmp_path, longest=1)


@pytest.mark.parametrize(
    ("contents", "options", "message"),
    [
        ({"train": ""}, {}, r"train.txt: holds no sentence"),
        ({"train": "\n-DOCSTART- O\n\n"}, {}, r"train.txt: holds no sentence"),
        ({"train": "Ann O\n"}, {}, r"train.txt: all tags are O; allowed: some that mark spans"),
        ({"train": "Ann B-person\nB\xfcrgi O\n".encode("latin-1")}, {}, r"train.txt:2: not text in UTF-8"),
        ({"train": "Ann B-person\nsaw\n"}, {"tag_column": 2}, r"train.txt:2: found 1 columns, and none is number 2"),
        (
            {"train": "Ann B-person\nsaw O\n"},
            {"token_column": -3},
            r"train.txt:1: found 2 columns, and none is number -3",
        ),
        ({"train": "Ann B-person\n\nsaw O\nit I-place\n"}, {}, r"train.txt:4: tag 'I-place' after O"),
        ({"test": "York B-place\nis X-place\n"}, {}, r"test.txt:2: tag 'X-place'; allowed: O, or a letter"),
        ({"test": "York S-place\n"}, {}, r"test.txt:1: tag 'S-place' is not of the scheme bio; allowed: O, B-<type>"),
        (
            {"test": "is O\nYork B-plaec\n"},
            {},
            r"test.txt:2: type 'plaec', which no training sentence has; did you mean 'p",
        ),
        ({"train": "New York\tB-place\n"}, {"separator": "tab"}, r"train.txt:1: token 'New York'; allowed: one word"),
        ({"train": "\tB-place\n"}, {"separator": "tab"}, r"train.txt:1: token ''; allowed: one word"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_file_and_line(
    tmp_path: Path, contents: dict[str, Any], options: dict[str, Any], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        reading(written(tmp_path, **contents), **options)


def test_missing_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"train.txt: no such file; allowed: none exist"):
        reading(tmp_path)
    with pytest.raises(UserError, match=r"nowhere: no such folder"):
        reading(tmp_path / "nowhere")


@pytest.mark.parametrize("columns", [(0, 1), (1, 0), (2, 2)])
def test_columns_are_counted_from_one_and_are_two(columns: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="allowed: two columns, counted from 1"):
        Parameters(train="a", validation="b", test="c", token_column=columns[0], tag_column=columns[1])


@pytest.mark.skipif(not WNUT17.is_dir(), reason="WNUT17 is not here")
def test_wnut17_has_its_published_counts() -> None:
    files = ("wnut17train.conll", "emerging.dev.conll", "emerging.test.annotated")
    found = read(WNUT17, Parameters(**dict(zip(SPLITS, files, strict=True)), separator="tab"))
    read_as = {split: sentences(found, split) for split in SPLITS}
    assert [len(read_as[split]) for split in SPLITS] == [3394, 1009, 1287]
    assert [sum(map(len, read_as[split])) for split in SPLITS] == [62730, 15733, 23394]
    counts = {split: sum(len(spans([tag for _, tag in one])) for one in each) for split, each in read_as.items()}
    assert list(counts.values()) == [1975, 836, 1079]
    assert len(found[1].classes or []) == 13
    for split in SPLITS:
        assert np.array_equal((found[0][split]["x"] > 0).sum(axis=1), found[0][split]["length"])
