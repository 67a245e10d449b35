"""An export that translates word by word: scored, asked by `predict` and `translate`, and served."""

import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from exported import SURENESS, write_word_by_word_export, write_word_export
from found import ROOT
from project import Project
from served import Server, mlflow_serving, own_mlflow, register_export, serving

from pipeline import translate as module
from pipeline.answered_texts import AnsweredTexts, by_length, exact, shown_first
from pipeline.blocks import VariantBlock
from pipeline.dataset import Array, Dataset, Description, TextAnswers, save_dataset
from pipeline.decoding.beam import Beam
from pipeline.decoding.stepwise import Sampling
from pipeline.decoding.translator import BEST, LONGEST_READ
from pipeline.errors import StageFailure, UserError
from pipeline.places import METRICS_FILE, PREDICTIONS_FILE, STATISTICS_FILE, Places
from pipeline.predict import predict
from pipeline.runtime import Export
from pipeline.scoring import answer_test, attended
from pipeline.stages.evaluate import evaluate
from pipeline.tasks import exact_text, translation
from pipeline.text.vocabulary import ANSWER_RESERVED, RESERVED
from pipeline.training import Training
from pipeline.translate import open_translator, search_of, translate

NAME = "wordy"
WORDS = {"ein": "a", "hund": "dog", "läuft": "runs", "schnell": "fast", ".": "."}
# The last reference is one word longer than what the export writes, and one sentence has a word nobody knows.
PAIRS = [
    ("ein hund läuft .", "a dog runs ."),
    ("hund", "dog"),
    ("ein hund läuft schnell .", "a dog runs fast ."),
    ("ein läuft", "a runs fast"),
]
SOURCE_WORDS, ANSWER_WORDS = [*RESERVED, *WORDS], [*ANSWER_RESERVED, *WORDS.values()]


def arrays_of(pairs: list[tuple[str, str]]) -> dict[str, Array]:
    def tokens(texts: list[str], vocabulary: list[str]) -> tuple[Array, Array]:
        rows = [[vocabulary.index(word) for word in text.split()] for text in texts]
        padded = [row + [0] * (max(map(len, rows)) - len(row)) for row in rows]
        return np.array(padded, np.uint16), np.array([len(row) for row in rows], np.int32)

    sources, answers = ([pair[side] for pair in pairs] for side in (0, 1))
    (x, length), (y, y_length) = tokens(sources, SOURCE_WORDS), tokens(answers, ANSWER_WORDS)
    said = [answer.encode() for answer in answers]
    reference = np.zeros((len(pairs), max(map(len, said))), np.uint8)
    for row, text in zip(reference, said, strict=True):
        row[: len(text)] = list(text)
    return {"x": x, "length": length, "y": y, "y_length": y_length, "reference": reference}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project's folder with one dataset of pairs, and one variant that knows every word."""
    folder = tmp_path_factory.mktemp("project")
    description = Description(
        text="pairs",
        layout="texts",
        vocabulary=SOURCE_WORDS,
        tokenizer="spaces",
        lowercase=True,
        answers=TextAnswers(vocabulary=ANSWER_WORDS, tokenizer="spaces"),
        padded=True,
    )
    splits = dict.fromkeys(("train", "validation", "test"), arrays_of(PAIRS))
    save_dataset(folder / "data" / NAME, splits, description, source="planted", seed=None, parameters={})
    write_word_by_word_export(folder / "models" / NAME / "export", NAME, Dataset(folder / "data" / NAME), WORDS)
    return folder


