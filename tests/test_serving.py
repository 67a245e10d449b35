"""Registered models over HTTP: answers as scored, refusals of one line, no request lost; TensorFlow is blocked."""

import csv
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from project import CLIP, IMAGE, MEMORY, Finished, Project
from served import Server, mlflow_serving, own_mlflow, register, serving, tracking

pytest_plugins = ["project"]
pytestmark = pytest.mark.slow

HEAD = b"POST /invocations HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"


@pytest.fixture(scope="module")
def uri(made: Project, tmp_path_factory: pytest.TempPathFactory) -> str:
    return register(made, tmp_path_factory.mktemp("registry"))


@pytest.fixture(scope="module")
def memory(made: Project, uri: str) -> Iterator[Server]:
    with serving(made, uri, "memory") as server:
        yield server


@pytest.fixture(scope="module")
def digits(made: Project, uri: str) -> Iterator[Server]:
    with serving(made, uri, "digits@champion", "--max-megabytes", "1") as server:
        yield server


def stored(project: Project, variant: str) -> tuple[Any, list[dict[str, str]]]:
    """The test split as a user gives it, and the rows of predictions.csv."""
    from pipeline.dataset import Dataset
    from pipeline.runtime import Export

    export = Export(project / f"models/{variant}/export")
    dataset = Dataset(project / f"data/{export.manifest.dataset}")
    with (project / f"reports/{variant}/predictions.csv").open() as file:
        rows = list(csv.DictReader(file))
    return export.view.as_given(dataset.split("test"), dataset.card), rows


def assert_as_stored(answer: Any, rows: list[dict[str, str]]) -> None:
    labels, probabilities = [], []
    for each in answer["predictions"]:
        labels += each.get("labels", [each.get("label")])
        probabilities += each.get("probabilities", [each.get("probability")])
    assert labels == [row["predicted"] for row in rows]
    assert probabilities == pytest.approx([float(row["probability"]) for row in rows], abs=2e-4)


def test_it_says_what_is_served_and_how_to_ask_it(made: Project, memory: Server):
    score = made.metrics(MEMORY)["score"]
    assert memory.line.startswith(f"serve: memory version 1 (run {MEMORY}-")
    assert f"accuracy {score:.4f}) at http://127.0.0.1:{memory.port}, " in memory.line
    command = memory.line.partition("try: ")[2]
    # As a person pastes it: it has a pipe.
    asked = subprocess.run(command, shell=True, capture_output=True, text=True, timeout=60)
    assert len(json.loads(asked.stdout)["predictions"]) == 1


@pytest.mark.parametrize("path", ["/ping", "/health", "/version"])
def test_mlflows_own_paths_answer(memory: Server, path: str):
    with urllib.request.urlopen(f"http://127.0.0.1:{memory.port}{path}", timeout=60) as response:
        assert response.status == 200


def test_sequences_are_answered_whole_in_labels_at_any_length_and_number(made: Project, memory: Server):
    given, rows = stored(made, MEMORY)
    status, answer = memory.ask({"inputs": given.tolist()})
    assert status == 200
    assert_as_stored(answer, rows)
    for number, length in ((1, 1), (1, 3), (2, 2), (70, 4)):
        inputs = [given[0, :length].tolist()] * number
        status, shorter = memory.ask({"instances": inputs})
        assert status == 200 and len(shorter["predictions"]) == number
        for each in shorter["predictions"]:  # a state that leaked from an earlier example would change the answer
            assert each["labels"] == answer["predictions"][0]["labels"][:length]


def test_images_are_answered_as_scored(made: Project, digits: Server):
    given, rows = stored(made, IMAGE)
    status, answer = digits.ask({"inputs": given.tolist()})
    assert status == 200
    assert_as_stored(answer, rows)


