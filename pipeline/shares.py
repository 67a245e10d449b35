"""How jobs that run side by side divide the machine: its cores, and its GPUs where there are several."""

import os
import re
import subprocess
from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True)
class Share:
    """One job's part of the machine; empty where it is not divided."""

    cores: frozenset[int]
    gpu: str


def shares(jobs: int) -> list[Share]:
    """As many shares as jobs; empty ones where there are fewer cores than jobs."""
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    bounds = [job * len(cores) // jobs for job in range(jobs + 1)] if len(cores) >= jobs else [0] * (jobs + 1)
    gpus = _gpus()
    return [
        Share(frozenset(cores[start:stop]), gpus[job % len(gpus)] if len(gpus) > 1 else "")
        for job, (start, stop) in enumerate(pairwise(bounds))
    ]


def _gpus() -> list[str]:
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return [gpu for gpu in visible.split(",") if gpu.strip() not in ("", "-1")]
    try:
        listing = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, timeout=30, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return []
    return re.findall(r"^GPU (\d+):", listing, re.MULTILINE)
