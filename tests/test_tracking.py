"""What MLflow holds after real stages: one whole run per variant, whatever happens to the server or to the training."""

import csv
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from project import CLIP, IMAGE, MEMORY, VARIANTS, Project, Store

pytest_plugins = ["project"]
pytestmark = pytest.mark.slow

WHERE_IT_RAN = {"device", "git.commit", "git.dirty", "dvc.stage", "dvc.experiment"}
TAGS = WHERE_IT_RAN | {
    *("fingerprint", "variant", "dataset", "model", "seed", "backend", "precision"),
    *("hash.data", "hash.parameters", "hash.code", "hash.weights", "dvc.data", "task", "metric", "gate"),
    *("stage.train", "stage.export", "stage.evaluate"),
}
FINAL = {"score", "ceiling", "share_of_ceiling", "num_parameters", "train_seconds", "latency_ms"}
FIGURES = {CLIP: {"confusion", "curves", "examples"}, MEMORY: {"curves", "examples"}}
FIGURES[IMAGE] = FIGURES[CLIP]


@pytest.fixture(scope="module")
def kept(made: Project) -> Store:
    return made.store()


def history(project: Project, variant: str) -> list[dict[str, str]]:
    with (project / f"reports/{variant}/history.csv").open() as file:
        return list(csv.DictReader(file))


def closed_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_variant_has_one_run_that_says_what_made_it(made: Project, kept: Store, variant):
    run, block = kept.run(variant), made.params()["variants"][variant]
    record = json.loads((made / f"models/{variant}/train/training.json").read_text())
    assert run.info.status == "FINISHED"
    assert set(run.data.tags) >= TAGS
    assert all(run.data.tags[name] for name in TAGS)
    assert run.data.tags["variant"] == variant
    assert run.data.tags["dataset"] == block["dataset"]
    assert run.data.tags["model"] == block["model"]
    assert run.data.tags["dvc.stage"] == f"train@{variant}"
    assert run.data.tags["git.dirty"] == "false"
    assert run.data.tags["fingerprint"] == made.metrics(variant)["fingerprint"]
    assert "mlflow.parentRunId" not in run.data.tags and "restored" not in run.data.tags

    assert run.data.params["seed"] == "1"
    assert run.data.params["training.learning_rate"] == str(block["training"]["learning_rate"])
    assert run.data.params["num_parameters"] == str(record["num_parameters"])
    assert not any(name.startswith(("gate", "task")) for name in run.data.params)  # training does not depend on them

    (used,) = run.inputs.dataset_inputs
    assert used.dataset.name == block["dataset"]
    assert run.data.tags["hash.data"].startswith(used.dataset.digest)


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_run_has_curves_scores_figures_and_system_metrics(made: Project, kept: Store, variant):
    run, rows, metrics = kept.run(variant), history(made, variant), made.metrics(variant)
    points = kept.histories(run)
    for name in ("loss", "val_loss", "accuracy", "val_accuracy", "learning_rate"):
        assert [step for step, _, _ in points[name]] == [int(row["step"]) for row in rows]
        assert [value for _, value, _ in points[name]] == pytest.approx([float(row[name]) for row in rows], abs=1e-6)
    assert set(run.data.metrics) >= FINAL
    assert run.data.metrics["score"] == metrics["score"] == run.data.metrics[f"test_{metrics['metric']}"]
    assert run.data.metrics["ceiling"] == metrics["ceiling"]
    assert [step for step, _, _ in points["score"]] == [0]  # the first evaluation
    assert set(kept.artifacts(run, "figures")) == {f"figures/{figure}.png" for figure in FIGURES[variant]}
    if run.data.metrics["train_seconds"] > 4:
        assert {"system/cpu_utilization_percentage", "system/system_memory_usage_megabytes"} <= set(run.data.metrics)


def test_a_training_of_some_seconds_has_system_metrics(kept: Store):
    longest = max((run.data.metrics for run in kept.runs()), key=lambda metrics: metrics["train_seconds"])
    if longest["train_seconds"] < 3:
        pytest.skip(f"no training lasted for 3 s on this machine: {longest['train_seconds']:.1f} s at most")
    assert "system/cpu_utilization_percentage" in longest