ZERO = [[0] * 28] * 28
REFUSED = [
    (b"{bad", "not JSON"),
    (b"", "not JSON"),
    (b"\xff\xfe\xff", "UTF-8"),
    (b'{"inputs":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "nested too deeply"),
    (b'{"inputs": [[1' + b"0" * 5000 + b"]]}", "not JSON"),
    (b'{"inputs": [[1], [NaN]]}', "found NaN"),
    (b'{"inputs": [[-Infinity]]}', "found -Infinity"),
    (b'{"inputs": [[1e999]]}', "found inf"),
    ([[1]], "no object"),
    ({}, "found keys: none"),
    ({"input": [[1]]}, "found keys: 'input'"),
    ({"inputs": [[1]], "params": {}}, "found keys: 'inputs', 'params'"),
    ({"dataframe_records": [{"0": 1}]}, "found keys: 'dataframe_records'"),
    ({"inputs": 5}, "shape []"),
    ({"inputs": [1, 2]}, "shape [2]"),
    ({"inputs": [[[1]]]}, "shape [1, 1, 1]; allowed: [any, any]"),
    ({"inputs": []}, "shape [0]"),
    ({"inputs": [[]]}, "empty"),
    ({"inputs": [[1], [1, 2]]}, "unequal length"),
    ({"inputs": [["a"]]}, "texts"),
    ({"inputs": [{"a": 1}]}, "texts"),
    ({"inputs": [{}]}, "no numbers"),
    ({"inputs": None}, "null"),
    ({"inputs": [[1, None]]}, "null"),
    ({"inputs": [[1, True]]}, "true"),
    ({"inputs": [[1, 0.5]]}, "found 0.5; allowed: whole numbers"),
    ({"inputs": [[10**30]]}, "too large"),
    ({"inputs": [[2**63]]}, "whole numbers that int64 can hold"),
    ({"inputs": [[1, 5]]}, "up to 5; allowed: integers 0 to 4"),
    ({"inputs": [[-1]]}, "allowed: integers 0 to 4"),
    ({"inputs": [[1] * 10_001]}, "10,001 steps; allowed: up to 10,000"),
]


@pytest.mark.parametrize(("content", "words"), REFUSED, ids=[f"{n}-{words}" for n, (_, words) in enumerate(REFUSED)])
def test_a_bad_request_is_refused_in_one_line(memory: Server, content: Any, words: str):
    status, answer = memory.ask(content)
    assert status == 400 and answer.keys() == {"error"}
    assert words in answer["error"] and "\n" not in answer["error"] and len(answer["error"]) < 250


def test_pixels_that_a_byte_cannot_hold_are_not_cut_to_fit(digits: Server):
    for value in (256, -1, 0.5):
        status, answer = digits.ask({"inputs": [[[value, *ZERO[0][1:]], *ZERO[1:]]]})
        assert status == 400 and f"found {value}" in answer["error"] and "uint8" in answer["error"]
    assert digits.ask({"inputs": [ZERO]})[0] == 200


def test_wrong_path_method_and_content_type(memory: Server):
    assert memory.ask(None, "/docs", "GET")[0] == memory.ask({"inputs": [[1]]}, "/")[0] == 404
    assert memory.ask(None, "/invocations", "GET")[0] == memory.ask({"inputs": [[1]]}, "/ping")[0] == 405
    status, answer = memory.ask(b"1,2", **{"content-type": "text/csv"})
    assert status == 415 and "text/csv" in answer["error"]
    assert memory.ask({"inputs": [[1]]}, **{"content-type": "application/json; charset=utf-8"})[0] == 200


@pytest.mark.parametrize("declared", [True, False])
def test_a_body_of_100_megabytes_is_refused_and_never_held(digits: Server, declared: bool):
    import psutil

    def body() -> Iterator[bytes]:
        for _ in range(1000):
            yield b"0" * 100_000

    before = psutil.Process(digits.process.pid).memory_info().rss
    with digits.connect() as client:
        length = b"Content-Length: 100000000" if declared else b"Transfer-Encoding: chunked"
        client.sendall(HEAD + length + b"\r\n\r\n")
        try:
            for part in body():
                client.sendall(part if declared else b"%x\r\n%s\r\n" % (len(part), part))
        except OSError:
            pass  # it hung up
        response = client.recv(10_000)
    status, _, answer = response.partition(b"\r\n\r\n")
    assert status.startswith(b"HTTP/1.1 413") and b"1,000,000 bytes" in answer
    assert psutil.Process(digits.process.pid).memory_info().rss - before < 20_000_000
    assert digits.ask({"inputs": [ZERO]})[0] == 200


def test_slow_clients_are_hung_up_on_while_others_are_answered(memory: Server):
    head = HEAD + b"Content-Length: 17\r\n\r\n"
    with memory.connect() as silent, memory.connect() as in_the_head, memory.connect() as in_the_body:
        in_the_head.sendall(head[:20])
        in_the_body.sendall(head + b'{"inputs"')
        for byte in range(8):
            time.sleep(1)
            in_the_head.sendall(head[20 + byte : 21 + byte])
            assert memory.ask({"inputs": [[1]]})[0] == 200
        assert in_the_body.recv(1000).startswith(b"HTTP/1.1 408")
        assert in_the_head.recv(1000) == silent.recv(1000) == b""


def test_many_connections_lose_no_request(memory: Server):
    idle = [memory.connect() for _ in range(300)]
    found: list[int] = []

    def client() -> None:
        found.extend(memory.ask({"inputs": [[1, 2]]})[0] for _ in range(5))

    threads = [threading.Thread(target=client) for _ in range(64)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for each in idle:
        each.close()
    assert found == [200] * 320


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_at_the_end_a_request_that_was_begun_is_answered(made: Project, uri: str, number: signal.Signals):
    body = json.dumps({"inputs": [[1, 2]]}).encode()
    with serving(made, uri, "memory/1") as server, server.connect() as client:
        client.sendall(HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body[:5])
        time.sleep(0.5)
        server.process.send_signal(number)
        time.sleep(0.5)
        client.sendall(body[5:])
        assert client.recv(1000).startswith(b"HTTP/1.1 200")
        out, _ = server.process.communicate(timeout=30)
        assert server.process.returncode == 0
        assert out == "serve: ended; 1 requests were answered\n"


def test_what_is_not_registered(made: Project, uri: str, cli: Callable[..., Finished], tmp_path: Path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    taken = socket.create_server(("127.0.0.1", 0))
    port = str(taken.getsockname()[1])
    cases = [
        (["memry"], "did you mean 'memory'?"),
        (["memory@champ"], "no alias 'champ'; did you mean 'champion'?"),
        (["memory/7"], "no version 7; allowed: 1"),
        (["../memory"], "allowed: DATASET, DATASET@ALIAS or DATASET/VERSION"),
        (["memory", "--port", port], f"--port {port}: cannot listen there (Address already in use)"),
        (["memory", "--host", "192.0.2.1"], "--host 192.0.2.1"),
    ]
    nowhere = f"sqlite:///{tmp_path}/none.db"
    with taken, tracking(uri):
        for arguments, words in cases:
            finished = cli(made, "serve", *arguments)
            assert (finished.code, finished.out, finished.err.count("\n")) == (2, "", 1), finished.text
            assert finished.err.startswith("error: ") and words in finished.err
        for address, words in ((nowhere, "no MLflow store here"), ("http://127.0.0.1:9", "cannot be used")):
            monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
            finished = cli(made, "serve", "memory", "--port", "0")
            assert (finished.code, finished.err.count("\n")) == (2, 1) and words in finished.err, finished.text
    assert not (tmp_path / "none.db").exists()


FOREIGN = """
import mlflow

class Doubled(mlflow.pyfunc.PythonModel):
    _skip_type_hint_validation = True

    def predict(self, context, model_input, params=None):
        return model_input * 2

mlflow.models.set_model(Doubled())
"""
REGISTER_FOREIGN = """
import sys, mlflow, numpy as np
from mlflow.models import ModelSignature
from mlflow.types import Schema, TensorSpec
mlflow.set_experiment("others")
one = Schema([TensorSpec(np.dtype("float32"), (-1, 2))])
with mlflow.start_run():
    mlflow.pyfunc.log_model(name="model", python_model=sys.argv[1], registered_model_name="foreign",
                            signature=ModelSignature(one, one), pip_requirements=["mlflow"])
"""


def test_a_model_that_others_registered_is_not_served(
    made: Project, uri: str, cli: Callable[..., Finished], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "doubled.py").write_text(FOREIGN)
    command = [sys.executable, "-c", REGISTER_FOREIGN, str(tmp_path / "doubled.py")]
    subprocess.run(command, check=True, cwd=tmp_path, env=os.environ | {"MLFLOW_TRACKING_URI": uri}, timeout=120)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    finished = cli(made, "serve", "foreign/1", "--port", "0")
    assert (finished.code, finished.err.count("\n")) == (2, 1), finished.text
    assert "models:/foreign/1 is no model of this project: it holds no export" in finished.err


def check_plain_mlflow(made: Project, server: Server, variant: str) -> None:
    given, rows = stored(made, variant)
    status, answer = server.ask({"inputs": given.tolist()})
    assert status == 200
    assert_as_stored(answer, rows)
    status, answer = server.ask({"inputs": given[:2, :-1].tolist()})  # fewer examples, fewer steps
    assert status == 200 and len(answer["predictions"]) == 2


def test_mlflows_own_server_answers_outside_the_project(made: Project, uri: str, tmp_path: Path):
    registry = str(Path(uri.removeprefix("sqlite:///")).parent)
    with mlflow_serving(own_mlflow(), tmp_path, uri, "models:/memory@champion", PYTHONPATH=registry) as server:
        check_plain_mlflow(made, server, MEMORY)
        for content, words in (([[1, 5]], "integers 0 to 4"), ([[]], "empty"), ([[[1]]], "Shape of input")):
            status, answer = server.ask({"inputs": content})
            assert status == 400 and words in answer["message"] and "stack_trace" not in answer


@pytest.mark.full
@pytest.mark.timeout(1200)
def test_the_champion_answers_in_an_environment_of_its_own_requirements(made: Project, uri: str, tmp_path: Path):
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "venv"], check=True)
    with tracking(uri) as mlflow:
        requirements = mlflow.artifacts.download_artifacts("models:/moving_square@champion/requirements.txt")
    install = [tmp_path / "venv/bin/pip", "install", "--quiet", "--requirement", requirements]
    installed = subprocess.run(install, capture_output=True, text=True)
    if installed.returncode:
        pytest.skip(f"not installed: {' '.join(installed.stderr.split())[-300:]}")
    assert not list((tmp_path / "venv").rglob("site-packages/tensorflow"))
    with mlflow_serving(tmp_path / "venv/bin/mlflow", tmp_path, uri, "models:/moving_square@champion") as server:
        check_plain_mlflow(made, server, CLIP)
