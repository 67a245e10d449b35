"""Real servers of registered models, and what one asks them: `serve` and `mlflow models serve`, without TensorFlow."""

import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from project import VARIANTS, Project, Store

JSON = {"content-type": "application/json"}
# Found by every Python that is started with its folder in PYTHONPATH.
BLOCKER = """
import sys

class NoTraining:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("tensorflow", "keras", "jax", "torch"):
            raise ImportError(f"{name} must not be needed")

sys.meta_path.insert(0, NoTraining())
"""


def register(project: Project, folder: Path) -> str:
    """A copy of the project's store in which every variant is the champion of its dataset; returns its address."""
    shutil.copy(project / "mlflow.db", folder / "mlflow.db")
    (folder / "sitecustomize.py").write_text(BLOCKER)
    uri = f"sqlite:///{folder / 'mlflow.db'}"
    store = Store(uri)
    with tracking(uri):
        for variant in VARIANTS:
            run = store.run(variant)
            dataset, model = run.data.tags["dataset"], run.outputs.model_outputs[-1]
            store.client.create_registered_model(dataset)
            version = store.client.create_model_version(dataset, f"models:/{model.model_id}", run.info.run_id)
            store.client.set_registered_model_alias(dataset, "champion", version.version)
    return uri


def register_export(name: str, folder: Path, store: Path) -> str:
    """Make an export the champion of the dataset of its name in the session's store; returns the store's address."""
    from pipeline.tracking.model import log_model
    from pipeline.tracking.store import connect

    client, experiment = connect()
    run = client.create_run(experiment, run_name=f"{name}-00000000")
    model = log_model(run.info.run_id, folder / "models" / name / "export", folder / "data" / name, "once")
    client.create_registered_model(name)
    version = client.create_model_version(name, f"models:/{model}", run.info.run_id)
    client.set_registered_model_alias(name, "champion", version.version)
    (store / "sitecustomize.py").write_text(BLOCKER)
    return os.environ["MLFLOW_TRACKING_URI"]


@contextmanager
def tracking(uri: str):
    """MLflow in this process, which other tests use as well, looks at another store for a while.

    MLflow writes the address into the environment too, and remembers the last one of any test: only the environment's
    own is right afterwards.
    """
    import mlflow

    before = os.environ["MLFLOW_TRACKING_URI"]
    mlflow.set_tracking_uri(uri)
    try:
        yield mlflow
    finally:
        mlflow.set_tracking_uri(before)


@dataclass
class Server:
    """A running server; `line` is what it said when it was ready."""

    process: subprocess.Popen[str]
    port: int
    line: str = ""

    def ask(self, content: Any, path: str = "/invocations", method: str = "POST", **headers: str) -> tuple[int, Any]:
        """Status and answer; `content` is sent as it is where it is bytes, else as JSON."""
        body = content if isinstance(content, bytes) or content is None else json.dumps(content).encode()
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)) as connection:
            connection.request(method, path, body, JSON | headers)
            response = connection.getresponse()
            answer = response.read()
        assert b"Traceback" not in answer
        return response.status, json.loads(answer) if answer.strip() else None

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=60)


@contextmanager
def serving(project: Project, uri: str, *arguments: str):
    """`python -m pipeline serve` in the project's folder."""
    variables = {"MLFLOW_TRACKING_URI": uri, "PYTHONPATH": str(Path(uri.removeprefix("sqlite:///")).parent)}
    process = project.start("serve", *arguments, "--port", "0", **variables)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert "http://127.0.0.1:" in line, line + process.stdout.read()
        yield Server(process, int(line.partition("http://127.0.0.1:")[2].partition(",")[0]), line)
    finally:
        process.kill()
        process.communicate()


@contextmanager
def mlflow_serving(mlflow: Path, folder: Path, uri: str, model: str, **variables: str):
    """`mlflow models serve` in a folder outside the project."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MLFLOW_", "PYTHON"))}
    environment = kept | {"MLFLOW_TRACKING_URI": uri, "PATH": f"{mlflow.parent}{os.pathsep}{os.environ['PATH']}"}
    command = [mlflow, "models", "serve", "--env-manager", "local", "--model-uri", model, "--port", str(port)]
    with (folder / "server.log").open("w+") as log:
        process = subprocess.Popen(
            command, cwd=folder, env=environment | variables, stdout=log, stderr=log, text=True, start_new_session=True
        )
        server = Server(process, port)
        try:
            deadline = time.monotonic() + 120
            while not answers(server):
                assert process.poll() is None and time.monotonic() < deadline, (folder / "server.log").read_text()
                time.sleep(0.1)
            yield server
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def answers(server: Server) -> bool:
    try:
        return server.ask(None, "/ping", "GET")[0] == 200
    except OSError:
        return False


def own_mlflow() -> Path:
    """MLflow's command in the environment that runs the tests."""
    return Path(sys.executable).with_name("mlflow")
