"""A small copy of this project in a temporary folder, in which real stages run: real DVC, real MLflow, no stand-ins.

Tests name it as a plug-in, `pytest_plugins = ["project"]`, and import from it before that (PYTEST_DONT_REWRITE). `made`
is made once, whichever worker comes first, and only read; a test that changes something takes a copy (`changeable`) or
an empty one (`fresh`).
"""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
import yaml
from filelock import FileLock

ROOT = Path(__file__).parents[1]
LEFT_OUT = ("dvc.lock", "params.yaml", "reports/", "tests/", "docs/", "benchmarks/")
CLIP, MEMORY, IMAGE = VARIANTS = ("moving_square_cnn_lstm", "memory_lstm", "digits_cnn")
STAGES = ("train", "export", "evaluate")
PARAMS = """
datasets:
  moving_square:
    source: moving_square
    seed: 1
    splits: {train: 200, validation: 20, test: 30}
    parameters: {size: 7, directions: 2}
  memory:
    source: memory
    seed: 0
    splits: {train: 2, validation: 2, test: 2}
    parameters: {alphabet: 5, length: 5, num_sequences: 2}
  digits:
    source: digits
    seed: 3
    splits: {train: 120, validation: 20, test: 30}
    parameters: {illegible: 0.02, rotation: 15, thickness: 3}
imports:
  own:
    path: raw/own.npz
    format: arrays
    parameters: {layout: images}
derived:
  half_of_digits:
    method: subset
    dataset: data/digits
    start: data/digits
    parameters: {share: 0.5}
variants:
  moving_square_cnn_lstm:
    dataset: moving_square
    start: data/moving_square
    view: frames
    task: classification
    model: cnn_lstm
    network: {filters: [2], kernel_size: 2, pool_size: 2, units: 6}
    training: {learning_rate: 0.01, schedule: cosine, batch_size: 20, epochs: 3}
    seed: 1
    gate: {accuracy: 0.5}
  memory_lstm:
    dataset: memory
    start: data/memory
    view: one_hot
    task: sequence_labelling
    model: memory_lstm
    network: {units: 8}
    training: {learning_rate: 0.05, batch_size: 1, truncate_steps: 4, shuffle: false, steps: 400, validate_every: 100,
               steps_per_execution: 50}
    seed: 1
    gate: {accuracy: 1.0}
  digits_cnn:
    dataset: digits
    start: data/digits
    view: images
    task: classification
    model: cnn
    network: {filters: [4], kernel_size: 3, dense: 16, dropout: 0.1}
    training: {learning_rate: 0.01, batch_size: 20, steps: 12, validate_every: 6}
    seed: 1
    gate: {accuracy: 0.05}
comparisons: {}
"""


@dataclass(frozen=True)
class Project:
    """A copy of the project."""

    folder: Path

    def __truediv__(self, path: str) -> Path:
        return self.folder / path

    def run(self, *command: str, timeout: float = 120, stdin: str = "", **variables: str) -> "Finished":
        """A command in the project's folder, in an environment that knows nothing of the one outside."""
        process = subprocess.run(
            command,
            cwd=self.folder,
            env=self.environment(**variables),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=timeout,
        )
        return Finished(process.returncode, process.stdout, process.stderr)

    def pipeline(self, *arguments: str, **options: Any) -> "Finished":
        return self.run(sys.executable, "-m", "pipeline", *arguments, **options)

    def dvc(self, *arguments: str, **options: Any) -> "Finished":
        return self.run(sys.executable, "-m", "dvc", *arguments, **options)

    def start(self, *arguments: str, **variables: str) -> subprocess.Popen[str]:
        """`python -m pipeline` that is not waited for, in a process group of its own."""
        return subprocess.Popen(
            [sys.executable, "-m", "pipeline", *arguments],
            cwd=self.folder,
            env=self.environment(**variables),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            # a Ctrl-C reaches it even where whoever runs the tests ignores it (a job in the background)
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )

    def environment(self, **variables: str) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("MLFLOW_", "DVC_", "GIT_"))}
        return kept | {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "DVC_NO_ANALYTICS": "1",
            "DVC_SITE_CACHE_DIR": str(self / ".dvc/tmp/site"),
            "GIT_AUTHOR_NAME": "Test",
            "GIT_AUTHOR_EMAIL": "test@localhost",
            "GIT_COMMITTER_NAME": "Test",
            "GIT_COMMITTER_EMAIL": "test@localhost",
            **variables,
        }

    def params(self) -> dict[str, Any]:
        return yaml.safe_load((self / "params.yaml").read_text())

    @contextmanager
    def changing_params(self) -> Iterator[dict[str, Any]]:
        """Change the content of params.yaml in place."""
        params = self.params()
        yield params
        (self / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))

    def lock(self) -> dict[str, Any]:
        """The entries of dvc.lock."""
        return yaml.safe_load((self / "dvc.lock").read_text())["stages"]

    def metrics(self, variant: str) -> dict[str, Any]:
        return json.loads((self / f"reports/{variant}/metrics.json").read_text())

    def hashes(self, *folders: str) -> dict[str, str]:
        """SHA-256 of every file below some folders; by default those that stages write to."""
        files = (file for folder in folders or ("data", "models", "reports", "report") for file in self._files(folder))
        return {str(file.relative_to(self.folder)): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}

    def store(self) -> "Store":
        return Store(f"sqlite:///{self / 'mlflow.db'}")

    def commit(self, message: str = "change") -> None:
        for arguments in (["add", "--all"], ["commit", "--quiet", "--allow-empty", "--message", message]):
            self.run("git", *arguments).succeeded()

    def _files(self, folder: str) -> list[Path]:
        return sorted(file for file in (self / folder).rglob("*") if file.is_file())


