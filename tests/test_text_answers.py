"""Texts as a user gives them, answered by an export: on the command line, as MLflow's model, and over HTTP."""

import io
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from exported import write_word_export
from project import ROOT, Project
from served import Server, mlflow_serving, own_mlflow, register_export, serving

from pipeline.dataset import Dataset, Description, save_dataset
from pipeline.predict import predict
from pipeline.tracking.request import LONGEST_TEXT

NAME = "words"
VOCABULARY = ["<pad>", "<unk>", "a", "good", "film", "bad", "."]
TEXTS = [[2, 3, 4, 6], [2, 5, 4, 0], [2, 1, 4, 6]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project's folder with one dataset of texts and one variant, which looks for the word `good`."""
    folder = tmp_path_factory.mktemp("project")
    arrays = {
        "x": np.array(TEXTS, np.uint16),
        "length": np.array([4, 3, 4], np.int32),
        "y": np.array([1, 0, 0], np.uint8),
    }
    description = Description(
        text="reviews",
        layout="texts",
        classes=["negative", "positive"],
        vocabulary=VOCABULARY,
        tokenizer="words",
        padded=True,
    )
    splits = dict.fromkeys(("train", "validation", "test"), arrays)
    save_dataset(folder / "data" / NAME, splits, description, source="planted", seed=None, parameters={})
    write_word_export(folder / "models" / NAME / "export", NAME, Dataset(folder / "data" / NAME), "good")
    return folder


@pytest.fixture
def answers(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    monkeypatch.chdir(folder)
    return lambda source=None, example=None, as_json=False: list(predict(NAME, source, example, as_json))


Answers = Callable[..., list[str]]


def test_each_line_of_a_file_is_a_text(answers: Answers, tmp_path: Path) -> None:
    path = tmp_path / "some.txt"
    path.write_text("A GOOD film.\n\nbad!\n")
    assert answers(str(path)) == ["some.txt:1: positive 1.000", "some.txt:3: negative 1.000"]
    path = tmp_path / "some.jsonl"
    path.write_text('"not good"\n{"text": "dull"}\n')
    found = [json.loads(line) for line in answers(str(path), as_json=True)]
    assert [(each["example"], each["label"]) for each in found] == [
        ("some.jsonl:1", "positive"),
        ("some.jsonl:2", "negative"),
    ]


def test_lines_of_stdin_are_texts(answers: Answers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("good\n\n12 34\n"))
    assert answers("-") == ["stdin:1: positive 1.000", "stdin:3: negative 1.000"]


def test_an_example_of_the_test_split_is_shown(answers: Answers) -> None:
    assert answers(example=0) == ["test[0]: positive 1.000", "  a good film ."]
    (found,) = answers(example=2, as_json=True)
    assert json.loads(found)["text"] == "a <unk> film ."


def test_of_a_text_that_is_longer_than_those_of_training_the_user_is_told(answers: Answers, tmp_path: Path) -> None:
    path = tmp_path / "long.txt"
    path.write_text("a film . a good film\n")
    assert answers(str(path)) == ["long.txt:1: negative 1.000 (6 tokens, of which the first 4 are read)"]
    assert json.loads(answers(str(path), as_json=True)[0])["remark"] == "6 tokens, of which the first 4 are read"


@pytest.fixture(scope="module")
def uri(folder: Path, store: Path) -> str:
    return register_export(NAME, folder, store)


@pytest.fixture(scope="module")
def server(uri: str) -> Iterator[Server]:
    with serving(Project(ROOT), uri, NAME) as server:
        yield server


def labels(answer: Any) -> list[str]:
    return [each["label"] for each in answer["predictions"]]


@pytest.mark.slow
def test_texts_are_answered_over_http(server: Server) -> None:
    status, answer = server.ask({"inputs": ["a good film", "A very bad film. " * 9, "\u00e9 GOOD"]})
    assert status == 200 and labels(answer) == ["positive", "negative", "positive"]
    status, answer = server.ask({"instances": ["good"] * 70})
    assert status == 200 and labels(answer) == ["positive"] * 70
    status, example = server.ask(None, "/example", "GET")
    assert status == 200 and example == {"inputs": ["a good film ."]}


REFUSED = [
    ({"inputs": []}, "found no list of texts"),
    ({"inputs": "good"}, "found no list of texts"),
    ({"inputs": [1]}, "found no list of texts"),
    ({"inputs": ["good", None]}, "found no list of texts"),
    ({"inputs": [["good"]]}, "found no list of texts"),
    ({"inputs": ["good", "  "]}, "is empty; allowed: at least one token (words)"),
    ({"inputs": ["a" * (LONGEST_TEXT + 1)]}, f"{LONGEST_TEXT + 1:,} characters; allowed: up to {LONGEST_TEXT:,}"),
    ({"inputs": ["good \ud800"]}, "half a character"),
    ({"texts": ["good"]}, "found keys: 'texts'"),
    (b"{bad", "not JSON"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("content", "words"), REFUSED, ids=[str(number) for number in range(len(REFUSED))])
def test_what_is_no_text_is_refused_in_one_line(server: Server, content: Any, words: str) -> None:
    status, answer = server.ask(content)
    assert status == 400 and answer.keys() == {"error"}
    assert words in answer["error"] and "\n" not in answer["error"] and len(answer["error"]) < 250


@pytest.mark.slow
def test_mlflows_own_server_answers_texts(uri: str, store: Path, tmp_path: Path) -> None:
    with mlflow_serving(own_mlflow(), tmp_path, uri, f"models:/{NAME}@champion", PYTHONPATH=str(store)) as server:
        for content in (
            {"dataframe_split": {"columns": ["text"], "data": [["a good film"], ["bad"]]}},
            {"dataframe_records": [{"text": "a good film"}, {"text": "bad"}]},
            {"inputs": {"text": ["a good film", "bad"]}},
        ):
            status, answer = server.ask(content)
            assert status == 200 and labels(answer) == ["positive", "negative"], content
        status, answer = server.ask({"dataframe_records": [{"text": " "}]})
        assert status == 400 and "is empty" in answer["message"]
