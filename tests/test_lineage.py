"""From any name or hash to all that belongs to it, in a project with a registered champion and a fine-tuned variant."""

import json
import shutil
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from project import CLIP, IMAGE, MEMORY, VARIANTS, Finished, Project, Store

from pipeline.errors import UserError
from pipeline.lineage.facts import Facts
from pipeline.lineage.history import Snapshot, parse_lock, snapshots
from pipeline.lineage.question import understand
from pipeline.lockfile import dvc_hash
from pipeline.tracking.lineage import StoreContents, StoredRun, StoredVersion, read_store

pytest_plugins = ["project"]
TUNED = "memory_tuned"
Ask = Callable[[str], dict[str, Any]]


@dataclass(frozen=True)
class Family:
    """A project and its store. memory/1 is the champion; memory_tuned began with its weights, and is not committed."""

    project: Project
    uri: str

    def training(self, variant: str) -> dict[str, str]:
        """What names a training."""
        run = Store(self.uri).run(variant)
        lock = self.project.lock()
        (dvc,) = (out["md5"] for out in lock[f"generate@{run.data.tags['dataset']}"]["outs"])
        return {
            "fingerprint": run.data.tags["fingerprint"],
            "name": run.info.run_name,
            "run": run.info.run_id,
            "data": run.data.tags["hash.data"],
            "dvc": dvc,
            "weights": run.data.tags["hash.weights"],
        }


@pytest.fixture(scope="module")
def family(made: Project, tmp_path_factory: pytest.TempPathFactory) -> Family:
    folder = tmp_path_factory.mktemp("family") / "project"
    shutil.copytree(made.folder, folder, symlinks=True, ignore=shutil.ignore_patterns("mlartifacts"))
    project, uri = Project(folder), f"sqlite:///{folder / 'mlflow.db'}"
    project.run("git", "tag", "first-results").succeeded()
    store = Store(uri)
    run = store.run(MEMORY).info.run_id
    store.client.create_registered_model("memory")
    store.client.create_model_version("memory", f"runs:/{run}/model", run)
    store.client.set_registered_model_alias("memory", "champion", "1")
    with project.changing_params() as params:
        tuned = params["variants"][MEMORY] | {"start": f"models/{MEMORY}/train"}
        params["variants"][TUNED] = tuned
    project.dvc("repro", "--single-item", f"train@{TUNED}", timeout=200).succeeded()
    return Family(project, uri)


@pytest.fixture
def ask(family: Family, cli: Callable[..., Finished], monkeypatch: pytest.MonkeyPatch) -> Ask:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", family.uri)

    def run(argument: str) -> dict[str, Any]:
        finished = cli(family.project, "lineage", argument, "--json")
        assert finished.code == 0, finished.text
        return json.loads(finished.out)

    return run


def names(found: dict[str, Any]) -> set[str]:
    return {training["variant"] for training in found["trainings"]}