@pytest.fixture
def here(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def export(folder: Path) -> Export:
    return Export(folder / "models" / NAME / "export")


def nats_of(text: str, answer: str) -> float:
    """-log p of a reference, by hand: what the export thinks of each word after the ones before."""
    total, size = 0.0, len(ANSWER_WORDS)
    words = [WORDS.get(word) for word in text.split()]
    for place, word in enumerate([*answer.split(), None]):
        scores = np.zeros(size)
        if place < len(words):
            scores[ANSWER_WORDS.index(words[place] or "<unk>")] = SURENESS
        scores[3] += SURENESS / 2
        total += np.log(np.exp(scores).sum()) - scores[ANSWER_WORDS.index(word) if word else 3]
    return total


def test_the_test_split_is_answered_and_every_reference_weighed(export: Export, folder: Path) -> None:
    done: list[int] = []
    answers = answer_test(export, Dataset(folder / "data" / NAME), done.append)
    assert sum(done) == 4 and answers.texts is not None and answers.texts.sources is not None
    assert answers.outputs.tolist() == ["a dog runs .", "dog", "a dog runs fast .", "a runs"]
    assert answers.targets.tolist() == [reference for _, reference in PAIRS]
    assert answers.texts.sources.tolist() == [source for source, _ in PAIRS]
    expected = [[nats_of(*pair), len(pair[1].split()) + 1] for pair in PAIRS]
    np.testing.assert_allclose(answers.texts.nats, expected, rtol=1e-5)
    first = answers.texts.attended[0]
    assert [*first.source] == ["ein", "hund", "läuft", "."] and [*first.answer] == ["a", "dog", "runs", ".", "</s>"]
    np.testing.assert_array_equal(first.weights, np.eye(5)[:, :4])


def test_answers_that_are_no_numbers_fail(export: Export, folder: Path) -> None:
    decoder = export.translator.decoder
    whole = decoder.decode  # type: ignore[attr-defined]
    decoder.decode = lambda given: {name: value * np.nan for name, value in whole(given).items()}  # type: ignore
    with pytest.raises(StageFailure, match="NaN or infinity"):
        answer_test(export, Dataset(folder / "data" / NAME), lambda done: None)


@pytest.mark.parametrize("task", [translation, exact_text])
def test_what_is_measured(task: Any, export: Export, folder: Path) -> None:
    from sacrebleu.metrics import BLEU, CHRF

    dataset = Dataset(folder / "data" / NAME)
    found = answer_test(export, dataset, lambda done: None)
    measured = task.measure(found.outputs, found.targets, dataset.card, found.texts)
    assert tuple(measured) == task.METRICS and task.METRIC in measured
    texts, references = found.outputs.tolist(), [found.targets.tolist()]
    assert measured["bleu"] == pytest.approx(BLEU().corpus_score(texts, references).score)
    assert measured["chrf"] == pytest.approx(CHRF().corpus_score(texts, references).score)
    assert measured["exact_match"] == 0.75
    nats = sum(nats_of(*pair) for pair in PAIRS) / sum(len(reference.split()) + 1 for _, reference in PAIRS)
    assert measured["cross_entropy"] == pytest.approx(nats, rel=1e-5)
    assert measured["perplexity"] == pytest.approx(np.exp(nats), rel=1e-5)
    rows = task.statistics(found.outputs, found.targets, dataset.card)
    assert rows.shape == (4, len(task.STATISTICS)) and rows.dtype == np.float64
    assert task.metric_of(rows.sum(axis=0)) == pytest.approx(measured[task.METRIC])
    for half in (slice(0, 2), slice(2, 4)):
        part = task.measure(found.outputs[half], found.targets[half], dataset.card)
        assert task.metric_of(rows[half].sum(axis=0)) == pytest.approx(part[task.METRIC])


def test_white_space_makes_no_answer_wrong() -> None:
    outputs, targets = np.array(["a  b", "a c", ""]), np.array(["a b ", "a b", "a"])
    assert exact(outputs, targets).tolist() == [True, False, False]


def test_texts_of_about_the_same_length_are_scored_together() -> None:
    parts = by_length(np.array([1] * 6 + [2, 3, 4, 5, 40]))
    assert sorted(np.concatenate(parts).tolist()) == list(range(11)) and parts[0].tolist() == list(range(6))
    assert [part.tolist() for part in by_length(np.array([7, 7, 7]))] == [[0, 1, 2]]
    assert shown_first(np.array([True, False, True, False, False]), 3) == [1, 0, 2]


def block() -> VariantBlock:
    return VariantBlock(
        dataset=NAME,
        start=f"data/{NAME}",
        view="text_to_text",
        task="translation",
        model="seq2seq",
        network={},
        training=Training(learning_rate=0.01, batch_size=4, epochs=1),
        seed=1,
        gate={"bleu": 10.0},
    )


class SilentBar:
    def advance(self, steps: int, note: str = "") -> None:
        pass


def test_evaluate_writes_scores_with_their_signature_tables_and_figures(here: Path) -> None:
    import pandas as pd

    places = Places.of(NAME, NAME, here)
    places.reports.mkdir(parents=True)
    (places.reports / "history.csv").write_text(
        "epoch,step,loss,val_loss,val_bleu,learning_rate\n1,10,2.5,2.6,1.5,0.001\n2,20,1.5,1.6,11.5,0.001\n"
    )
    metrics = evaluate(block(), places, SilentBar())
    stored = json.loads((places.reports / METRICS_FILE).read_text())
    assert stored == metrics and metrics["metric"] == "bleu" and metrics["gate"] == "passed"
    assert metrics["signatures"]["bleu"].startswith("nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:")
    table = pd.read_csv(places.reports / PREDICTIONS_FILE)
    assert list(table) == ["example", "source", "source_tokens", "actual", "predicted", "exact"]
    assert table["exact"].tolist() == [1, 1, 1, 0] and table["source_tokens"].tolist() == [4, 1, 5, 2]
    drawn = {path.stem for path in (places.reports / "figures").glob("*.png")}
    assert drawn == {"curves", "by_length", "translations", "attention"}
    sums = np.load(places.reports / STATISTICS_FILE).sum(axis=0)
    assert translation.metric_of(sums) == pytest.approx(metrics["bleu"], abs=1e-4)
    assert json.loads((places.reports / "inference_timing.json").read_text())["latency_ms"] > 0


@pytest.mark.parametrize("shape", [(8, 8, 1), (5, 8, 8, 1)], ids=["images", "clips"])
def test_pictures_are_shown_with_their_captions(shape: tuple[int, ...]) -> None:
    outputs, targets = np.array(["a dog", "a cat", "a big cow"]), np.array(["a dog", "a cow", "a big cow"])
    description = Description(text="pictures", layout="images" if len(shape) == 3 else "arrival_times")
    texts = AnsweredTexts(np.ones((3, 2)))
    found = exact_text.figures(outputs, targets, description, lambda rows: np.zeros((len(rows), *shape)), texts)
    assert set(found) == {"by_length", "examples"}
    rows = exact_text.predictions(outputs, targets, description, texts)
    assert list(rows) == ["example", "actual", "predicted", "exact"]


def test_predict_translates_lines(here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "de.txt"
    path.write_text("Ein Hund\n\nhund katze\n")
    assert list(predict(NAME, str(path), None, False)) == ["de.txt:1: a dog", "de.txt:3: dog <unk>"]
    found = [json.loads(line) for line in predict(NAME, str(path), None, True)]
    assert found[0] == {"example": "de.txt:1", "text": "a dog"}
    assert list(predict(NAME, None, 2, False)) == ["test[2]: a dog runs fast .", "  ein hund läuft schnell ."]
    monkeypatch.setattr(sys, "stdin", io.StringIO("hund " * (LONGEST_READ + 3) + "\n"))
    (found,) = predict(NAME, "-", None, False)
    assert found.startswith("stdin:1: dog dog") and found.endswith("(1,003 tokens, of which the first 1,000 are read)")
    assert found.count("dog") == LONGEST_READ


def lines_of(path: Path | str | None, how: Any = BEST, **options: Any) -> list[str]:
    return list(
        translate(NAME, path and str(path), how, **({"batch_size": 2, "as_list": False, "attention": None} | options))
    )


MIXED = b"ein hund .\n\nEin Hund L\xc3\xa4uft schnell .\r\nkatze\n   \nhund"
ANSWERED = ["a dog .", "", "a dog runs fast .", "<unk>", "", "dog"]


def test_lines_are_translated_in_their_order(here: Path, tmp_path: Path) -> None:
    path = tmp_path / "mixed.txt"
    path.write_bytes(MIXED)
    for size in (1, 2, 5, 100):
        assert lines_of(path, batch_size=size) == ANSWERED
    path.write_bytes(b"\xef\xbb\xbf" + MIXED)
    assert lines_of(path) == ANSWERED
    path.write_bytes(b"")
    assert lines_of(path) == []
    path.write_bytes(b"\n")
    assert lines_of(path) == [""]


def test_several_answers_a_line(here: Path, tmp_path: Path) -> None:
    path = tmp_path / "few.txt"
    path.write_text("hund ein\n\nhund\n")
    found = [line.split("\t") for line in lines_of(path, Beam(4, n_best=2), as_list=True)]
    assert [number for number, *_ in found] == ["1", "1", "2", "3", "3"]
    assert found[0][2] == "dog a" and found[2][1:] == ["", ""] and found[3][2] == "dog"
    assert float(found[0][1]) > float(found[1][1])


def test_chance_is_decided_by_seed_and_line(here: Path, tmp_path: Path) -> None:
    path = tmp_path / "some.txt"
    path.write_text("hund ein hund\n" * 9)
    wild = Sampling(temperature=20.0, seed=3)
    first = lines_of(path, wild, batch_size=1)
    assert len({*first}) > 5 and lines_of(path, wild, batch_size=4) == first
    assert lines_of(path, Sampling(temperature=20.0, seed=4)) != first
    assert lines_of(path, Sampling(temperature=0)) == ["dog a dog"] * 9


def test_what_cannot_be_read_is_said_and_the_others_go_on(here: Path, tmp_path: Path, capsys: Any) -> None:
    path = tmp_path / "odd.txt"
    path.write_bytes(b"hund\nh\xffnd ein\n" + b"ein " * 10_000 + b"\nhund\n")
    first, second, third, fourth = lines_of(path)
    said = capsys.readouterr().err
    assert first == fourth == "dog" and second == "<unk> a" and third.split() == ["a"] * LONGEST_READ
    assert "odd.txt:2: not text in UTF-8" in said
    assert "odd.txt:3: 10,000 tokens, of which the first 1,000 are read" in said


def test_the_attention_of_the_first_answers_is_drawn(here: Path, tmp_path: Path, capsys: Any, export: Export) -> None:
    path, picture = tmp_path / "ten.txt", tmp_path / "map.png"
    path.write_text("ein hund\n\n" + "hund\n" * 10)
    assert len(lines_of(path, attention=picture)) == 12
    assert picture.read_bytes()[:4] == b"\x89PNG" and "attention of 8 sentences" in capsys.readouterr().err
    path.write_text("\n")
    with pytest.raises(UserError, match="no sentence was given"):
        lines_of(path, attention=picture)
    with pytest.raises(UserError, match=r"found extension '.svg'; allowed: .png"):
        lines_of(path, attention=tmp_path / "map.svg")
    export.translator.decoder.decode = lambda given, whole=export.translator.decoder.decode: {  # type: ignore
        name: value for name, value in whole(given).items() if name != "attention"
    }
    assert attended(export, np.array(["hund"]), np.array([[5]], np.int32)) == []


REFUSED = [
    ({"variant": "Nobody!"}, "allowed: small letters"),
    ({"variant": "nobody"}, "variant 'nobody' has no export; allowed: wordy. Make it with: dvc repro export@nobody"),
    ({"source": "none.txt"}, "none.txt: no such file"),
]


@pytest.mark.parametrize(("given", "words"), REFUSED)
def test_what_is_refused(given: dict[str, str], words: str, here: Path) -> None:
    arguments = {"variant": NAME, "source": None, "how": BEST, "batch_size": 2, "as_list": False, "attention": None}
    with pytest.raises(UserError, match=words):
        list(translate(**(arguments | given)))


def test_a_variant_that_answers_labels_translates_nothing(here: Path, folder: Path) -> None:
    arrays = {name: values for name, values in arrays_of(PAIRS).items() if name in ("x", "length")}
    arrays["y"] = np.array([0, 1, 0, 1], np.uint8)
    known = {"classes": ["no", "yes"], "vocabulary": SOURCE_WORDS, "tokenizer": "spaces", "padded": True}
    described = Description(text="labels", layout="texts", **known)
    splits = dict.fromkeys(("train", "validation", "test"), arrays)
    save_dataset(folder / "data" / "labels", splits, described, source="planted", seed=None, parameters={})
    write_word_export(folder / "models" / "labels" / "export", "labels", Dataset(folder / "data" / "labels"), "hund")
    with pytest.raises(UserError, match=r"reads texts and answers one label .* allowed: wordy$"):
        open_translator("labels")


def test_the_search_that_a_user_asks_for() -> None:
    nothing = (
        dict.fromkeys(("width", "length_penalty", "n_best")),
        dict.fromkeys(("temperature", "top_k", "top_p", "seed")),
    )
    assert search_of(False, *nothing) == BEST and search_of(True, *nothing) == Sampling()
    assert search_of(False, {"width": 3, "n_best": 3}, {}) == Beam(3, BEST.length_penalty, 3)
    assert search_of(True, {}, {"top_p": 0.5, "seed": 7}) == Sampling(top_p=0.5, seed=7)
    for given, words in (
        ((True, {"width": 3, "n_best": 2}, {}), "--beam, --n-best: not with --sample"),
        ((False, {}, {"top_k": 3}), "--top-k: only with --sample"),
        ((False, {"n_best": 6}, {}), "--n-best 6: a beam of 5 holds no more than 5; widen --beam"),
        ((True, {}, {"top_p": 0.0}), "--top-p 0: .* allowed: above 0, up to 1"),
    ):
        with pytest.raises(UserError, match=words):
            search_of(*given)


def run(here: Path, *arguments: str, **options: Any) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "pipeline", "translate", *arguments]
    return subprocess.run(command, cwd=here, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, **options)


def test_the_command_reads_stdin_and_its_help_says_what_is_usual(here: Path) -> None:
    done = run(here, NAME, input=MIXED)
    assert done.returncode == 0 and done.stdout.decode().split("\n") == [*ANSWERED, ""] and not done.stderr
    done = run(here, NAME, "--beam", "0", input=b"")
    assert done.returncode == 2 and b"--beam" in done.stderr
    text = run(here, "--help")
    told = " ".join(text.stdout.decode().split())
    for usual in (BEST.width, BEST.length_penalty, f"{Sampling().temperature:g}", Sampling().seed):
        assert f"[default: ({usual})]" in told or f"[default: {usual}]" in told


def test_a_translation_is_made_with_next_to_nothing(here: Path) -> None:
    from test_start_up import RUN, SLOW_TO_IMPORT

    command = [sys.executable, "-c", RUN, "translate", NAME]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=here, env=environment, input=b"hund\n", capture_output=True, check=True)
    answer, modules = done.stdout.decode().split("\n", 1)
    assert answer == "dog" and not {*modules.split()} & {*SLOW_TO_IMPORT, "sacrebleu"}


