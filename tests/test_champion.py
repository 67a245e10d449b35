"""Promotion for real: MLflow on SQLite, and exports put together by hand that answer known test examples wrongly."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from exported import write_digits_export
from found import PARAMS, ROOT
from onnx import helper
from project import Finished, Project

from pipeline.config import load_params, variant_block
from pipeline.dataset import SPLITS, Dataset, read_card, save_dataset
from pipeline.fingerprint import write_record
from pipeline.places import Places

pytest_plugins = ["project"]
pytestmark = pytest.mark.slow

DATASET, TEST = "digits", 120
FILE = f"reports/promotions/{DATASET}.jsonl"
Cli = Callable[..., Finished]
USER, FAILURE = 2, 1


@pytest.fixture(scope="module")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store without experiments: making its tables takes seconds, copying them none."""
    import mlflow

    path = tmp_path_factory.mktemp("store") / "mlflow.db"
    mlflow.MlflowClient(f"sqlite:///{path}").search_experiments()
    return path


@pytest.fixture
def project(tmp_path: Path, empty_store: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    """A project of one small dataset, without variants, and a store of its own."""
    from pipeline.tracking.store import connect

    dataset = PARAMS["datasets"][DATASET] | {"splits": {"train": 4, "validation": 4, "test": TEST}}
    project = Project(tmp_path / "project")
    project.folder.mkdir()
    content: dict[str, Any] = {section: {} for section in PARAMS}
    content |= {"datasets": {DATASET: dataset}, "promotion": {DATASET: {"tolerance": 0.03}}}
    (project / "params.yaml").write_text(yaml.safe_dump(content))
    shutil.copy(empty_store, project / "mlflow.db")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{project / 'mlflow.db'}")
    connect.cache_clear()
    yield project
    connect.cache_clear()


@pytest.fixture
def digits(project: Project, cli: Cli) -> Project:
    cli(project, "generate", DATASET).succeeded()
    return project


def write_variant(project: Project, name: str, wrong: Iterable[int], ballast: int = 0) -> None:
    """A variant whose export answers the test examples `wrong` wrongly and all others rightly.

    It remembers them: of all test images the nearest one decides. ballast: bytes that make its file larger.
    """
    with project.changing_params() as params:
        params["variants"][name] = PARAMS["variants"]["digits_cnn"] | {"gate": {"accuracy": 0.1}}
    places = Places.of(name, DATASET, project.folder)
    arrays, card = Dataset(places.dataset).split("test"), read_card(places.dataset)
    known = arrays["x"].reshape(len(arrays["x"]), -1).astype(np.float32) / 255
    answers = np.eye(10, dtype=np.float32)[(arrays["y"] + np.isin(np.arange(len(known)), list(wrong))) % 10]
    constants = {
        "known": known.T.copy(),
        "norms": (known**2).sum(axis=1) / 2,
        "sure": np.float32(1000),
        "answers": answers,
        "ballast": np.zeros(ballast // 4, dtype=np.float32),
    }
    nodes = [
        helper.make_node("Flatten", ["image"], ["flat"]),
        helper.make_node("MatMul", ["flat", "known"], ["products"]),
        helper.make_node("Sub", ["products", "norms"], ["nearness"]),
        helper.make_node("Mul", ["nearness", "sure"], ["sharp"]),
        helper.make_node("Softmax", ["sharp"], ["nearest"]),
        helper.make_node("MatMul", ["nearest", "answers"], ["probability"]),
    ]
    block = variant_block(name, load_params(project / "params.yaml"))
    write_record(places.trained, write_digits_export(places, name, block, card, nodes, constants))


def add(cli: Cli, project: Project, name: str, wrong: Iterable[int], ballast: int = 0) -> None:
    write_variant(project, name, wrong, ballast)
    cli(project, "evaluate", name).succeeded()


def decisions(project: Project) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (project / FILE).read_text().splitlines()] if (project / FILE).exists() else []


def client() -> Any:
    import mlflow

    return mlflow.MlflowClient(os.environ["MLFLOW_TRACKING_URI"])


def champion() -> str:
    """The variant that the alias names."""
    return str(client().get_model_version_by_alias(DATASET, "champion").tags["variant"])


def assert_clear(finished: Finished, code: int, *words: str) -> None:
    assert finished.code == code, finished.text
    assert "Traceback" not in finished.err and finished.out == ""
    assert len(finished.err.splitlines()) == 1, finished.err
    assert finished.err.startswith("error: " if code == USER else "failed: ")
    for word in words:
        assert word in finished.err


def test_a_champion_is_chosen_kept_replaced_and_taken_back(digits: Project, cli: Cli):
    add(cli, digits, "weak", range(40))
    add(cli, digits, "weaker", range(45))
    finished = cli(digits, "promote", DATASET).succeeded()
    assert "promoted: first champion" in finished.err and FILE in finished.err
    (first,) = decisions(digits)
    assert champion() == first["champion_after"]["variant"] == "weak"
    assert first["champion_before"] is None and first["action"] == "promoted"
    assert [found["variant"] for found in first["candidates"]] == ["weak", "weaker"]

    # nothing new: no second decision
    line = (digits / FILE).read_bytes()
    assert f"nothing new since {first['time']}" in cli(digits, "promote", DATASET).succeeded().err
    assert (digits / FILE).read_bytes() == line

    # a challenger that differs on two examples is no better beyond doubt, though its score is higher
    add(cli, digits, "luckier", range(38))
    assert "kept: weak-" in cli(digits, "promote", DATASET).succeeded().err
    kept = decisions(digits)[-1]
    assert kept["action"] == "kept" and champion() == "weak"
    assert kept["champion_after"] == kept["champion_before"] == first["champion_after"]
    luckier = next(found for found in kept["candidates"] if found["variant"] == "luckier")
    assert luckier["score"] == round(82 / TEST, 4) > kept["champion_before"]["score"] == round(80 / TEST, 4)
    assert luckier["comparison"]["difference"] == pytest.approx(2 / TEST)
    assert luckier["comparison"]["p"] == 0.5 and luckier["comparison"]["alpha"] == pytest.approx(0.025)
    assert luckier["gates"] == {"own gate": "passed"}
    assert {found["variant"]: found["verdict"] for found in kept["candidates"]}["weak"] == "champion"

    # one that is better beyond doubt
    add(cli, digits, "strong", range(5))
    assert "better beyond doubt" in cli(digits, "promote", DATASET).succeeded().err
    promoted = decisions(digits)[-1]
    assert champion() == promoted["champion_after"]["variant"] == "strong"
    assert promoted["champion_before"]["variant"] == "weak"
    assert promoted["settings"]["tolerance"] == 0.03 and promoted["test_split"]
    version = client().get_model_version_by_alias(DATASET, "champion")
    assert version.tags["promotion.action"] == "promoted" and version.tags["promotion.reason"] == promoted["reason"]
    run = client().get_run(version.run_id)
    assert run.data.tags["promotion.verdict"] == version.tags["promotion.verdict"] == "better beyond doubt"
    assert len(client().search_model_versions(f"name = '{DATASET}'")) == 4

    # back, and not again
    assert "strong-" in cli(digits, "rollback", DATASET).succeeded().err
    assert champion() == "weak" and decisions(digits)[-1]["action"] == "rolled back"
    finished = cli(digits, "promote", DATASET).succeeded()
    assert "was rolled back before, and is not promoted again" in decisions(digits)[-1]["reason"]
    assert champion() == "weak" and decisions(digits)[-1]["action"] == "kept"
    assert "nothing new" in cli(digits, "promote", DATASET).succeeded().err
    assert_clear(cli(digits, "rollback", DATASET), USER, "nobody to go back to", "is its first champion")

    # every line that was written is still there, as it was
    assert (digits / FILE).read_bytes().startswith(line)
    assert [found["action"] for found in decisions(digits)] == ["promoted", "kept", "promoted", "rolled back", "kept"]

    # who held it, and why
    reigns = json.loads(cli(digits, "history", DATASET, "--json").succeeded().out)
    assert [reign["champion"]["variant"] for reign in reigns] == ["weak", "strong", "weak"]
    assert [reign["ended"] for reign in reigns] == ["promoted", "rolled back", None]
    assert reigns[0]["until"] == reigns[1]["since"] == promoted["time"]
    table = cli(digits, "history", DATASET).succeeded().out
    assert table.count("weak-") >= 2 and "strong-" in table and "now" in table


def test_the_champion_answers_from_the_registry(digits: Project, cli: Cli):
    import mlflow

    add(cli, digits, "weak", range(40))
    cli(digits, "promote", DATASET).succeeded()
    mlflow.set_tracking_uri(os.environ["MLFLOW_TRACKING_URI"])
    model = mlflow.pyfunc.load_model(f"models:/{DATASET}@champion")
    arrays = Dataset(digits / f"data/{DATASET}").split("test")
    labels = model.predict(arrays["x"])["label"].astype(int).to_numpy()
    assert (labels != arrays["y"]).nonzero()[0].tolist() == list(range(40))


def test_an_equal_model_takes_the_place_if_it_is_smaller(digits: Project, cli: Cli):
    with digits.changing_params() as params:  # timings of a machine that others use decide nothing here
        params["promotion"][DATASET] = {"margin": 0.9, "tolerance": 0.05}
    add(cli, digits, "large", range(10), ballast=8_000_000)
    cli(digits, "promote", DATASET).succeeded()
    add(cli, digits, "alike", range(10), ballast=7_000_000)
    assert "kept" in cli(digits, "promote", DATASET).succeeded().err
    add(cli, digits, "small", range(11))
    assert "equal and smaller" in cli(digits, "promote", DATASET).succeeded().err
    assert champion() == "small"
    # which the larger ones do not take back
    add(cli, digits, "other", range(10), ballast=8_000_000)
    assert "kept" in cli(digits, "promote", DATASET).succeeded().err


def test_gates_come_before_everything(digits: Project, cli: Cli):
    with digits.changing_params() as params:
        params["promotion"][DATASET]["gate"] = {"accuracy": 0.9, "megabytes": 1, "latency_ms": 1000}
    add(cli, digits, "weak", range(40))
    add(cli, digits, "large", (), ballast=2_000_000)
    finished = cli(digits, "promote", DATASET).succeeded()
    assert "kept: no champion" in finished.err
    (refused,) = decisions(digits)
    assert refused["action"] == "kept" and refused["champion_after"] is None
    gates = {found["variant"]: found["gates"] for found in refused["candidates"]}
    assert gates["weak"] == {
        "own gate": "passed",
        "accuracy": "0.6667 is below 0.9",
        "megabytes": "passed",
        "latency_ms": "passed",
    }
    assert gates["large"]["megabytes"].endswith("is above 1") and gates["large"]["accuracy"] == "passed"
    assert "nothing new" in cli(digits, "promote", DATASET).succeeded().err
    assert_clear(cli(digits, "rollback", DATASET), USER, "it never had a champion")
    assert "champions so far: 0" in cli(digits, "history", DATASET).succeeded().err

    with digits.changing_params() as params:  # other settings are something new
        params["promotion"][DATASET]["gate"] = {}
        params["variants"]["large"]["gate"] = {"accuracy": 1.0}
    assert "promoted" in cli(digits, "promote", DATASET).succeeded().err
    assert champion() == "large"


def cut_to_100(project: Project, classes: list[str]) -> None:
    """Keep the first 100 test examples, and rename the classes."""
    data = Dataset(project / f"data/{DATASET}")
    splits = {split: {name: np.array(values)[:100] for name, values in data.split(split).items()} for split in SPLITS}
    description = data.card.as_description().model_copy(update={"classes": classes})
    save_dataset(data.folder, splits, description, source="digits", seed=3, parameters={})


def test_a_champion_of_another_test_split_is_scored_again_on_this_one(digits: Project, cli: Cli):
    add(cli, digits, "old", range(30))
    cli(digits, "promote", DATASET).succeeded()
    cut_to_100(digits, [str(label) for label in range(10)])
    assert_clear(cli(digits, "promote", DATASET), USER, "no scored variant", "another test split")
    add(cli, digits, "new", range(2))
    finished = cli(digits, "promote", DATASET).succeeded()
    assert "scoring it again" in finished.err and "another test split than" in finished.err
    decision = decisions(digits)[-1]
    assert decision["champion_scored_again"] and decision["action"] == "promoted"
    assert decision["champion_before"]["score"] == pytest.approx(0.7)
    assert decision["candidates"][0]["comparison"]["difference"] == pytest.approx(0.28)
    assert list(decision["left_out"]) == ["old"]


def test_a_champion_of_another_schema_is_refused(digits: Project, cli: Cli):
    add(cli, digits, "old", range(30))
    cli(digits, "promote", DATASET).succeeded()
    before = (digits / FILE).read_bytes()
    cut_to_100(digits, [f"a {label}" for label in range(10)])
    add(cli, digits, "new", range(2))
    finished = cli(digits, "promote", DATASET)
    assert_clear(finished, USER, "the champion old-", "another schema", "(classes)", "a name of its own")
    assert (digits / FILE).read_bytes() == before and champion() == "old"
    assert len(client().search_model_versions(f"name = '{DATASET}'")) == 1


def test_a_lost_store_gets_its_champion_back(
    digits: Project, cli: Cli, empty_store: Path, monkeypatch: pytest.MonkeyPatch
):
    from pipeline.tracking.store import connect

    add(cli, digits, "weak", range(40))
    cli(digits, "promote", DATASET).succeeded()
    shutil.copy(empty_store, digits / "other.db")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{digits / 'other.db'}")
    connect.cache_clear()
    assert_clear(cli(digits, "promote", DATASET), USER, "MLflow lacks the run", "weak-", "python -m pipeline sync")
    cli(digits, "sync").succeeded()
    finished = cli(digits, "promote", DATASET).succeeded()
    assert "alias restored" in finished.err and "nothing new" in finished.err
    assert [found["action"] for found in decisions(digits)] == ["promoted", "restored"]
    assert champion() == "weak"
    assert "restored" not in cli(digits, "promote", DATASET).succeeded().err
    assert len(json.loads(cli(digits, "history", DATASET, "--json").out)) == 1


def test_nobody_is_taken_back_in_a_store_that_lacks_who_was_before(
    digits: Project, cli: Cli, empty_store: Path, monkeypatch: pytest.MonkeyPatch
):
    from pipeline.tracking.store import connect

    for name, wrong in (("weak", range(40)), ("strong", range(5))):
        add(cli, digits, name, wrong)
        cli(digits, "promote", DATASET).succeeded()
    before = (digits / FILE).read_bytes()
    shutil.copy(empty_store, digits / "other.db")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{digits / 'other.db'}")
    connect.cache_clear()
    assert_clear(cli(digits, "rollback", DATASET), USER, "MLflow lacks the model of weak-", "MLFLOW_TRACKING_URI")
    assert (digits / FILE).read_bytes() == before


def test_a_file_that_is_behind_the_store_undoes_nothing(digits: Project, cli: Cli):
    add(cli, digits, "weak", range(40))
    cli(digits, "promote", DATASET).succeeded()
    behind = (digits / FILE).read_bytes()
    add(cli, digits, "strong", range(5))
    cli(digits, "promote", DATASET).succeeded()
    for content in (behind, b""):
        (digits / FILE).write_bytes(content)
        assert_clear(cli(digits, "promote", DATASET), USER, FILE, "git pull")
        assert (digits / FILE).read_bytes() == content
        assert champion() == "strong"


KILLED = """
import os, signal, sys
from pipeline.promotion import champion
from pipeline.tracking.registry import Registry
Registry.crown = lambda *given: os.kill(os.getpid(), signal.SIGKILL)
champion.promote(sys.argv[1])
"""


def test_a_kill_between_the_line_and_the_alias_is_mended_by_the_next_promote(digits: Project, cli: Cli):
    add(cli, digits, "weak", range(40))
    cli(digits, "promote", DATASET).succeeded()
    add(cli, digits, "strong", range(5))
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", KILLED, DATASET], cwd=digits.folder, env=environment)
    assert done.returncode == -9
    assert champion() == "weak" and decisions(digits)[-1]["champion_after"]["variant"] == "strong"
    assert "alias restored" in cli(digits, "promote", DATASET).succeeded().err
    assert champion() == "strong"
    assert [found["action"] for found in decisions(digits)] == ["promoted", "promoted", "restored"]
    assert "nothing new" in cli(digits, "promote", DATASET).succeeded().err


def test_two_promotions_at_once_write_one_decision(digits: Project, cli: Cli):
    add(cli, digits, "weak", range(40))

    def promote() -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "pipeline", "promote", DATASET]
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        return subprocess.run(command, cwd=digits.folder, env=environment, capture_output=True, text=True)

    with ThreadPoolExecutor() as pool:
        done = [future.result() for future in [pool.submit(promote) for _ in range(2)]]
    assert [one.returncode for one in done] == [0, 0], done
    assert sorted("nothing new" in one.stderr for one in done) == [False, True]
    assert len(decisions(digits)) == 1
    assert len(client().search_model_versions(f"name = '{DATASET}'")) == 1