SERVE = """
import json, sys
from importlib.abc import MetaPathFinder

class NoTraining(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("tensorflow", "keras", "jax", "torch"):
            raise ImportError(f"{name} must not be needed")

sys.meta_path.insert(0, NoTraining())
import mlflow
import numpy as np

mlflow.set_tracking_uri(sys.argv[1])
answers = {}
for run_id, examples in zip(sys.argv[2::2], sys.argv[3::2]):
    model = mlflow.pyfunc.load_model(f"runs:/{run_id}/model")
    given = np.load(examples)
    shapes = [list(spec.shape) for spec in model.metadata.get_input_schema()]
    answers[run_id] = {
        "signature": shapes,
        "example": [model.input_example.dtype == given.dtype, model.input_example.tolist() == given[:1].tolist()],
        "of example": len(model.predict(model.input_example)),
        "all": model.predict(given).to_dict("records"),
        "two": model.predict(given[:2]).to_dict("records"),
    }
    if shapes[0][1] == -1:  # the time axis is free
        answers[run_id]["short"] = len(model.predict(given[:2, :-1]))
import pipeline
assert not {"tensorflow", "keras"} & set(sys.modules)
print(json.dumps({"answers": answers, "code": pipeline.__file__}, default=lambda value: value.tolist()))
"""


def given_examples(project: Project, variant: str) -> Any:
    """The test split in the form in which a user gives it."""
    from pipeline.dataset import Dataset
    from pipeline.runtime import Export

    export = Export(project / f"models/{variant}/export")
    dataset = Dataset(project / f"data/{export.manifest.dataset}")
    return export.view.as_given(dataset.split("test"), dataset.card)


def test_the_logged_model_answers_as_was_scored_outside_the_project_without_tensorflow(
    made: Project, kept: Store, tmp_path: Path
):
    import numpy as np

    script, arguments, ids = tmp_path / "serve.py", [], {}
    script.write_text(SERVE)
    for variant in VARIANTS:
        ids[variant] = kept.run(variant).info.run_id
        np.save(tmp_path / f"{variant}.npy", given_examples(made, variant))
        arguments += [ids[variant], f"{variant}.npy"]
    command = [sys.executable, str(script), f"sqlite:///{made / 'mlflow.db'}", *arguments]
    environment = {k: v for k, v in made.environment().items() if k != "PYTHONPATH"}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert not Path(found["code"]).is_relative_to(made / "pipeline")  # the code that was logged, not the project's
    assert not Path(found["code"]).is_relative_to(Path(__file__).parents[1])

    answers = {variant: found["answers"][ids[variant]] for variant in VARIANTS}
    assert answers[CLIP]["signature"] == [[-1, -1, 7, 7]]
    assert answers[MEMORY]["signature"] == [[-1, -1]]
    assert answers[IMAGE]["signature"] == [[-1, 28, 28]]
    assert answers[CLIP]["short"] == answers[MEMORY]["short"] == 2
    for variant in VARIANTS:
        assert len(answers[variant]["two"]) == 2
        assert answers[variant]["example"] == [True, True] and answers[variant]["of example"] == 1
        with (made / f"reports/{variant}/predictions.csv").open() as file:
            rows = list(csv.DictReader(file))
        labels, probabilities = [], []
        for answer in answers[variant]["all"]:
            labels += answer["labels"] if variant == MEMORY else [answer["label"]]
            probabilities += answer["probabilities"] if variant == MEMORY else [answer["probability"]]
        assert [str(label) for label in labels] == [row["predicted"] for row in rows]
        assert probabilities == pytest.approx([float(row["probability"]) for row in rows], abs=2e-4)


def test_a_large_example_is_not_logged(made: Project, monkeypatch: pytest.MonkeyPatch):
    from pipeline.dataset import Dataset
    from pipeline.runtime import Export
    from pipeline.tracking import model

    export, dataset = Export(made / f"models/{IMAGE}/export"), Dataset(made / "data/digits")
    monkeypatch.setattr(model, "LARGEST_EXAMPLE", 28 * 28)
    assert model.input_example(export, dataset).shape == (1, 28, 28)
    monkeypatch.setattr(model, "LARGEST_EXAMPLE", 28 * 28 - 1)
    assert model.input_example(export, dataset) is None


