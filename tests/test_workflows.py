"""The workflows: valid, pinned, with no more rights than they need, and made of commands that can be run anywhere."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from found import ROOT
from typer.main import get_command

from pipeline.cli import app

FOLDER = ROOT / ".github" / "workflows"
NAMES = sorted(path.name for path in FOLDER.glob("*.yml"))
# The steps that speak to GitHub, and therefore are no commands of this project: workflow, job, name of the step.
OF_GITHUB = {("ci.yml", "compare", "Comment"), ("retrain.yml", "retrain", "Open or update the pull request")}
PINNED = re.compile(r"^ *(- )?uses: [\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$")
RIGHTS = {
    ("ci.yml", "test"): {"contents": "read"},
    ("ci.yml", "smoke"): {"contents": "read"},
    ("ci.yml", "compare"): {"contents": "read", "pull-requests": "write"},
    ("retrain.yml", "retrain"): {"contents": "write", "pull-requests": "write"},
}


def read(name: str) -> dict[str, Any]:
    # Texts alone, and so nothing to be made: YAML's other readers take the key `on` for true.
    return yaml.load((FOLDER / name).read_text(), Loader=yaml.BaseLoader)


def jobs() -> list[tuple[str, str, dict[str, Any]]]:
    return [(name, job, content) for name in NAMES for job, content in read(name)["jobs"].items()]


def steps() -> list[tuple[str, str, dict[str, Any]]]:
    return [(name, job, step) for name, job, content in jobs() for step in content["steps"]]


def targets() -> set[str]:
    return set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


@pytest.mark.parametrize("name", NAMES)
def test_the_schema_of_workflows_is_kept(name: str):
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.github-workflows"]
    finished = subprocess.run([*command, str(FOLDER / name)], capture_output=True, text=True)
    assert finished.returncode == 0, finished.stdout + finished.stderr


def test_every_step_is_a_command_of_this_project():
    commands = get_command(app).commands
    others = set()
    for name, job, step in steps():
        if "run" not in step:
            continue
        if (name, job, step.get("name")) in OF_GITHUB:
            others.add((name, job, step["name"]))
            continue
        for line in step["run"].splitlines():
            words = [word for word in line.split() if not word.startswith("-")]
            if words[0] == "make":
                assert words[1] in targets(), line
            else:
                assert line.split()[:3] == ["python", "-m", "pipeline"], line
                assert words[2] in commands, line
    assert others == OF_GITHUB


@pytest.mark.parametrize("name", NAMES)
def test_actions_are_pinned_to_a_commit_that_is_named(name: str):
    uses = [line for line in (FOLDER / name).read_text().splitlines() if "uses:" in line]
    assert uses
    for line in uses:
        assert PINNED.match(line), line


def test_jobs_have_the_rights_they_need_and_no_others():
    assert {name: read(name)["permissions"] for name in NAMES} == {name: {} for name in NAMES}
    assert {(name, job): content["permissions"] for name, job, content in jobs()} == RIGHTS


def test_only_the_step_that_needs_it_gets_the_token():
    for name, job, step in steps():
        if step.get("uses", "").startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] == "false", (name, job)
        mentions = "github.token" in str(step) or "GITHUB_TOKEN" in str(step)
        assert mentions == ((name, job, step.get("name")) in OF_GITHUB), step


def test_what_people_type_reaches_no_shell_but_through_its_environment():
    for _, _, step in steps():
        assert "${{" not in step.get("run", ""), step["run"]


def test_a_retraining_never_runs_on_top_of_another():
    assert read("retrain.yml")["concurrency"] == {"group": "retrain", "cancel-in-progress": "false"}


def test_every_python_that_pyproject_allows_is_tested():
    versions = read("ci.yml")["jobs"]["test"]["strategy"]["matrix"]["python-version"]
    assert versions == ["3.11", "3.12", "3.13"]
    assert 'requires-python = ">=3.11,<3.14"' in Path(ROOT / "pyproject.toml").read_text()
