"""How long one waits for an answer that needs no training."""

import os
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

from benchmarks.measuring import ROOT, Row, below

TITLE = "start"
ROUNDS, QUICK_ROUNDS = 5, 2
COMMAND = "python -m pipeline"
LIMITS = {"--help": 1.0, "check": 2.0}
PREDICT_LIMIT, REPRO_LIMIT = 1.2, 5.0
# The interpreter's own folder first: `dvc` is to be the project's.
ENVIRONMENT = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"}


def rows(quick: bool) -> list[Row]:
    """Wall time of whole processes; files are in memory, as they are the second time one asks."""
    limits = {f"{COMMAND} {arguments}": limit for arguments, limit in LIMITS.items()}
    exports = sorted(path.parent.parent.name for path in (ROOT / "models").glob("*/export/export.json"))
    missing = []
    if exports:
        limits[f"{COMMAND} predict {exports[0]} --example 0"] = PREDICT_LIMIT
    else:
        missing.append(Row(f"{COMMAND} predict", "skipped: no variant is exported here"))
    if subprocess.run(["dvc", "status", "--quiet"], cwd=ROOT, env=ENVIRONMENT, capture_output=True).returncode == 0:
        limits["dvc repro"] = REPRO_LIMIT
    else:  # measuring it would start to train
        missing.append(Row("dvc repro, nothing to do", "skipped: the pipeline is not up to date here (make repro)"))
    found: dict[str, list[float]] = {command: [] for command in limits}
    for number in range(1 + (QUICK_ROUNDS if quick else ROUNDS)):
        for command, seconds in found.items():
            taken = _seconds(command)
            if number:
                seconds.append(taken)
    return [below(command, median(found[command]), limit, "s") for command, limit in limits.items()] + missing


def _seconds(command: str) -> float:
    started = time.perf_counter()
    subprocess.run(command.split(), cwd=ROOT, env=ENVIRONMENT, check=True, capture_output=True)
    return time.perf_counter() - started