@dataclass(frozen=True)
class Finished:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def text(self) -> str:
        return self.out + self.err

    def succeeded(self) -> "Finished":
        assert self.code == 0, self.text
        return self

    def lines(self) -> list[str]:
        return self.out.splitlines()


class Store:
    """The runs of a project, read with MLflow's own client."""

    def __init__(self, uri: str, experiment: str = "cadence") -> None:
        import mlflow

        self.client = mlflow.MlflowClient(uri)
        self.experiment = experiment

    def runs(self, variant: str | None = None) -> list[Any]:
        """All runs of the experiment, oldest first."""
        experiment = self.client.get_experiment_by_name(self.experiment)
        found = self.client.search_runs([experiment.experiment_id], order_by=["attributes.start_time ASC"])
        return [run for run in found if variant in (None, run.data.tags.get("variant"))]

    def run(self, variant: str) -> Any:
        """The only run of a variant."""
        (run,) = self.runs(variant)
        return run

    def contents(self) -> dict[str, Any]:
        """Everything that a second `sync` could add to: tags, and the whole history of every metric, by run."""
        return {run.info.run_id: (run.info.status, dict(run.data.tags), self.histories(run)) for run in self.runs()}

    def histories(self, run: Any) -> dict[str, list[tuple[int, float, int]]]:
        """Every metric's points: step, value, time."""
        return {
            name: [(p.step, p.value, p.timestamp) for p in self.client.get_metric_history(run.info.run_id, name)]
            for name in run.data.metrics
        }

    def artifacts(self, run: Any, folder: str) -> list[str]:
        return [file.path for file in self.client.list_artifacts(run.info.run_id, folder)]


def write_project(folder: Path) -> Project:
    """The project's files as git sees them, with small parameters and nothing made; one commit."""
    project = Project(folder)
    listing = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    for name in subprocess.run(listing, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines():
        if not name.startswith(LEFT_OUT) and (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    (folder / "params.yaml").write_text(PARAMS)
    (folder / "raw").mkdir()
    rng = np.random.default_rng(0)
    np.savez(folder / "raw/own.npz", x=rng.integers(0, 256, (20, 8, 8), dtype=np.uint8), y=np.arange(20) % 2)
    accept_as_it_is(project)
    (folder / ".dvc/config.local").write_text("")
    project.run("git", "init", "--quiet").succeeded()
    project.commit("start")
    return project


def accept_as_it_is(project: Project) -> None:
    """Accept the import `own`, as somebody must before anything goes on; what was imported for that is taken away."""
    from pipeline.checking.summary import reference_path, summarise, write_reference
    from pipeline.dataset import Dataset
    from pipeline.formats.arrays import Parameters
    from pipeline.stages.ingest import ingest

    with TemporaryDirectory() as scratch:
        target = Path(scratch, "own")
        ingest("own", project / "raw/own.npz", "arrays", Parameters(layout="images"), target)
        write_reference(reference_path("own", project.folder), summarise(Dataset(target)))


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Everything made from nothing, with `repro --jobs 2`. Only to be read."""
    place = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        place = place.parent
    folder, done = place / "made", place / "made.txt"
    with FileLock(place / "made.filelock"):
        if not done.exists():
            shutil.rmtree(folder, ignore_errors=True)
            project = write_project(folder)
            finished = project.pipeline("repro", "--jobs", "2", timeout=600).succeeded()
            project.commit("results")
            done.write_text(finished.out)
    return Project(folder)


@pytest.fixture
def changeable(made: Project, tmp_path: Path) -> Project:
    """A copy with all results, to be changed; without runs, whose artifacts lie at the original's absolute path."""
    shutil.copytree(
        made.folder, tmp_path / "project", symlinks=True, ignore=shutil.ignore_patterns("mlflow.db*", "mlartifacts")
    )
    return Project(tmp_path / "project")


@pytest.fixture
def fresh(tmp_path: Path) -> Project:
    """A copy in which nothing is made yet."""
    return write_project(tmp_path / "project")


@pytest.fixture
def cli(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Finished]:
    """`python -m pipeline` in this process, which saves its start: `cli(project, "check")`."""

    def run(project: Project, *arguments: str) -> Finished:
        from pipeline.cli import main

        monkeypatch.chdir(project.folder)
        monkeypatch.setattr(sys, "argv", ["pipeline", *arguments])
        capfd.readouterr()
        code = 0
        try:
            main()
        except SystemExit as ended:
            code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
        return Finished(code, *capfd.readouterr())

    return run
