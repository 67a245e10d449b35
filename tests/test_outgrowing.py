"""When one machine is not enough: a shared MLflow on PostgreSQL with logins, a DVC remote over SSH, queued experiments.

What needs programs that are no Python packages is tried where they are, and skipped with what lacks where they are not.
"""

import csv
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from project import MEMORY, VARIANTS, Project, Store
from servers import ADMIN, ADMIN_PASSWORD, missing, mlflow_server, postgresql, sshd

pytest_plugins = ["project"]
pytestmark = [pytest.mark.slow, pytest.mark.full]

NO_DATABASE = missing(("initdb", "postgres", "createdb"), {"psycopg2": "psycopg2-binary", "flask_wtf": "mlflow[auth]"})
NO_SSH = missing(("sshd", "ssh-keygen"), {"dvc_ssh": "dvc[ssh]"})
SECOND = "memory_second"
needs_database = pytest.mark.skipif(bool(NO_DATABASE), reason=f"missing: {NO_DATABASE}")
needs_ssh = pytest.mark.skipif(bool(NO_SSH), reason=f"missing: {NO_SSH}")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with postgresql() as database, mlflow_server(database, tmp_path_factory.mktemp("server")) as uri:
        yield uri


def login(uri: str, experiment: str, password: str = ADMIN_PASSWORD) -> dict[str, str]:
    return {
        "MLFLOW_TRACKING_URI": uri,
        "MLFLOW_TRACKING_USERNAME": ADMIN,
        "MLFLOW_TRACKING_PASSWORD": password,
        "MLFLOW_EXPERIMENT_NAME": experiment,
        "MLFLOW_HTTP_REQUEST_TIMEOUT": "120",  # the server shares two cores with four trainings
    }


def logged_in(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]) -> Store:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return Store(variables["MLFLOW_TRACKING_URI"], variables["MLFLOW_EXPERIMENT_NAME"])


def steps(project: Project, variant: str) -> list[int]:
    with (project / f"reports/{variant}/history.csv").open() as file:
        return [int(row["step"]) for row in csv.DictReader(file)]


@needs_database
def test_four_trainings_at_once_log_to_postgresql_whole_and_once(
    changeable: Project, server: str, monkeypatch: pytest.MonkeyPatch
):
    import mlflow

    with changeable.changing_params() as params:
        params["variants"][SECOND] = params["variants"][MEMORY] | {"seed": 2}
    variables = login(server, "together")
    processes = {variant: changeable.start("train", variant, **variables) for variant in (*VARIANTS, SECOND)}
    for variant, process in processes.items():
        out, _ = process.communicate(timeout=400)
        assert process.returncode == 0, out
        assert "cannot be used" not in out, (variant, out)
    store = logged_in(monkeypatch, variables)
    for variant in processes:
        run = store.run(variant)  # the only one
        assert run.info.status == "FINISHED" and "restored" not in run.data.tags
        for name in ("loss", "val_loss", "accuracy", "val_accuracy", "learning_rate"):
            assert [step for step, _, _ in store.histories(run)[name]] == steps(changeable, variant)

    said = changeable.pipeline("sync", **variables, timeout=300).succeeded().text
    assert said.count("added export and evaluation") == len(VARIANTS)
    contents = store.contents()
    assert len(contents) == 4
    assert "added" not in changeable.pipeline("sync", **variables, timeout=300).succeeded().text
    assert store.contents() == contents

    run = store.run(MEMORY)
    assert run.info.artifact_uri.startswith("mlflow-artifacts:")  # the server writes the files, no client needs to
    assert "figures/curves.png" in store.artifacts(run, "figures")
    mlflow.set_tracking_uri(server)
    model = mlflow.pyfunc.load_model(f"runs:/{run.info.run_id}/model")
    assert len(model.predict(model.input_example)) == 1

    store.client.create_registered_model("memory")
    version = store.client.create_model_version("memory", f"runs:/{run.info.run_id}/model", run.info.run_id)
    store.client.set_registered_model_alias("memory", "champion", version.version)
    traced = changeable.pipeline("lineage", "memory@champion", **variables, timeout=300).succeeded().out
    assert f"run {run.info.run_id}" in traced and "registered as memory/1, champion" in traced


