"""The pipeline as a whole, in a small copy of the project: `dvc repro`, changes, experiments, failures."""

import csv
import io
import re
import time
from typing import Any

import pytest
from project import CLIP, IMAGE, MEMORY, VARIANTS, Project

pytest_plugins = ["project"]
pytestmark = pytest.mark.slow

HOLD_SECONDS = (
    "train_timing.json",
    "inference_timing.json",
    "derive_timing.json",
)  # and so does the report, which is made from them
RAN = re.compile(r"^Running stage '(.*)':$", re.MULTILINE)
SHARED = ("metric", "score", "ceiling", "higher_is_better", "num_parameters", "num_examples")
OWN = {
    CLIP: ("accuracy", "macro_f1", "log_loss"),
    MEMORY: ("accuracy", "sequence_accuracy"),
    IMAGE: ("accuracy", "macro_f1", "log_loss"),
}


def without_seconds(stages: dict[str, Any]) -> dict[str, Any]:
    """Entries of dvc.lock, less the hashes and sizes of what holds durations."""

    def mask(entry: dict[str, Any]) -> dict[str, Any]:
        path = entry["path"]
        return {"path": path} if path.endswith(HOLD_SECONDS) or path in ("reports", "report") else entry

    return {
        name: stage | {side: [mask(entry) for entry in stage.get(side, [])] for side in ("deps", "outs")}
        for name, stage in stages.items()
    }


def test_one_by_one_leaves_the_lock_of_side_by_side_and_a_second_time_runs_nothing(fresh: Project, made: Project):
    first = fresh.dvc("repro", timeout=300).succeeded()
    assert set(RAN.findall(first.out)) == set(fresh.lock())
    serial, parallel = without_seconds(fresh.lock()), without_seconds(made.lock())
    assert set(serial) == set(parallel)
    for name, stage in parallel.items():
        assert serial[name] == stage, name

    started = time.monotonic()
    second = fresh.dvc("repro").succeeded()
    assert time.monotonic() - started < 10
    assert RAN.findall(second.out) == []
    assert "up to date" in second.text
    assert fresh.pipeline("verify").succeeded().code == 0
    fresh.pipeline("repro").succeeded()  # DVC alone leaves the entries in the order in which they were made
    assert list(fresh.lock()) == list(parallel)


@pytest.mark.parametrize("variant", VARIANTS)
def test_metrics_have_the_shared_keys_and_those_of_the_task(made: Project, variant):
    metrics, datasets, variants = made.metrics(variant), made.params()["datasets"], made.params()["variants"]
    assert set(SHARED) <= set(metrics)
    assert set(OWN[variant]) <= set(metrics)
    assert metrics["score"] == metrics[metrics["metric"]]
    assert 0 <= metrics["score"] <= 1
    assert metrics["num_examples"] == datasets[variants[variant]["dataset"]]["splits"]["test"]


def test_everything_dvc_yaml_names_is_there(made: Project):
    for name, stage in made.lock().items():
        for out in stage["outs"]:
            assert (made / out["path"]).exists(), name
    assert made.run("git", "status", "--porcelain").out == ""  # all outputs are ignored or committed


def test_one_changed_value_remakes_that_variant_and_changed_back_comes_from_the_cache(changeable: Project):
    changeable.pipeline("sync").succeeded()
    before, params = changeable.lock(), (changeable / "params.yaml").read_text()
    with changeable.changing_params() as changed:
        changed["variants"][MEMORY]["training"]["learning_rate"] = 1e-6
    assert RAN.findall(changeable.dvc("repro", timeout=240).succeeded().out) == [
        *(f"{stage}@{MEMORY}" for stage in ("train", "export", "evaluate")),
        "report",
    ]
    after = changeable.lock()
    assert {name for name in before if before[name] != after[name]} == {
        *(f"{stage}@{MEMORY}" for stage in ("train", "export", "evaluate")),
        "report",
    }

    difference = changeable.dvc("metrics", "diff").succeeded().out
    assert re.search(rf"reports/{MEMORY}/metrics.json +score +[\d.]+ +[\d.]+ +-", difference), difference
    changeable.dvc("plots", "diff", "--out", "dvc_plots").succeeded()
    page = (changeable / "dvc_plots/index.html").read_text()
    assert f"reports/{MEMORY}/history.csv" in page

    (changeable / "params.yaml").write_text(params)
    assert RAN.findall(changeable.dvc("repro", timeout=240).succeeded().out) == []
    assert changeable.lock() == before
    assert changeable.run("git", "status", "--porcelain").out == ""

    runs = changeable.store().contents()
    assert len(changeable.store().runs(MEMORY)) == 2  # as it was, and as it was changed
    assert len(runs) == len(VARIANTS) + 1
    assert "added" not in changeable.pipeline("sync").succeeded().text
    assert changeable.store().contents() == runs


