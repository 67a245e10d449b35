"""Texts as tokens and tokens as numbers: what is found in a text, which words are known, and what a file may hold."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import UserError
from pipeline.text.reading import read_file, read_lines
from pipeline.text.tokenizers import text_of, tokenize
from pipeline.text.vocabulary import TextParameters, encode_splits, indices_of, most_frequent
from pipeline.text.word_shapes import shape_of

TRAIN = [["the", "film", "is", "good"], ["the", "film", "is", "bad"], ["the", "end"]]
TEST = [["the", "plot", "is", "good", "good"]]
SPLITS = {"train": TRAIN, "validation": [["end"]], "test": TEST}


def test_words_are_lower_cased_and_punctuation_stands_alone() -> None:
    text = "It's GREAT,<br /><br />isn’t it?! 10/10 for naïve Zoë & co_op"
    expected = ["it's", "great", ",", "isn’t", "it", "?", "!", "10", "/", "10", "for", "naïve", "zoë", "&", "co_op"]
    assert tokenize(text, "words") == expected
    assert tokenize("  'quoted' ", "words") == ["'", "quoted", "'"]


def test_characters_and_tokens_as_given() -> None:
    assert tokenize("Aé b\n", "characters") == ["A", "é", " ", "b", "\n"]
    assert tokenize(" EU\trejects  German\ncall. ", "spaces") == ["EU", "rejects", "German", "call."]


@given(st.text(st.characters(exclude_categories=["Cs"])), st.sampled_from(["words", "spaces", "characters"]))
def test_a_text_made_of_tokens_has_these_tokens(text: str, tokenizer) -> None:
    tokens = tokenize(text, tokenizer)
    assert tokenize(text_of(tokens, tokenizer), tokenizer) == tokens


def test_an_unknown_token_stays_one_token() -> None:
    for tokenizer in ("words", "spaces"):
        assert tokenize(text_of(["a", "<unk>", "b"], tokenizer), tokenizer) == ["a", "<unk>", "b"]
    assert tokenize(text_of(["a", "<unk>", "b"], "characters"), "characters") == ["a", "\ufffd", "b"]


def test_the_vocabulary_is_that_of_the_training_texts_by_frequency_and_then_by_name() -> None:
    encoded = encode_splits(SPLITS, TextParameters())
    assert encoded.vocabulary == ["<pad>", "<unk>", "the", "film", "is", "bad", "end", "good"]
    assert encoded.x["test"].tolist() == [[2, 1, 4, 7, 7]]  # no word of the training texts: unknown
    assert encoded.x["train"].tolist() == [[2, 3, 4, 7, 0], [2, 3, 4, 5, 0], [2, 6, 0, 0, 0]]
    assert encoded.length["train"].tolist() == [4, 4, 2] and encoded.length["test"].dtype == np.int32
    assert encoded.cut == {"train": 0, "validation": 0, "test": 0}


def test_rare_words_and_long_texts_are_cut_and_the_texts_are_counted() -> None:
    encoded = encode_splits(SPLITS, TextParameters(min_count=2, vocabulary_size=4, longest=2))
    assert encoded.vocabulary == ["<pad>", "<unk>", "the", "film"]
    assert encoded.x["train"].tolist() == [[2, 3], [2, 3], [2, 1]]
    assert encoded.length["train"].tolist() == [2, 2, 2] and encoded.length["validation"].tolist() == [1]
    assert encoded.cut == {"train": 2, "validation": 0, "test": 1}
    with pytest.raises(UserError, match="min_count is 9, and no token of the training texts occurs so often"):
        encode_splits(SPLITS, TextParameters(min_count=9))


def test_indices_are_as_small_as_the_vocabulary_allows() -> None:
    words = [[f"w{number}" for number in range(70_000)]]
    for size, dtype in ((1 << 16, np.uint16), ((1 << 16) + 1, np.uint32)):
        parameters = TextParameters(vocabulary_size=size, longest=100_000)
        encoded = encode_splits({"train": words}, parameters)
        assert len(encoded.vocabulary) == size and encoded.x["train"].dtype == dtype
        assert encoded.x["train"].max() == size - 1


@given(st.lists(st.lists(st.sampled_from("abcdefgh"), min_size=1), min_size=1), st.integers(3, 8), st.integers(1, 9))
def test_every_stored_index_is_that_of_its_token(texts: list[list[str]], size: int, longest: int) -> None:
    encoded = encode_splits({"train": texts}, TextParameters(vocabulary_size=size, longest=longest))
    counts = Counter(token for tokens in texts for token in tokens)
    assert encoded.vocabulary == most_frequent(counts, TextParameters(vocabulary_size=size))
    again = indices_of(texts, encoded.vocabulary)
    for row, length, expected in zip(encoded.x["train"], encoded.length["train"], again, strict=True):
        assert row[:length].tolist() == expected[: encoded.x["train"].shape[1]].tolist()
        assert not row[length:].any()


def test_padding_and_unknown_are_no_words_of_a_text() -> None:
    encoded = encode_splits({"train": [["<pad>", "<unk>", "a"]]}, TextParameters(tokenizer="spaces"))
    assert encoded.vocabulary == ["<pad>", "<unk>", "a"]
    assert encoded.x["train"].tolist() == [[1, 1, 2]]


def test_a_file_is_read_as_utf8_with_or_without_a_mark(tmp_path: Path) -> None:
    path = tmp_path / "text.txt"
    path.write_bytes("\ufeffé\r\nb".encode())
    assert read_file(path) == "é\r\nb"
    path.write_bytes(b"good\nbad\ncaf\xe9\n")
    with pytest.raises(UserError, match=r"text\.txt:3: not text in UTF-8: .* 0xe9"):
        read_file(path)


def test_lines_are_texts_and_empty_ones_are_none(tmp_path: Path) -> None:
    path = tmp_path / "some.txt"
    path.write_bytes("a good film\r\n\n  \nbad\u2028still bad".encode())
    assert list(read_lines(path)) == [("some.txt:1", "a good film"), ("some.txt:4", "bad\u2028still bad")]
    path = tmp_path / "some.jsonl"
    path.write_text('"a"\n{"text": "b", "id": 3}\n')
    assert list(read_lines(path)) == [("some.jsonl:1", "a"), ("some.jsonl:2", "b")]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("some.jsonl", "{bad", "some.jsonl:1: not JSON"),
        ("some.jsonl", '"a"\n[1]', r"some.jsonl:2: found \[1\]; allowed: a string, or an object"),
        ("some.jsonl", '{"txt": "a"}', "some.jsonl:1: found {'txt': 'a'}; allowed"),
        ("some.npy", "a", "found extension '.npy'; allowed: .jsonl, .txt, or - for stdin"),
    ],
)
def test_what_is_no_text_is_refused_with_its_line(tmp_path: Path, name: str, content: str, message: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(UserError, match=message):
        list(read_lines(tmp_path / name))


@pytest.mark.parametrize(
    ("shape", "words"),
    [
        ("address", ["http://t.co/x", "HTTPS://a", "www.a.b", "amazon.com", "a.co.org/b"]),
        ("@", ["@someone"]),
        ("#", ["#LostJudgment"]),
        ("digits", ["1984", "$10", "10:30", "-3.5%"]),
        ("letters-digits", ["4S", "2nd", "iPhone6"]),
        ("marks", [":)", "...", "_", "@", "#"]),
        ("CAPITALS", ["NASA", "U.S."]),
        ("Capitalised", ["London", "I", "O'reilly"]),
        ("mIxed", ["iPhone", "McDonald"]),
        ("small", ["walked", "it's", "京", "é"]),
    ],
)
def test_a_word_has_one_shape(shape: str, words: list[str]) -> None:
    assert {word: shape_of(word) for word in words} == dict.fromkeys(words, f"<unk:{shape}>")


def test_rare_words_stand_for_unknown_ones_of_their_shape() -> None:
    splits = {"train": [["a", "Ann", "a"], ["a", "Bob", "7"]], "validation": [["Eve", "b"]], "test": [["9", "@you"]]}
    encoded = encode_splits(splits, TextParameters(tokenizer="spaces", min_count=2, word_shapes=True))
    assert encoded.vocabulary == ["<pad>", "<unk>", "<unk:Capitalised>", "<unk:digits>", "a"]
    assert encoded.x["train"].tolist() == [[4, 2, 4], [4, 2, 3]]
    assert encoded.x["validation"].tolist() == [[2, 1, 0]] and encoded.x["test"].tolist() == [[3, 1, 0]]
    assert encode_splits(splits, TextParameters(tokenizer="spaces", min_count=2)).vocabulary == ["<pad>", "<unk>", "a"]