def test_two_trainings_begun_at_once_on_an_empty_store_both_have_their_run(fresh: Project):
    for dataset in ("memory", "digits"):
        fresh.pipeline("generate", dataset).succeeded()
    assert not (fresh / "mlflow.db").exists()
    processes = {variant: fresh.start("train", variant) for variant in (MEMORY, IMAGE)}
    for variant, process in processes.items():
        out, _ = process.communicate(timeout=180)
        assert process.returncode == 0, out
        assert "cannot be used" not in out
        run = fresh.store().run(variant)
        assert run.info.status == "FINISHED"
        assert len(fresh.store().histories(run)["val_loss"]) == len(history(fresh, variant))


def test_sync_rebuilds_every_run_and_a_second_time_changes_nothing(changeable: Project, kept: Store):
    before = changeable.hashes()
    changeable.pipeline("sync").succeeded()
    rebuilt = changeable.store()
    for variant in VARIANTS:
        run, original = rebuilt.run(variant), kept.run(variant)
        assert run.info.status == "FINISHED"
        assert run.data.tags["restored"] == "true"
        assert not WHERE_IT_RAN & set(run.data.tags)
        assert run.data.params == original.data.params
        for name in TAGS - WHERE_IT_RAN:
            assert run.data.tags[name] == original.data.tags[name]
        assert run.data.tags["stage.export"] == original.data.tags["stage.export"] == "done"
        scores = {name: value for name, value in original.data.metrics.items() if not name.startswith("system/")}
        assert run.data.metrics == pytest.approx(scores, abs=1e-6)
        assert set(rebuilt.artifacts(run, "figures")) == set(kept.artifacts(original, "figures"))
        assert len(run.outputs.model_outputs) == 1
        (used,) = run.inputs.dataset_inputs
        assert used.dataset.digest == original.inputs.dataset_inputs[0].dataset.digest
    contents = rebuilt.contents()
    assert len(contents) == len(VARIANTS)

    assert "added" not in changeable.pipeline("sync").succeeded().text
    assert changeable.store().contents() == contents
    assert changeable.hashes() == before


@pytest.mark.parametrize("uri", ["http://127.0.0.1:{port}", "nowhere://at.all", "http://[::broken"])
def test_sync_with_a_store_that_cannot_be_used_fails_in_one_line(changeable: Project, uri: str):
    before, uri = changeable.hashes(), uri.format(port=closed_port())
    finished = changeable.pipeline("sync", MLFLOW_TRACKING_URI=uri)
    assert finished.code == 1
    assert finished.out == ""
    (line,) = finished.err.splitlines()
    assert line.startswith(f"failed: MLflow at {uri} cannot be used (")
    assert changeable.hashes() == before


def test_without_a_server_stages_go_on_and_sync_delivers_later(changeable: Project):
    before = changeable.hashes(f"models/{IMAGE}")
    nowhere = {"MLFLOW_TRACKING_URI": f"http://127.0.0.1:{closed_port()}"}
    trained = changeable.pipeline("train", IMAGE, **nowhere).succeeded()
    assert trained.text.count("cannot be used") == 1
    assert nowhere["MLFLOW_TRACKING_URI"] in trained.text
    assert "python -m pipeline sync" in trained.text
    assert "Traceback" not in trained.text
    assert changeable.hashes(f"models/{IMAGE}") == before  # the same weights, with or without a server
    scored = changeable.pipeline("evaluate", IMAGE, **nowhere).succeeded()
    assert "not tracked" in scored.text
    assert not (changeable / "mlflow.db").exists()

    changeable.pipeline("sync").succeeded()
    run = changeable.store().run(IMAGE)
    assert run.info.status == "FINISHED"
    assert run.data.metrics["score"] == changeable.metrics(IMAGE)["score"]
    assert len(changeable.store().histories(run)["val_loss"]) == len(history(changeable, IMAGE))


