"""params.yaml, the plug-ins, dvc.yaml and the imports of the code say the same."""

import ast
import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from found import PARAMS, ROOT

from pipeline.config import check_all, dataset_names, load_params
from pipeline.fingerprint import TRAINING_CODE
from pipeline.plugins import plugin_names

MOST_VARIANTS = 100
# For each kind of stage: its section of params.yaml, and the room and key of its plug-in.
KINDS = {
    "generate": ("datasets", "datasets", "source"),
    "import": ("imports", "formats", "format"),
    "derive": ("derived", "derivations", "method"),
    "train": ("variants", "models", "model"),
    "export": ("variants", "models", "model"),
    "evaluate": ("variants", "tasks", "task"),
}
CHECKS = {"check_generated": "datasets", "check_imported": "imports", "check_derived": "derived"}  # without a plug-in
SECTIONS = {kind: section for kind, (section, _, _) in KINDS.items()} | CHECKS
STAGE_FILES = {kind: kind for kind in (*KINDS, "report")} | {"import": "ingest"} | dict.fromkeys(CHECKS, "check_data")
# Presentation and reading: no default that matters lives there, so no stage depends on them.
NOT_FOLLOWED = ("blocks", "cli", "config", "errors", "plugins", "progress", "tracking", "training_bar")
TEMPLATE = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
WITH_PLUGINS = [(kind, plugin) for kind, (_, room, _) in KINDS.items() for plugin in plugin_names(room)]


@pytest.fixture(scope="module")
def stages() -> dict[str, Any]:
    """The stages of dvc.yaml as DVC expands them, by name."""
    from dvc.repo import Repo

    with Repo(str(ROOT)) as repo:
        return {stage.addressing: stage for stage in repo.index.stages if hasattr(stage, "name")}


def code_of(kind: str, plugin: str | None = None) -> set[str]:
    """The code that a stage of dvc.yaml depends on, below pipeline/, with the name of its plug-in filled in."""
    block = TEMPLATE[kind].get("do", TEMPLATE[kind])
    key = KINDS[kind][2] if plugin else ""
    paths = [path.replace(f"${{item.{key}}}", plugin or "") for path in block["deps"]]
    return {path.removeprefix("pipeline/") for path in paths if path.startswith("pipeline/")}


def module_file(name: str) -> str | None:
    """The file of the module or package `pipeline.<...>`, below pipeline/; None if it is none, or an empty package."""
    path = name.removeprefix("pipeline.").replace(".", "/")
    files = [file for file in (f"{path}.py", f"{path}/__init__.py") if (ROOT / "pipeline" / file).is_file()]
    found = name.startswith("pipeline.") and files and (ROOT / "pipeline" / files[0]).read_text().strip()
    return files[0] if found else None


class Imports(ast.NodeVisitor):
    """The files below pipeline/ that one file imports, wherever in it, for types alone excepted."""

    def __init__(self) -> None:
        self.found: set[str] = set()

    def visit_If(self, node: ast.If) -> None:
        if ast.unparse(node.test) == "TYPE_CHECKING":
            node.body = []
        self.generic_visit(node)

    def visit_Import(self, node: ast.Import) -> None:
        self.found |= {file for name in node.names if (file := module_file(name.name))}

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        assert not node.level, "imports are written out in full"
        names = [node.module or "", *(f"{node.module}.{name.name}" for name in node.names)]
        self.found |= {file for name in names if (file := module_file(name))}


@cache
def imports(file: str) -> frozenset[str]:
    visitor = Imports()
    visitor.visit(ast.parse((ROOT / "pipeline" / file).read_text(encoding="utf-8")))
    return frozenset(file for file in visitor.found if re.split(r"[/.]", file)[0] not in NOT_FOLLOWED)


def closure(kind: str, plugin: str | None = None) -> set[str]:
    """All files that a stage's own file and its plug-in import, and those that these import."""
    found: set[str] = set()
    ahead = {f"stages/{STAGE_FILES[kind]}.py"} | ({f"{KINDS[kind][1]}/{plugin}.py"} if plugin else set())
    if kind == "report":
        ahead |= {f"comparisons/{figure}.py" for figure in plugin_names("comparisons")}
    while ahead:
        found |= ahead
        ahead = {file for known in ahead for file in imports(known)} - found
    return found


def covers(dependency: str, file: str) -> bool:
    return file == dependency or file.startswith(f"{dependency}/")