def test_what_cannot_be_decided_changes_nothing(digits: Project, cli: Cli):
    for command in ("promote", "rollback", "history"):
        for name in ("digit", "../digits", ""):
            assert_clear(cli(digits, command, name), USER, f"no dataset {name!r}", "digits")
    assert_clear(cli(digits, "promote", DATASET), USER, "no scored variant (no variant has it", "dvc repro")
    assert_clear(cli(digits, "rollback", DATASET), USER, "it never had a champion")
    write_variant(digits, "unscored", ())
    assert_clear(cli(digits, "promote", DATASET), USER, "no scored variant (unscored is not scored)")
    assert not (digits / FILE).exists()

    (digits / FILE).parent.mkdir(parents=True)
    for content in ("<<<<<<< HEAD\n", '{"time": "now"}\n', "\n"):
        (digits / FILE).write_text(content)
        assert_clear(cli(digits, "history", DATASET), USER, f"{FILE}:1: not a decision")
        assert_clear(cli(digits, "rollback", DATASET), USER, f"{FILE}:1: not a decision")
        assert (digits / FILE).read_text() == content


@pytest.mark.parametrize(
    ("section", "words"),
    [
        ({DATASET: {"gate": {"acuracy": 1}}}, ("digits.gate: unknown metric 'acuracy'; did you mean 'accuracy'?",)),
        ({DATASET: {"gate": {"sequence_accuracy": 1}}}, ("unknown metric 'sequence_accuracy'", "megabytes")),
        ({DATASET: {"gate": {"accuracy": "high"}}}, ("digits.gate.accuracy: found 'high'; allowed: a valid number",)),
        ({DATASET: {"confidence": 1}}, ("digits.confidence: found 1; allowed: less than 1",)),
        ({DATASET: {"margin": -1}}, ("digits.margin: found -1; allowed: greater than 0",)),
        ({DATASET: {"tolerance": -0.1}}, ("digits.tolerance: found -0.1",)),
        ({DATASET: {"sizes": 1}}, ("digits.sizes: unknown key", "confidence, gate, margin, tolerance")),
        ({"digitz": {}}, ("promotion.digitz: no dataset 'digitz'; did you mean 'digits'?",)),
    ],
)
def test_a_bad_block_is_one_clear_error(digits: Project, cli: Cli, section: dict[str, Any], words: tuple[str, ...]):
    write_variant(digits, "weak", ())
    with digits.changing_params() as params:
        params["promotion"] = section
    assert_clear(cli(digits, "check"), USER, "params.yaml: promotion.", *words)
    if DATASET in section:
        assert_clear(cli(digits, "promote", DATASET), USER, *words)


def test_a_store_that_does_not_answer_fails_in_one_line(digits: Project, cli: Cli, monkeypatch: pytest.MonkeyPatch):
    from pipeline.tracking.store import connect

    add(cli, digits, "weak", ())
    connect.cache_clear()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    assert_clear(cli(digits, "promote", DATASET), FAILURE, "MLflow at http://127.0.0.1:9 cannot be used")
    assert not (digits / FILE).exists()
