"""A registered model over HTTP: `pipeline serve` against plain `mlflow models serve`, with the same load in turns."""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.measuring import ROOT, Row, below, faster, measured, more

TITLE = "one step of memory_lstm as JSON over HTTP; peer: mlflow models serve"
DATASET, VARIANT = "memory", "memory_lstm"
ROUNDS, QUICK_ROUNDS = 3, 1
REQUESTS, QUICK_REQUESTS = {1: 1000, 8: 2000, 64: 4000}, {1: 50, 8: 100, 64: 200}
FLAT_REQUESTS, QUICK_FLAT_REQUESTS = 10_000, 500
P50_LIMIT, LEAST_RATE = 3.0, 300
START_LIMITS = {"ours": 8.0, "peer": 20.0}
GROWTH_LIMIT = 5.0
START_TIMEOUT_SECONDS = 120


def rows(quick: bool) -> list[Row]:
    """Start, then the load of 1, 8 and 64 clients in turns, the best round of each counting; then memory."""
    requests, rounds = (QUICK_REQUESTS, QUICK_ROUNDS) if quick else (REQUESTS, ROUNDS)
    loads: dict[tuple[str, int], list[dict[str, Any]]] = {}
    with tempfile.TemporaryDirectory() as temporary:
        environment = _project(Path(temporary))
        with _server(OURS, temporary, environment) as ours, _server(PEER, temporary, environment) as peer:
            servers = {"ours": ours, "peer": peer}
            for _ in range(rounds):
                for clients, number in requests.items():
                    for name, server in servers.items():
                        loads.setdefault((name, clients), []).append(_load(server, clients, number))
            flat_requests = QUICK_FLAT_REQUESTS if quick else FLAT_REQUESTS
            grown = {name: _growth(server, flat_requests) for name, server in servers.items()}
    seconds = {name: server["seconds"] for name, server in servers.items()}
    return [
        *(row for clients in requests for row in _load_rows(clients, loads)),
        _lost(loads),
        below(f"memory grown over {flat_requests:,} requests, ours", grown["ours"], GROWTH_LIMIT, "MB"),
        below(f"memory grown over {flat_requests:,} requests, peer", grown["peer"], GROWTH_LIMIT, "MB"),
        below("start to first answer, ours", seconds["ours"], START_LIMITS["ours"], "s"),
        below("start to first answer, mlflow models serve", seconds["peer"], START_LIMITS["peer"], "s"),
    ]


def _load_rows(clients: int, loads: dict[tuple[str, int], list[dict[str, Any]]]) -> list[Row]:
    ours, peer = (max(loads[name, clients], key=lambda each: each["rate"]) for name in ("ours", "peer"))
    who = f"{clients} client{'s' * (clients > 1)}"
    rows = [
        more(f"{who}: requests", ours["rate"], peer["rate"], "/s", None),
        faster(f"{who}: p50", ours["p50"], peer["p50"], "ms", None),
        faster(f"{who}: p99", ours["p99"], peer["p99"], "ms", None),
    ]
    if clients == 1:
        rows[1] = below(f"{who}: p50", ours["p50"], P50_LIMIT, "ms", peer["p50"])
    if clients == max(REQUESTS):
        rows[0] = replace(rows[0], bar=f">= {LEAST_RATE} /s", met=ours["rate"] >= LEAST_RATE)
    return rows


def _lost(loads: dict[tuple[str, int], list[dict[str, Any]]]) -> Row:
    lost = dict.fromkeys(("ours", "peer"), 0)
    for (name, _), rounds in loads.items():
        lost[name] += sum(each["lost"] for each in rounds)
    return Row("requests lost, in all rounds", str(lost["ours"]), str(lost["peer"]), bar="0", met=not lost["ours"])


def _load(server: dict[str, Any], clients: int, requests: int) -> dict[str, Any]:
    return measured("serving_client", str(server["port"]), str(clients), str(requests))


def _growth(server: dict[str, Any], requests: int) -> float:
    """Megabytes that the server's processes hold more after so many requests than before them."""
    before = _megabytes(server["process"].pid)
    _load(server, 8, requests)
    return _megabytes(server["process"].pid) - before


def _megabytes(pid: int) -> float:
    import psutil

    process = psutil.Process(pid)
    return float(sum(each.memory_info().rss for each in [process, *process.children(recursive=True)]) / 1e6)


def _project(folder: Path) -> dict[str, str]:
    """Make the variant in a folder of its own, and register its model as the champion; returns the environment."""
    shutil.copy(ROOT / "params.yaml", folder)
    uri = f"sqlite:///{folder / 'mlflow.db'}"
    named = {"PYTHONPATH": str(ROOT), "DVC_ROOT": str(folder), "MLFLOW_TRACKING_URI": uri}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    environment = os.environ | named | {"PATH": path}
    for stage, name in (("generate", DATASET), ("train", VARIANT), ("export", VARIANT), ("evaluate", VARIANT)):
        command = [sys.executable, "-m", "pipeline", stage, name]
        subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True)
    subprocess.run(
        [sys.executable, "-m", "benchmarks.serving"], cwd=ROOT, env=environment, check=True, capture_output=True
    )
    return environment


def register() -> None:
    """Make the only run's model the champion of its dataset."""
    import mlflow

    client = mlflow.MlflowClient()
    experiment = client.get_experiment_by_name("cadence")
    (run,) = client.search_runs([experiment.experiment_id])
    version = mlflow.register_model(f"runs:/{run.info.run_id}/model", DATASET)
    client.set_registered_model_alias(DATASET, "champion", version.version)


OURS = [sys.executable, "-m", "pipeline", "serve", DATASET, "--port"]
PEER = ["mlflow", "models", "serve", "--env-manager", "local", "--model-uri", f"models:/{DATASET}@champion", "--port"]


@contextmanager
def _server(command: list[str], folder: str, environment: dict[str, str]) -> Iterator[dict[str, Any]]:
    """A server that answers, its port, and the seconds until it first did."""
    import psutil

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    started = time.perf_counter()
    silent = subprocess.DEVNULL
    process = subprocess.Popen([*command, str(port)], cwd=folder, env=environment, stdout=silent, stderr=silent)
    try:
        while not _answers(port):
            if process.poll() is not None or time.perf_counter() - started > START_TIMEOUT_SECONDS:
                raise RuntimeError(f"{' '.join(command)} {port} does not answer")
            time.sleep(0.05)
        yield {"process": process, "port": port, "seconds": time.perf_counter() - started}
    finally:
        family = [*psutil.Process(process.pid).children(recursive=True), process] if process.poll() is None else []
        for each in family:
            each.kill()
        process.wait()


def _answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/ping", timeout=5):
            return True
    except OSError:
        return False


if __name__ == "__main__":
    register()