def test_a_server_that_dies_during_a_training_does_not_end_it(changeable: Project, tmp_path: Path):
    port = closed_port()
    uri = f"sqlite:///{tmp_path}/server.db"
    server = subprocess.Popen(
        [
            *(Path(sys.executable).with_name("mlflow"), "server", "--port", str(port), "--workers", "1"),
            *("--backend-store-uri", uri, "--default-artifact-root", tmp_path / "artifacts"),
        ],
        cwd=tmp_path,
        env=changeable.environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        wait_until(lambda: is_open(port), 90)
        with changeable.changing_params() as params:  # many short rounds: the server dies in one of them
            training = params["variants"][MEMORY]["training"]
            training.update(steps=600, validate_every=10, steps_per_execution=10)
        process = changeable.start("train", MEMORY, MLFLOW_TRACKING_URI=f"http://127.0.0.1:{port}")
        assert process.stdout is not None
        next(line for line in process.stdout if "update" in line)
        os.killpg(server.pid, signal.SIGKILL)
        out, _ = process.communicate(timeout=180)
    finally:
        server.kill()
    assert process.returncode == 0, out
    assert "cannot be used" in out and "pipeline sync" in out
    assert "Traceback" not in out
    rows = history(changeable, MEMORY)
    assert len(rows) == 60

    changeable.pipeline("sync", MLFLOW_TRACKING_URI=uri).succeeded()  # the server's store, reached again
    run = Store(uri).runs(MEMORY)[-1]
    assert run.info.status == "FINISHED"
    assert [step for step, _, _ in Store(uri).histories(run)["val_loss"]] == [int(row["step"]) for row in rows]


def test_a_training_begun_in_another_store_is_whole_in_the_one_it_ends_in(changeable: Project, tmp_path: Path):
    with changeable.changing_params() as params:  # many short rounds: it is killed after some of them
        params["variants"][MEMORY]["training"].update(steps=600, validate_every=10, steps_per_execution=10)
    first = f"sqlite:///{tmp_path}/first.db"
    process = changeable.start("train", MEMORY, MLFLOW_TRACKING_URI=first)
    assert process.stdout is not None
    next(line for line in process.stdout if "update 100" in line)
    process.kill()
    process.communicate()

    finished = changeable.pipeline("train", MEMORY).succeeded()
    assert "going on after update" in finished.text
    rows, store = history(changeable, MEMORY), changeable.store()
    run = store.run(MEMORY)
    assert run.info.status == "FINISHED" and len(rows) == 60
    assert [step for step, _, _ in store.histories(run)["val_loss"]] == [int(row["step"]) for row in rows]
    (begun,) = Store(first).runs(MEMORY)
    assert begun.info.status == "RUNNING" and len(Store(first).histories(begun)["val_loss"]) < len(rows)


def is_open(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def wait_until(fulfilled: Any, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not fulfilled():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_a_loss_that_is_no_number_fails_the_run_but_not_the_one_it_was_started_under(changeable: Project):
    import mlflow

    client = mlflow.MlflowClient(f"sqlite:///{changeable / 'mlflow.db'}")
    experiment = client.create_experiment("cadence", artifact_location=str(changeable / "mlartifacts"))
    parent = client.create_run(experiment, run_name="parent").info.run_id
    with changeable.changing_params() as params:
        params["variants"][IMAGE]["training"].update(learning_rate=1e30)
    before = changeable.hashes()
    finished = changeable.pipeline("train", IMAGE, MLFLOW_RUN_ID=parent)
    assert finished.code == 1, finished.text
    assert "Traceback" not in finished.text
    message = re.search(
        r"the loss became (nan|inf|-inf) at update (\d+) of 12; try a lower learning_rate", finished.text
    )
    assert message, finished.text
    assert changeable.hashes() == before

    run = changeable.store().run(IMAGE)
    assert run.info.run_id != parent
    assert run.data.tags["mlflow.parentRunId"] == parent
    assert run.info.status == "FAILED"
    assert message.group(0) in run.data.tags["error"]
    assert "stage.train" not in run.data.tags
    left = client.get_run(parent)
    assert left.info.status == "RUNNING" and not left.data.params and not left.data.metrics