def test_answers_come_while_more_is_still_to_be_asked(here: Path) -> None:
    command = [sys.executable, "-m", "pipeline", "translate", NAME]
    process = subprocess.Popen(
        command,
        cwd=here,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdin and process.stdout
    for word, answer in (("hund", b"dog\n"), ("ein", b"a\n")):
        process.stdin.write(f"{word}\n".encode())
        process.stdin.flush()
        started = time.perf_counter()
        assert process.stdout.readline() == answer and time.perf_counter() - started < 30
    process.stdin.close()
    assert process.wait(30) == 0 and process.stdout.read() == b""


def test_the_lines_of_a_file_are_counted_and_none_is_lost(tmp_path: Path) -> None:
    for content, number in ((b"", 0), (b"a", 1), (b"a\n", 1), (b"a\n\nb", 3)):
        path = tmp_path / "lines"
        path.write_bytes(content)
        with path.open("rb") as file:
            assert module._num_lines(file) == number and file.read() == content


@pytest.fixture(scope="module")
def uri(folder: Path, store: Path) -> str:
    return register_export(NAME, folder, store)


@pytest.fixture(scope="module")
def server(uri: str) -> Iterator[Server]:
    with serving(Project(ROOT), uri, NAME) as server:
        yield server


@pytest.mark.slow
def test_texts_are_translated_over_http(server: Server) -> None:
    status, answer = server.ask({"inputs": ["Ein Hund .", "katze", *["hund ein"] * 70]})
    assert status == 200
    assert [each["text"] for each in answer["predictions"]] == ["a dog .", "<unk>", *["dog a"] * 70]
    status, answer = server.ask({"inputs": ["hund", " "]})
    assert status == 400 and "is empty" in answer["error"]


@pytest.mark.slow
def test_mlflows_own_server_translates_with_the_files_that_were_logged(uri: str, store: Path, tmp_path: Path) -> None:
    with mlflow_serving(own_mlflow(), tmp_path, uri, f"models:/{NAME}@champion", PYTHONPATH=str(store)) as server:
        status, answer = server.ask({"dataframe_split": {"columns": ["text"], "data": [["ein hund"], ["."]]}})
        assert status == 200 and [each["text"] for each in answer["predictions"]] == ["a dog", "."]


def test_a_model_of_subwords_needs_what_divides_them(export: Export) -> None:
    from pipeline.tracking.model import SUBWORDS, requirements

    assert SUBWORDS not in requirements(export)
    answers = export.manifest.description.answers
    assert answers
    for update in ({"subwords": "model"}, {"answers": answers.model_copy(update={"subwords": "model"})}):
        described = export.manifest.description.model_copy(update=update)
        export.manifest = export.manifest.model_copy(update={"description": described})
        assert SUBWORDS in requirements(export)
