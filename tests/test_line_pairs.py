"""Two files of lines that belong together, in words and in subwords; and subwords themselves."""

import base64
import gzip
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sacrebleu
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from pipeline.dataset import Dataset, Description
from pipeline.errors import UserError
from pipeline.formats import line_pairs
from pipeline.stages.ingest import ingest
from pipeline.text.subwords import divide, join, learn, vocabulary_of
from pipeline.text.tokenizers import prose, text_of, tokenize
from pipeline.text.vocabulary import ANSWER_RESERVED
from pipeline.views import open_view

MULTI30K = Path(__file__).parents[2] / "shared/data/multi30k"
SIDES = {side: {split: f"{split}.{side}" for split in ("train", "validation", "test")} for side in ("en", "de")}
NAMES = {"source": SIDES["en"], "target": SIDES["de"]}
LINES = {
    "train.en": "A dog runs.\n\nTwo dogs run.\nA <s> cat\n",
    "train.de": "Ein Hund läuft.\n \nZwei Hunde laufen.\nEine <s> Katze\n",
    "validation.en": "A cat runs.",
    "validation.de": "Eine Katze läuft.",
    "test.en": "\ufeffTwo unseen  dogs.\r\n",
    "test.de": "Zwei unerhörte\u2028Hunde.\r\n",
}
TEXTS = ["low lower lowest", "new newer newest", "wide wider widest", "slow slower slowest"] * 5


