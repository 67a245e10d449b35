"""What all tests stand on: the project's folder, no GPU, no telemetry, and a store of runs that is thrown away."""

import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
STORE = tempfile.TemporaryDirectory(prefix="cadence-tests-")

# Set before anything imports TensorFlow, Matplotlib, MLflow or DVC; processes that tests start inherit it.
os.environ |= {
    "CUDA_VISIBLE_DEVICES": "",
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "KERAS_BACKEND": "tensorflow",
    "MPLBACKEND": "agg",
    "DO_NOT_TRACK": "true",
    "DVC_NO_ANALYTICS": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_TRACKING_URI": f"sqlite:///{STORE.name}/mlflow.db",
}
for name in ("MLFLOW_RUN_ID", "MLFLOW_EXPERIMENT_NAME", "DVC_ROOT", "DVC_EXP_NAME", "DVC_STAGE"):
    os.environ.pop(name, None)
sys.path.insert(0, str(ROOT))


@pytest.fixture(autouse=True)
def in_the_projects_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


@pytest.fixture(scope="session")
def store() -> Iterator[Path]:
    """The folder of this session's MLflow store."""
    yield Path(STORE.name)


@pytest.fixture(scope="session")
def keras():
    """Keras, imported and seeded as a training imports it; tests that need none do not wait for it."""
    from pipeline.network import prepare_backend
    from pipeline.training import Training

    prepare_backend(Training(learning_rate=0.01, batch_size=1, epochs=1), seed=1)
    import keras

    return keras