@pytest.mark.slow
def test_every_name_of_a_training_leads_to_all_that_belongs_to_it(family: Family, ask: Ask):
    known = family.training(MEMORY)
    head = family.project.run("git", "rev-parse", "HEAD").out.strip()
    record = json.loads((family.project / f"models/{MEMORY}/train/training.json").read_text())
    ways = {
        "memory/1": "registered version",
        "models:/memory/1": "registered version",
        "memory@champion": "registered version",
        known["run"]: "run",
        known["run"][:8]: "run",
        known["name"]: "run",
        known["fingerprint"][:6]: "fingerprint",
        known["weights"][:12]: "hash of weights",
        MEMORY: "variant",
        f"models/{MEMORY}": "variant",
        "memory": "dataset",
        known["data"][:10]: "data hash",
        known["dvc"]: "DVC's hash of data",
        known["dvc"][:7]: "DVC's hash of data",
        record["data"]["train/x"][:16]: "checksum of an array",
        head[:9]: "commit",
        "HEAD": "commit",
        "first-results": "commit",
    }
    for argument, kind in ways.items():
        found = ask(argument)
        assert found["taken_for"]["kind"] == kind, argument
        training = next(each for each in found["trainings"] if each["fingerprint"] == known["fingerprint"])
        assert training["runs"][0]["id"] == known["run"]
        assert training["versions"] == [
            {"model": "memory", "number": "1", "run_id": known["run"], "aliases": ["champion"]}
        ]
        assert training["recorded_by"] == head and training["here"]
        data = next(each for each in found["data"] if each["dataset"] == "memory")
        assert (data["hash"], data["dvc"], data["recorded_by"]) == (known["data"], [known["dvc"]], head)
        assert training["data"] == {"dataset": "memory", "hash": known["data"]}
        assert head in {commit["hash"] for commit in found["commits"]}
        assert training["runs"][0]["commit"] in {commit["hash"] for commit in found["commits"]}
        assert names(found) == ({MEMORY, TUNED} if kind != "commit" else {*VARIANTS, TUNED}), argument


@pytest.mark.slow
def test_weights_are_followed_to_those_they_began_with(family: Family, ask: Ask, monkeypatch: pytest.MonkeyPatch):
    parent = family.training(MEMORY)["fingerprint"]
    tuned = next(each for each in ask(TUNED)["trainings"] if each["variant"] == TUNED)
    assert tuned["began_with"] == parent
    assert tuned["recorded_by"] is None  # dvc.lock is not committed, and nothing was scored

    monkeypatch.chdir(family.project.folder.parent)  # no outputs, no dvc.lock, no git: the runs alone say it
    facts = Facts([], read_store())
    assert facts.trainings[tuned["fingerprint"]].parent == parent


@pytest.mark.slow
def test_which_trainings_saw_a_dataset_and_what_was_derived_from_it(family: Family, ask: Ask):
    found = ask("digits")
    assert names(found) == {IMAGE}
    half, digits = (
        next(each for each in found["data"] if each["dataset"] == name) for name in ("half_of_digits", "digits")
    )
    assert half["derived_from"] == [{"dataset": "digits", "hash": digits["hash"]}]
    assert [each["dataset"] for each in ask("half_of_digits")["data"]] == ["digits", "half_of_digits"]
    assert names(ask("own")) == set()


@pytest.mark.slow
def test_a_person_reads_what_it_was_taken_for_and_what_belongs_together(family: Family, ask: Ask, cli):
    known = family.training(MEMORY)
    lines = cli(family.project, "lineage", "memory@champion").lines()
    assert lines[0] == "memory@champion: registered version memory/1"
    assert any(
        line.startswith(f"  memory: hash {known['data'][:8]}, DVC {known['dvc'][:8]}, in data/") for line in lines
    )
    assert "    registered as memory/1, champion" in lines
    assert any(line.startswith(f"    run {known['run']}: finished, ") and "score " in line for line in lines)
    assert f"    began with the weights of {known['name']}" in lines
    assert lines[-1].endswith(" results")