@needs_database
def test_wrong_credentials_stop_no_training_and_sync_delivers_with_the_right_ones(
    changeable: Project, server: str, monkeypatch: pytest.MonkeyPatch
):
    wrong, right = login(server, "credentials", "guessed"), login(server, "credentials")
    trained = changeable.pipeline("train", MEMORY, **wrong, timeout=400).succeeded()
    (said,) = [line for line in trained.text.splitlines() if "cannot be used" in line]
    assert server in said and "401" in said
    assert "pipeline sync" in trained.text
    assert "Traceback" not in trained.text
    refused = changeable.pipeline("sync", **wrong, timeout=300)
    assert refused.code == 1
    (line,) = refused.err.splitlines()
    assert line.startswith(f"failed: MLflow at {server} cannot be used")
    assert "guessed" not in trained.text + refused.text

    changeable.pipeline("sync", **right, timeout=300).succeeded()
    store = logged_in(monkeypatch, right)
    run = store.run(MEMORY)
    assert run.info.status == "FINISHED"
    assert [step for step, _, _ in store.histories(run)["val_loss"]] == steps(changeable, MEMORY)


@needs_ssh
def test_what_one_clone_pushes_over_ssh_another_pulls_and_nothing_is_trained_again(changeable: Project, tmp_path: Path):
    with sshd(tmp_path / "home") as there:
        reach = {"HOME": str(there.home), "SSH_AUTH_SOCK": ""}
        changeable.dvc("remote", "add", "--default", "storage", there.address).succeeded()
        changeable.commit("Share results")
        pushed = changeable.dvc("push", **reach, timeout=300).succeeded()
        assert "pushed" in pushed.text

        changeable.run("git", "clone", "--quiet", ".", str(tmp_path / "clone")).succeeded()
        clone = Project(tmp_path / "clone")
        assert not list((clone / "data").glob("*/card.json"))
        traced = clone.pipeline("lineage", MEMORY).succeeded().out
        assert "from the outputs and git only" in traced and "recorded by" in traced
        clone.dvc("pull", **reach, timeout=300).succeeded()
        again = clone.dvc("repro", timeout=300).succeeded()
        assert "Running stage" not in again.out and "up to date" in again.text
        assert clone.hashes() == changeable.hashes()
        clone.pipeline("verify").succeeded()
        said = clone.pipeline("sync", timeout=300).succeeded().text
        assert said.count("added run and export and evaluation") == len(VARIANTS)
        for variant in VARIANTS:
            run = clone.store().run(variant)
            assert run.info.status == "FINISHED" and run.data.tags["restored"] == "true"
            assert run.data.metrics["score"] == changeable.metrics(variant)["score"]


def test_queued_experiments_log_to_the_projects_store(changeable: Project):
    for seed in (6, 7):
        setting = f"variants.{MEMORY}.seed={seed}"
        queue = ("exp", "run", "--queue", "--name", f"seed-{seed}", "--set-param", setting)
        changeable.dvc(*queue, timeout=400).succeeded()
    # its worker outlives it and holds on to its output: a pipe would not end
    start = [sys.executable, "-m", "dvc", "queue", "start", "--jobs", "1"]
    said = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    subprocess.run(start, cwd=changeable.folder, env=changeable.environment(), check=True, timeout=400, **said)
    deadline = time.monotonic() + 600
    while (status := changeable.dvc("queue", "status", timeout=400).succeeded().out).count("Success") < 2:
        assert "Failed" not in status and time.monotonic() < deadline, status
        time.sleep(3)
    runs = {run.data.tags["dvc.experiment"]: run for run in changeable.store().runs(MEMORY)}
    assert {name: run.data.params["seed"] for name, run in runs.items()} == {"seed-6": "6", "seed-7": "7"}
    assert all(run.info.status == "FINISHED" and "score" in run.data.metrics for run in runs.values())
    assert changeable.run("git", "status", "--porcelain").out == ""