def written(folder: Path, changes: dict[str, str | bytes | None] | None = None) -> Path:
    for name, content in (LINES | (changes or {})).items():
        if content is not None:
            (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder


def parameters(**options: Any) -> line_pairs.Parameters:
    return line_pairs.Parameters.model_validate(NAMES | options)


def texts(found: tuple[Any, Description], split: str) -> list[tuple[str, str, str]]:
    """What is read, what is to be written by its tokens, and the reference."""
    arrays, description = found[0][split], found[1]
    view = open_view("text_to_text", description, "here")
    asked = view.in_units(view.targets(arrays, description), arrays["x"], description)
    given = view.as_given(arrays, description)
    return list(zip(given.tolist(), asked.tolist(), view.references(arrays, description).tolist(), strict=True))


def test_pairs_of_lines_are_tokens_of_both_sides_and_the_lines_that_are_to_be_written(tmp_path: Path) -> None:
    found = line_pairs.read(written(tmp_path), parameters())
    splits, description = found
    answers = description.answers
    assert answers is not None and tuple(answers.vocabulary[:4]) == ANSWER_RESERVED
    assert (description.vocabulary or [])[:4] == ["<pad>", "<unk>", ".", "a"]
    assert answers.vocabulary[4:6] == [".", "<"] and description.lowercase and answers.tokenizer == "words"
    assert texts(found, "train")[:2] == [
        ("a dog runs .", "ein hund läuft.", "ein hund läuft."),
        ("two dogs run .", "zwei hunde laufen.", "zwei hunde laufen."),
    ]
    # No training line has these words; white space of any kind is a space; the mark at the beginning is none of it.
    assert texts(found, "test") == [("two <unk> dogs .", "zwei <unk> hunde.", "zwei unerhörte hunde.")]
    assert description.text == "5 pairs of lines; 13 and 16 tokens told apart; 1 pairs of empty lines left out"
    assert splits["validation"]["x"].shape == (1, 4) and splits["train"]["length"].tolist() == [4, 4, 5]
    assert splits["train"]["y_length"].dtype == np.int32 and splits["test"]["reference"].dtype == np.uint8
    assert description.padded and not description.disjoint and description.classes is None


def test_reserved_tokens_are_no_words_of_a_line(tmp_path: Path) -> None:
    splits, description = line_pairs.read(written(tmp_path), parameters(tokenizer="spaces", lowercase=False))
    assert description.answers is not None
    assert splits["train"]["y"][2].tolist()[:3] == [
        description.answers.vocabulary.index("Eine"),
        1,
        description.answers.vocabulary.index("Katze"),
    ]
    assert not description.lowercase and "<s>" in (description.vocabulary or [])


def test_rare_words_are_unknown_and_long_pairs_are_left_out_but_for_the_test_split(tmp_path: Path) -> None:
    changes: dict[str, str | bytes | None] = {"train.en": "a b\na c d e\nb a\n", "train.de": "x y\nx y\nx x x x x\n"}
    changes |= {"validation.en": "a\n" + "a " * 9, "validation.de": "x\nx"}
    changes |= {"test.en": "a " * 10_000, "test.de": "x"}
    found = line_pairs.read(written(tmp_path, changes), parameters(longest=4, min_count=2, vocabulary_size=5))
    splits, description = found
    assert [len(splits[split]["x"]) for split in ("train", "validation", "test")] == [2, 1, 1]
    assert splits["test"]["length"].tolist() == [10_000]
    assert description.vocabulary == ["<pad>", "<unk>", "a"]
    assert description.answers is not None and description.answers.vocabulary[4:] == ["x"]
    assert description.text.endswith("; 2 pairs of more than 4 tokens left out")
    assert texts(found, "train")[1][1:] == ("x <unk>", "x y")


def test_compressed_files_and_plain_ones_are_the_same(tmp_path: Path) -> None:
    compressed = {f"{name}.gz": gzip.compress(content.encode()) for name, content in LINES.items()}
    (tmp_path / "plain").mkdir()
    (tmp_path / "gz").mkdir()
    names = {side: {split: f"{name}.gz" for split, name in files.items()} for side, files in NAMES.items()}
    first = line_pairs.read(written(tmp_path / "plain"), parameters())
    for name, content in compressed.items():
        (tmp_path / "gz" / name).write_bytes(content)
    second = line_pairs.read(tmp_path / "gz", line_pairs.Parameters.model_validate(names))
    assert first[1] == second[1]
    for split, arrays in first[0].items():
        for name, values in arrays.items():
            np.testing.assert_array_equal(second[0][split][name], values)


@pytest.mark.parametrize(
    ("changes", "options", "message"),
    [
        ({"train.en": "a\nb\nc\n"}, {}, r"train\.en has 3 lines and .*train\.de has 4; allowed: as many"),
        (
            {"train.de": LINES["train.de"] + "x\n" * 1200},
            {},
            r"train\.en has 4 lines and .*train\.de has 1,204; allowed",
        ),
        (
            {"test.en": "a\n\nb\n", "test.de": "x\ny\nz\n"},
            {},
            r"test\.en:2: the line is empty and line 2 of test\.de is",
        ),
        (
            {"test.en": "a\nb\n", "test.de": "x\n \t\n"},
            {},
            r"test\.de:2: the line is empty and line 2 of test\.en is not",
        ),
        ({"train.de": b"x\ny\nz\nf\xfcr\n"}, {}, r"train\.de:4: not text in UTF-8: .*; convert the file to UTF-8"),
        ({"validation.en": "", "validation.de": ""}, {}, r"validation\.en: is empty; allowed: one text a line"),
        (
            {"validation.en": "\n\n", "validation.de": "\n\n"},
            {},
            r"validation\.en: is empty; allowed: one text a line",
        ),
        ({"train.en": " \n", "train.de": "\n"}, {"tokenizer": "subwords"}, r"train\.en: is empty; allowed"),
        ({}, {"longest": 2}, r"train\.en: no line is a pair of 1 to 2 tokens; allowed: some"),
        ({"test.de": None}, {}, r"test\.de: no such file; did you mean 'test\.en'\? Allowed: test\.en"),
        ({}, {"min_count": 9}, "min_count is 9, and no token of the training texts occurs so often"),
        (
            {},
            {"tokenizer": "subwords", "vocabulary_size": 9},
            r"vocabulary_size is 9; allowed: at least 19, as each of the 15 characters of the training texts is",
        ),
    ],
)
def test_files_that_cannot_be_meant_are_refused(tmp_path: Path, changes: Any, options: Any, message: str) -> None:
    with pytest.raises(UserError, match=message):
        line_pairs.read(written(tmp_path, changes), parameters(**options))


def test_a_file_that_is_no_folder_or_not_whole_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"gone: no such folder; allowed: a folder with the files of both sides"):
        line_pairs.read(tmp_path / "gone", parameters())
    packed = gzip.compress(("word " * 5000 + "\n").encode() * 20)
    for content in (packed[: len(packed) // 2], b"no gzip at all", packed[:20] + b"\xff" * 20 + packed[40:]):
        files = {"train": "a.gz", "validation": "a.gz", "test": "a.gz"}
        (tmp_path / "a.gz").write_bytes(content)
        with pytest.raises(UserError, match=r"a\.gz: not a whole \.gz file: .*, after line \d+"):
            line_pairs.read(tmp_path, line_pairs.Parameters.model_validate({"source": files, "target": files}))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"lowercase": False},
            "lowercase is false and tokenizer is words, which are; allowed: another tokenizer, or true",
        ),
        ({"tokenizer": "subwords", "min_count": 2}, "min_count is 2 and tokenizer is subwords; allowed: 1"),
        ({"vocabulary_size": 4}, "greater than or equal to 5"),
        ({"source": {"train": "a", "test": "b"}}, "source.validation"),
        ({"tokenizer": "bpe"}, "'words', 'characters', 'spaces' or 'subwords'"),
        ({"columns": 2}, "Extra inputs"),
    ],
)
def test_parameters_that_do_not_go_together_are_refused(options: Any, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        parameters(**options)


def test_subwords_are_the_most_frequent_pairs_and_the_same_each_time() -> None:
    model = learn(TEXTS, 30)
    vocabulary = vocabulary_of(model)
    assert tuple(vocabulary[:4]) == ANSWER_RESERVED and len(vocabulary) == len(set(vocabulary)) <= 30
    assert vocabulary[4:7] == ["lo", "we", "st"]  # which stand there 30, 30 and 20 times
    assert model == learn([*TEXTS], 30) and base64.b64decode(model)
    assert divide("lowest low", model) == ["▁", "lowest", "▁", "low"]
    assert learn(TEXTS, 25) != model


@given(st.lists(st.text("abcdelnorstw", min_size=1, max_size=9), max_size=6).map(" ".join))
def test_a_text_is_what_its_subwords_are_joined_to(text: str) -> None:
    model = learn(TEXTS, 30)
    parts = tokenize(text, "subwords", model)
    assert text_of(parts, "subwords", model) == text == join(divide(text, model), model)


def test_an_unknown_character_is_an_unknown_subword_and_stays_in_its_text() -> None:
    model = learn(TEXTS, 30)
    parts = divide("new x9 slow", model)
    assert join(parts, model) == "new x9 slow"
    assert {part for part in parts if part not in vocabulary_of(model)} == {"x9"}
    assert divide("", model) == [] and join([], model) == ""


def test_texts_of_words_are_written_as_people_write() -> None:
    text = 'a man\'s t-shirt, (red [or so]); "yes!"'
    tokens = tokenize(text, "words")
    assert prose(tokens, "words") == 'a man\'s t-shirt, (red [or so]); " yes! "'
    assert tokenize(prose(tokens, "words"), "words") == tokens
    assert prose(["a", "."], "spaces") == "a ."


@given(st.lists(st.sampled_from(["a", "b'c", "<unk>", *".,;:!?-()[]\"'"]), max_size=12))
def test_what_people_write_has_the_same_words(tokens: list[str]) -> None:
    assert tokenize(prose(tokens, "words"), "words") == tokenize(" ".join(tokens), "words")


@pytest.mark.skipif(not MULTI30K.is_dir(), reason="no Multi30k here")
@pytest.mark.slow
@pytest.mark.parametrize("options", [{"min_count": 2}, {"tokenizer": "subwords", "vocabulary_size": 6000}], ids=str)
def test_multi30k_is_read_whole(tmp_path: Path, options: Any) -> None:
    names = {"train": "train", "validation": "val", "test": "test_2016_flickr"}
    files = {
        side: {split: f"{name}.{language}.gz" for split, name in names.items()}
        for side, language in (("source", "en"), ("target", "de"))
    }
    chosen = line_pairs.Parameters.model_validate(files | {"vocabulary_size": 20_000} | options)
    card = ingest("multi30k", MULTI30K, "line_pairs", chosen, tmp_path / "multi30k")
    assert [card.num_examples(split) for split in ("train", "validation", "test")] == [29_000, 1_014, 1_000]
    assert card.answers is not None
    if card.tokenizer == "subwords":
        assert len(card.vocabulary or []) == len(card.answers.vocabulary) == 6000
    else:
        lines = gzip.decompress((MULTI30K / "train.de.gz").read_bytes()).decode().lower()
        counts = Counter(tokenize(lines, "words"))
        assert {*card.answers.vocabulary[4:]} == {word for word, count in counts.items() if count >= 2}
    dataset = Dataset(tmp_path / "multi30k")
    view, test = open_view("text_to_text", card, "here"), dataset.split("test")
    asked, references = view.in_units(view.targets(test, card), test["x"], card), view.references(test, card)
    known = [row for row, text in enumerate(asked.tolist()) if "<unk>" not in text and "⁇" not in text]
    score = sacrebleu.corpus_bleu(asked[known].tolist(), [references[known].tolist()]).score
    assert score > 99.5  # nothing is lost between a line and its tokens
    assert len(known) > 600
