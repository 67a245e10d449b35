"""The environment of the peers that the project itself does not need: made once, beside the project's own."""

import subprocess
import sys

from benchmarks.measuring import ROOT

FOLDER = ROOT / ".venv-bench"
REQUIREMENTS = ROOT / "benchmarks" / "requirements.txt"
INSTALLED = FOLDER / ".installed"
TIMEOUT_SECONDS = 900


def peer_python() -> tuple[str | None, str]:
    """The interpreter that has the peers; None and the reason where they cannot be installed."""
    python = FOLDER / "bin" / "python"
    if INSTALLED.is_file() and INSTALLED.read_bytes() == REQUIREMENTS.read_bytes():
        return str(python), ""
    print(f"Installing {REQUIREMENTS.relative_to(ROOT)} into {FOLDER.name} (once)", file=sys.stderr)
    try:
        _run(sys.executable, "-m", "venv", str(FOLDER))
        for tool in ("git", "dvc"):  # both would read through ten thousand files
            (FOLDER / f".{tool}ignore").write_text("*\n")
        _run(str(python), "-m", "pip", "install", "--quiet", "--requirement", str(REQUIREMENTS))
    except subprocess.CalledProcessError as error:
        return None, f"not installed: {' '.join(error.stderr.split())[-200:]}"
    except (subprocess.TimeoutExpired, OSError) as error:
        return None, f"not installed: {error}"
    INSTALLED.write_bytes(REQUIREMENTS.read_bytes())
    return str(python), ""


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True, timeout=TIMEOUT_SECONDS)
