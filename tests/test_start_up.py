"""Commands start without what they do not need, Keras and TensorFlow above all, and in time for a person."""

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from exported import write_digits_export
from found import PARAMS, ROOT
from onnx import helper

from pipeline.config import variant_block
from pipeline.dataset import Dataset, read_card
from pipeline.places import Places

VARIANT, DATASET = "digits_cnn", "digits"
HEAVY = ("keras", "tensorflow")
SLOW_TO_IMPORT = (*HEAVY, "mlflow", "pandas", "matplotlib", "sklearn", "dvc")
# Runs a command as `python -m pipeline` does; afterwards says on the last line of stdout what was imported.
RUN = """
import runpy, sys
sys.argv = ["pipeline", *sys.argv[1:]]
try:
    runpy.run_module("pipeline", run_name="__main__", alter_sys=True)
except SystemExit as end:
    assert not end.code, end.code
finally:
    print("\\n" + " ".join(sorted({name.partition(".")[0] for name in sys.modules})))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project of one dataset and one variant, exported as a graph that was put together by hand."""
    folder = tmp_path_factory.mktemp("project")
    dataset = PARAMS["datasets"][DATASET] | {"splits": {"train": 4, "validation": 4, "test": 6}}
    params: dict[str, Any] = {section: {} for section in PARAMS}
    params |= {"datasets": {DATASET: dataset}, "variants": {VARIANT: PARAMS["variants"][VARIANT]}}
    (folder / "params.yaml").write_text(yaml.safe_dump(params))
    return folder


def run(folder: Path, *arguments: str) -> tuple[str, set[str]]:
    """What a command prints, and the packages that were imported when it ended."""
    done = subprocess.run(
        [sys.executable, "-c", RUN, *arguments],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT), "DVC_ROOT": str(folder)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    printed, _, modules = done.stdout.rstrip().rpartition("\n")
    return printed + done.stderr, set(modules.split())


def write_export(folder: Path) -> None:
    """An export that answers the digit of the brightest of the first ten pixels."""
    places = Places.of(VARIANT, DATASET, folder)
    card = read_card(places.dataset)
    pick = np.zeros((28 * 28, 10), dtype=np.float32)
    pick[np.arange(10), np.arange(10)] = 1
    nodes = [
        helper.make_node("Flatten", ["image"], ["flat"]),
        helper.make_node("MatMul", ["flat", "pick"], ["brightness"]),
        helper.make_node("Softmax", ["brightness"], ["probability"]),
    ]
    write_digits_export(places, VARIANT, variant_block(VARIANT, PARAMS), card, nodes, {"pick": pick})


def test_help_and_check_import_next_to_nothing(folder: Path) -> None:
    for command in ("--help", "check"):
        _, modules = run(folder, command)
        assert not modules & set(SLOW_TO_IMPORT)


@pytest.mark.parametrize("module", ["sampling", "translate"])
def test_writing_a_text_imports_next_to_nothing(module: str) -> None:
    code = f"import sys, pipeline.{module}; print(*{{name.partition('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "onnxruntime" in done.stdout.split() and not set(done.stdout.split()) & set(SLOW_TO_IMPORT)


@pytest.mark.slow
def test_data_scores_and_answers_are_made_without_keras(folder: Path) -> None:
    printed, modules = run(folder, "generate", DATASET)
    assert "4 train, 4 validation, 6 test" in printed and not modules & set(SLOW_TO_IMPORT)

    write_export(folder)
    test = Dataset(folder / "data" / DATASET).split("test")["x"]
    printed, modules = run(folder, "predict", VARIANT, "--example", "3")
    assert printed.startswith(f"test[3]: {int(test[3].ravel()[:10].argmax())} ")
    assert not modules & {*HEAVY, "mlflow", "pandas", "dvc"}

    printed, modules = run(folder, "evaluate", VARIANT)
    assert "evaluate@digits_cnn: accuracy " in printed and "not tracked" not in printed
    assert not modules & set(HEAVY)

    printed, modules = run(folder, "report")
    assert "report: " in printed and not modules & {*HEAVY, "mlflow"}


@pytest.mark.parametrize(("command", "seconds"), [("--help", 1.0), ("check", 2.0)])
def test_a_person_does_not_wait(command: str, seconds: float) -> None:
    durations = []
    for _ in range(3):
        started = time.perf_counter()
        subprocess.run([sys.executable, "-m", "pipeline", command], cwd=ROOT, capture_output=True, check=True)
        durations.append(time.perf_counter() - started)
    assert min(durations) < seconds
