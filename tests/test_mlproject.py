"""The project as MLflow starts it: `mlflow run .`."""

import sys
from pathlib import Path

import pytest
import yaml
from project import MEMORY, ROOT, Project
from typer.main import get_command

from pipeline.cli import app

pytest_plugins = ["project"]


def test_every_entry_point_is_a_command_with_the_parameters_it_needs():
    commands = get_command(app).commands
    for name, entry in yaml.safe_load((ROOT / "MLproject").read_text())["entry_points"].items():
        words = entry["command"].split()
        assert words[:3] == ["python", "-m", "pipeline"], name
        command = commands[words[3]]
        assert name in (words[3], "main")
        options = {option for parameter in command.params for option in parameter.opts}
        for word in words[4:]:
            if word.startswith("-"):
                assert word in options, f"{name}: {word}"
        assert {word[1:-1] for word in words if word.startswith("{")} == set(entry.get("parameters", {})), name


def test_repro_is_what_is_run_where_no_entry_point_is_named():
    entries = yaml.safe_load((ROOT / "MLproject").read_text())["entry_points"]
    assert entries["repro"] == entries["main"]
    assert entries["repro"]["parameters"]["target"]["default"] == "all"


def mlflow_run(project: Project, *arguments: str) -> str:
    finished = project.run(
        *(str(Path(sys.executable).with_name("mlflow")), "run", ".", "--env-manager", "local"),
        *("--experiment-name", "cadence", *arguments),
        timeout=200,
        MLFLOW_TRACKING_URI=f"sqlite:///{project / 'mlflow.db'}",
    )
    assert "Traceback" not in finished.text, finished.text
    return finished.succeeded().text


@pytest.mark.slow
def test_stages_that_mlflow_starts_are_children_of_its_run(changeable: Project):
    before = changeable.hashes("data")
    mlflow_run(changeable, "-e", "generate", "-P", "name=memory")
    assert changeable.hashes("data") == before

    with changeable.changing_params() as params:
        params["variants"][MEMORY]["seed"] = 2
    mlflow_run(changeable, "-P", f"target=train@{MEMORY}", "-P", "jobs=1")
    store = changeable.store()
    generate, parent, child = store.runs()
    assert generate.info.status == parent.info.status == child.info.status == "FINISHED"
    assert "variant" not in parent.data.tags
    assert child.data.tags["variant"] == MEMORY
    assert child.data.tags["seed"] == "2"
    assert child.data.tags["mlflow.parentRunId"] == parent.info.run_id
    assert parent.data.metrics == {}