def test_an_experiment_in_a_temporary_workspace_logs_to_the_projects_store(changeable: Project):
    setting = f"variants.{MEMORY}.seed=5"
    finished = changeable.dvc("exp", "run", "--temp", "--name", "other-seed", "--set-param", setting, timeout=300)
    assert RAN.findall(finished.succeeded().out) == [
        *(f"{stage}@{MEMORY}" for stage in ("train", "export", "evaluate")),
        "report",
    ]
    run = changeable.store().run(MEMORY)
    assert run.data.tags["dvc.experiment"] == "other-seed"
    assert run.data.params["seed"] == "5"
    assert changeable.run("git", "status", "--porcelain").out == ""  # the workspace did not change
    assert changeable.pipeline("verify").succeeded().code == 0

    table = changeable.dvc("exp", "show", "--only-changed", "--csv").succeeded().out
    rows = {row["Experiment"]: row for row in csv.DictReader(io.StringIO(table))}
    assert rows["other-seed"][f"variants.{MEMORY}.seed"] == "5"


def test_an_experiment_in_the_workspace_remakes_what_it_changes(changeable: Project):
    setting = f"variants.{MEMORY}.gate.accuracy=0.1"
    finished = changeable.dvc("exp", "run", "--name", "low-gate", "--set-param", setting, timeout=120).succeeded()
    assert RAN.findall(finished.out)[0] == f"evaluate@{MEMORY}"
    assert changeable.params()["variants"][MEMORY]["gate"] == {"accuracy": 0.1}
    assert changeable.metrics(MEMORY)["gate"] == "passed"


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_a_variant_that_fails_stops_no_other_and_is_named(changeable: Project, jobs):
    with changeable.changing_params() as params:
        params["variants"]["memory_bad"] = params["variants"][MEMORY] | {"network": {"units": -3}}
        params["variants"][IMAGE]["gate"] = {"accuracy": 0.99}
    finished = changeable.pipeline("repro", "--jobs", jobs, timeout=200)
    assert finished.code == 1, finished.text
    assert "params.yaml: variants.memory_bad.network.units: found -3" in finished.text
    assert "Traceback" not in finished.text
    assert changeable.metrics(IMAGE)["gate"] == "failed"  # was made again
    assert "train@memory_bad" not in changeable.lock()

    said = changeable.pipeline("report").succeeded().text
    assert "without memory_bad" in said
    assert "Not evaluated: memory_bad." in (changeable / "report/results.md").read_text()
    page = (changeable / "report/index.html").read_text()
    assert "Not evaluated" in page and "memory_bad" in page and f'id="{IMAGE}"' in page


def test_whatever_trained_a_network_its_export_is_made_by_tensorflow_in_float32(changeable: Project):
    import onnx

    with changeable.changing_params() as params:
        params["variants"][IMAGE]["training"]["mixed_precision"] = True
    changeable.pipeline("train", IMAGE).succeeded()
    changeable.pipeline("export", IMAGE, KERAS_BACKEND="jax").succeeded()
    graph = onnx.load(changeable / f"models/{IMAGE}/export/model.onnx").graph
    types = {tensor.data_type for tensor in graph.initializer}
    assert onnx.TensorProto.FLOAT in types and onnx.TensorProto.FLOAT16 not in types
