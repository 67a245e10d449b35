"""Data checks in the pipeline: what stops a training, what lets it go on, and what makes none run again."""

import json
from pathlib import Path

import numpy as np
import pytest
from project import IMAGE, MEMORY, Project

from pipeline.checking.summary import data_hash, read_reference, reference_path, write_reference
from pipeline.dataset import read_card
from pipeline.fingerprint import read_record

pytest_plugins = ["project"]
pytestmark = pytest.mark.slow

OWN = "own_cnn"
REFERENCE = "data/references/own.json"


def write_own(project: Project, brightness: int = 0, seed: int = 0) -> None:
    """Files of the user: 400 images of two classes."""
    rng = np.random.default_rng(seed)
    x = rng.integers(0, 200, (400, 8, 8)) + brightness
    np.savez(project / "raw/own.npz", x=x.astype(np.uint8), y=rng.integers(0, 2, 400))


def repro(project: Project, *targets: str) -> tuple[int, str, list[str]]:
    """Exit code, all that was said, and the stages that ran."""
    finished = project.pipeline("repro", *targets, timeout=240)
    ran = [line.split("'")[1] for line in finished.out.splitlines() if line.startswith("Running stage")]
    assert "Traceback" not in finished.text
    return finished.code, " ".join(finished.text.split()), ran


def test_an_import_is_accepted_once_then_compared_and_never_trained_on_when_it_drifted(changeable: Project):
    write_own(changeable)
    (changeable / REFERENCE).unlink()
    with changeable.changing_params() as params:
        block = params["variants"][IMAGE] | {"dataset": "own", "start": "data/own"}
        params["variants"] = {MEMORY: params["variants"][MEMORY], OWN: block}
    code, said, ran = repro(changeable, f"train@{OWN}")
    assert (code, ran) == (1, ["import@own", "check_imported@own"])
    assert "failed: data/own: data/references/own.json: accepted version to compare with: found none" in said
    assert "if it is what you meant: python -m pipeline accept-data own" in said
    assert "brightness (least, median, most)" in said  # the summary to look at
    assert not (changeable / f"models/{OWN}").exists() and not (changeable / REFERENCE).exists()

    accepted = changeable.pipeline("accept-data", "own").succeeded().text
    assert "git add data/references/own.json" in " ".join(accepted.split())
    code, said, ran = repro(changeable, f"train@{OWN}")
    assert (code, ran) == (0, ["check_imported@own", f"train@{OWN}"])
    record = read_record(changeable / f"models/{OWN}/train")
    assert json.loads((changeable / "reports/data/own/passed.json").read_text())["data"] == record.data_hash
    assert record.data_hash == data_hash(read_card(changeable / "data/own"))
    assert "already" in changeable.pipeline("accept-data", "own").succeeded().text

    summary = read_reference(changeable / REFERENCE)
    assert summary is not None
    write_reference(changeable / REFERENCE, summary.model_copy(update={"examples": {**summary.examples, "test": 41}}))
    assert repro(changeable, f"train@{OWN}")[::2] == (0, ["check_imported@own"])  # nothing is trained again

    before, kept = changeable.hashes("models", "reports"), (changeable / "dvc.lock").read_text()
    write_own(changeable, brightness=55, seed=1)
    code, said, ran = repro(changeable)
    assert code == 1 and "check_imported@own" in ran and f"train@{OWN}" not in ran
    assert "failed: data/own: train: drift of brightness (PSI to the accepted version): found" in said
    assert "report: data that failed its checks: own" in said
    after = changeable.hashes("models", "reports")
    assert {name: after[name] for name in before} == before
    assert f"train@{OWN}" in kept and changeable.lock()[f"train@{OWN}"]["cmd"]
    page = (changeable / "report/index.html").read_text()
    assert '<span class="failed">failed</span>' in page and "drift of brightness" in page
    assert "Data that failed its checks: own." in (changeable / "report/results.md").read_text()

    write_own(changeable)  # brought back: all is as it was, from the cache
    assert repro(changeable, f"train@{OWN}")[::2] == (0, [])
    changeable.pipeline("report").succeeded()
    assert "Data that failed" not in (changeable / "report/results.md").read_text()


def test_a_planted_leak_stops_what_is_trained_on_it_and_nothing_else(changeable: Project):
    source = changeable / "pipeline/datasets/digits.py"
    leak = "\n\ndraw_clean = draw_split\n\n\ndef draw_split(parameters, num_examples, rng):\n" + (
        "    arrays = draw_clean(parameters, num_examples, rng)\n    arrays['x'][3] = 7\n    return arrays\n"
    )
    source.write_text(source.read_text() + leak)
    with changeable.changing_params() as params:
        params["variants"][MEMORY]["gate"] = {"accuracy": 0.5}
    before = changeable.hashes(f"models/{IMAGE}", f"reports/{IMAGE}")
    finished = changeable.pipeline("repro", "--jobs", "2", timeout=240)
    said = " ".join(finished.text.split())
    assert finished.code == 1
    assert "test x: examples that train holds too, first row 3 = train row 3: found 1; allowed: 0" in said
    assert f"done evaluate@{MEMORY}" in said  # another dataset's
    assert "derive@half_of_digits" in said.partition("left out, as they need these:")[2]
    assert changeable.hashes(f"models/{IMAGE}", f"reports/{IMAGE}") == before
    assert "Data that failed its checks: digits." in (changeable / "report/results.md").read_text()
    metrics = changeable.dvc("metrics", "show", "--json").succeeded().out
    assert json.loads(metrics)[""]["data"][str(Path("reports/data/memory/checks.json"))]["data"]["errors"] == 0


def test_a_reference_that_was_altered_stops_the_check(changeable: Project):
    path = reference_path("own", changeable.folder)
    path.write_text(path.read_text().replace('"dataset": "own"', '"dataset": "other"'))
    finished = changeable.pipeline("check-data", "own")
    assert finished.code == 2
    assert "data/references/own.json: was altered since accept-data wrote it; bring it back with: git checkout" in (
        " ".join(finished.err.split())
    )