@pytest.mark.slow
def test_without_a_store_outputs_and_git_answer(family: Family, cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    known = family.training(MEMORY)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        uri = f"http://somebody:secret@127.0.0.1:{listener.getsockname()[1]}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    finished = cli(family.project, "lineage", known["dvc"][:8])
    assert finished.code == 0
    assert "from the outputs and git only: MLflow at http://...@127.0.0.1" in finished.out
    assert known["name"] in finished.out and "secret" not in finished.text
    refused = cli(family.project, "lineage", "memory@champion")
    assert refused.code == 1 and len(refused.text.splitlines()) == 1

    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    family.project.run("git", "clone", "--quiet", ".", str(tmp_path / "clone")).succeeded()
    clone = Project(tmp_path / "clone")
    found = json.loads(cli(clone, "lineage", known["name"], "--json").out)
    (training,) = found["trainings"]
    assert training["fingerprint"] == known["fingerprint"] and not training["here"]
    assert found["data"][0]["dvc"] == [known["dvc"]]
    assert "no runs are recorded here yet" in found["store"]["problem"]
    assert not (clone / "mlflow.db").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("argument", "said"),
    [
        ("memory_lstn", "did you mean 'memory_lstm'"),
        ("memory/7", "no such registered version; allowed: memory/1, memory@champion"),
        ("memory@prod", "no such registered version; allowed: memory/1, memory@champion"),
        ("nothing/1", "registered models: memory"),
        ("abcdef0123", "not known here"),
        ("abc", "the first 6 digits of a hash"),
        ("../data", "not known here"),
        ("--all", ""),
        ("", "not known here"),
    ],
)
def test_what_means_nothing_is_one_line(family: Family, cli, monkeypatch: pytest.MonkeyPatch, argument: str, said: str):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", family.uri)
    finished = cli(family.project, "lineage", argument)
    assert finished.code == 2
    assert said in finished.text and "Traceback" not in finished.text
    assert finished.out == ""
    assert len(finished.err.splitlines()) == 1 or argument == "--all"  # of which Typer itself says what is wrong


def stored_run(number: str, variant: str, dataset: str) -> StoredRun:
    tags = {"fingerprint": number * 8, "variant": variant, "dataset": dataset, "hash.data": "d" + number[1:] * 8}
    return StoredRun(f"aaaaaa{number}", "run", "FINISHED", "2026-01-01 00:00", tags, None)


def test_what_means_several_things_is_refused_with_a_way_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    runs = [stored_run("11111111", "clips", "letters"), stored_run("22222222", "other", "clips")]
    facts = Facts([], StoreContents("", runs, [StoredVersion("clips", "1", "of another project", [])]))
    with pytest.raises(UserError, match=r"dataset clips, variant clips; .*or write data/clips or models/clips"):
        understand("clips", facts, None)
    assert understand("data/clips", facts, None).kind == "dataset"
    assert understand("models/clips", facts, None).kind == "variant"
    with pytest.raises(UserError, match="means several things: run aaaaaa11111111, run aaaaaa22222222"):
        understand("aaaaaa", facts, None)
    assert understand("aaaaaa2", facts, None).value == "aaaaaa22222222"
    with pytest.raises(UserError, match="no run of this project's trainings"):
        understand("clips/1", facts, None)


@pytest.mark.slow
def test_dvc_lock_is_read_as_it_stands_and_folders_hash_as_dvc_hashes_them(made: Project):
    entries = parse_lock((made / "dvc.lock").read_text())
    for name, stage in made.lock().items():
        for side, found in (("deps", entries[name].deps), ("outs", entries[name].outs)):
            assert found == {file["path"]: file["md5"] for file in stage.get(side, [])}, name
    assert set(entries) == set(made.lock())
    for dataset in ("moving_square", "memory", "digits", "own", "half_of_digits"):
        recorded = {path: md5 for entry in entries.values() for path, md5 in entry.outs.items()}
        assert dvc_hash(made / f"data/{dataset}") == recorded[f"data/{dataset}"]


@pytest.mark.slow
def test_scores_of_an_earlier_training_are_no_proof_of_what_dvc_lock_says(
    changeable: Project, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(changeable.folder)
    assert set(snapshots()[-1].fingerprints) == set(VARIANTS)
    content = yaml.safe_load((changeable / "dvc.lock").read_text())
    content["stages"][f"train@{MEMORY}"]["outs"][0]["md5"] = "0" * 32 + ".dir"  # trained again, and not scored since
    (changeable / "dvc.lock").write_text(yaml.safe_dump(content, sort_keys=False))
    (changeable / f"reports/{CLIP}/metrics.json").write_text("{}")
    now = snapshots()[-1]
    assert isinstance(now, Snapshot) and set(now.fingerprints) == {IMAGE}