@pytest.mark.parametrize(("kind", "plugin"), [*WITH_PLUGINS, *((kind, None) for kind in (*CHECKS, "report"))])
def test_a_stage_depends_on_all_code_that_it_imports(kind: str, plugin: str | None) -> None:
    dependencies = code_of(kind, plugin)
    missing = {file for file in closure(kind, plugin) if not any(covers(part, file) for part in dependencies)}
    assert not missing, f"dvc.yaml: {kind}: deps lack {sorted(missing)}"


@pytest.mark.parametrize("kind", [*KINDS, *CHECKS, "report"])
def test_a_stage_depends_on_no_code_that_it_does_not_import(kind: str) -> None:
    plugins = [plugin for other, plugin in WITH_PLUGINS if other == kind] or [None]
    for dependency in set.intersection(*(code_of(kind, plugin) for plugin in plugins)):
        used = set().union(*(closure(kind, plugin) for plugin in plugins))
        holds_code = list((ROOT / "pipeline").glob(f"{dependency}/*.py")) or dependency.endswith(".py")
        assert not holds_code or any(covers(dependency, file) for file in used), f"{kind} imports no {dependency}"


def test_the_fingerprint_hashes_the_code_that_a_training_depends_on() -> None:
    for plugin in plugin_names("models"):
        assert set(TRAINING_CODE) == code_of("train", plugin) - {f"models/{plugin}.py"}


def test_every_block_has_its_stages_and_every_stage_its_block(stages: dict[str, Any]) -> None:
    expected = {f"{kind}@{name}" for kind, section in SECTIONS.items() for name in PARAMS[section]}
    assert set(stages) == expected | {"report"}


def test_what_stages_depend_on_is_a_file_of_the_project_or_made_by_a_stage(stages: dict[str, Any]) -> None:
    made = {out.def_path for stage in stages.values() for out in stage.outs}
    for name, stage in stages.items():
        for dependency in {dep.def_path for dep in stage.deps} - {"params.yaml"}:
            by_a_stage = any(covers(out, dependency) or covers(dependency, out) for out in made)
            assert by_a_stage or (ROOT / dependency).exists(), f"{name}: {dependency}"


def test_a_stage_reads_only_its_own_block(stages: dict[str, Any]) -> None:
    for name, stage in stages.items():
        kind, _, block = name.partition("@")
        for params in (dep.params for dep in stage.deps if dep.def_path == "params.yaml"):
            if name == "report":  # which names all datasets and variants
                assert set(params) == set(PARAMS) - {"promotion"}
            else:
                assert all(key.split(".")[:2] == [SECTIONS[kind], block] for key in params)


def test_every_plug_in_is_used_or_waits_for_files_of_the_user() -> None:
    """Of synthetic data in params.yaml, or of real files, as a translation that may be said in many ways."""
    real = load_params(Path(ROOT, "benchmarks", "real.yaml"))
    for section, room, key in set(KINDS.values()) - {KINDS["import"], KINDS["derive"]}:
        blocks = [*PARAMS[section].values(), *real[section].values()]
        assert {block[key] for block in blocks} == set(plugin_names(room))


def test_params_yaml_is_of_a_size_that_dvc_is_quick_with_and_asks_for_no_files() -> None:
    assert len(PARAMS["variants"]) <= MOST_VARIANTS
    assert PARAMS["imports"] == {}
    assert {block["dataset"] for block in PARAMS["variants"].values()} <= set(dataset_names(PARAMS))


@pytest.mark.parametrize("section", ["imports", "comparisons"])
@pytest.mark.parametrize("gone", [True, False], ids=["gone", "empty"])
def test_a_section_that_dvc_yaml_reads_must_be_there(section: str, gone: bool, tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    params = {name: blocks for name, blocks in PARAMS.items() if name != section}
    path.write_text(yaml.safe_dump(params if gone else params | {section: None}))
    (found,) = check_all(path)
    assert found == f"params.yaml: no section {section!r}; allowed where it has no blocks: {section}: {{}}"


@pytest.mark.parametrize("path", sorted(Path(ROOT, "benchmarks").glob("*.yaml")), ids=lambda path: path.stem)
def test_the_params_of_the_benchmarks_hold_together(path: Path) -> None:
    imports = load_params(path)["imports"].values()
    assert len(check_all(path)) == len(imports), "nothing but the user's own files may be missing"


def test_the_walls_stand() -> None:
    program = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([program, "--no-logo", "--no-cache"], env=os.environ, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
