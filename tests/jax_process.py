"""Code of the tests run in a process of its own in which Keras runs on JAX."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest


def run_on_jax(code: str) -> str:
    """What `code`, which may import any test, prints last; a test that asks for it is skipped without JAX."""
    if importlib.util.find_spec("jax") is None:
        pytest.skip("JAX is not installed: pip install .[jax]")
    path = os.pathsep.join([str(Path(__file__).parent), str(Path.cwd()), os.environ.get("PYTHONPATH", "")])
    environment = os.environ | {"KERAS_BACKEND": "jax", "PYTHONPATH": path, "JAX_PLATFORMS": "cpu"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.rstrip().rpartition("\n")[2]
