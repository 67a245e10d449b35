"""Real servers on loopback, for tests: PostgreSQL, MLflow with logins, sshd; `missing` says which part is not here."""

import getpass
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.request import urlopen

# PostgreSQL refuses to run as root, and nobody should log in as root: both run as this one where the tests do.
USER = "nobody" if os.geteuid() == 0 else getpass.getuser()
AS_USER = {"user": USER, "group": "nogroup", "extra_groups": []} if os.geteuid() == 0 else {}
DATABASE, PASSWORD = "cadence", "of-the-database"
ADMIN, ADMIN_PASSWORD = "admin", "of-the-administrator"


def program(name: str) -> str | None:
    """A program on PATH, or where Debian keeps what is not for everybody."""
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    path = os.pathsep.join([os.environ["PATH"], "/usr/sbin", *map(str, versions)])
    return shutil.which(name, path=path)


def missing(programs: tuple[str, ...], modules: dict[str, str]) -> str:
    """What is not here, with how to get it; empty where nothing lacks. modules: the package of each."""
    lacking = [f"program {name}" for name in programs if not program(name)]
    lacking += [
        f"module {module} (pip install {package})" for module, package in modules.items() if not find_spec(module)
    ]
    return ", ".join(lacking)


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def is_open(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def is_healthy(address: str) -> bool:
    """Whether a worker answers; the port is open long before."""
    try:
        with urlopen(f"{address}/health", timeout=60) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder of USER's; below /tmp, as pytest's own are closed to others. Its path is short, as sockets want it."""
    folder = Path(tempfile.mkdtemp(prefix="cadence-", dir="/tmp"))
    if AS_USER:
        shutil.chown(folder, USER)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def running(
    command: list[Any], ready: Callable[[], bool], log: Path, **options: Any
) -> Iterator[subprocess.Popen[bytes]]:
    """A server in a process group of its own, until the block ends."""
    with log.open("wb") as file:
        process = subprocess.Popen(command, stdout=file, stderr=file, start_new_session=True, **options)
    try:
        deadline = time.monotonic() + 240
        while not ready():
            assert process.poll() is None and time.monotonic() < deadline, log.read_text()[-3000:]
            time.sleep(0.1)
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@contextmanager
def postgresql() -> Iterator[str]:
    """A new PostgreSQL with the databases `cadence` and `users`; gives the address without the database's name."""
    with scratch() as folder:
        port = free_port()
        (folder / "password").write_text(PASSWORD)
        quietly = {"check": True, "capture_output": True, "cwd": folder, **AS_USER}
        created = [program("initdb"), "-D", folder / "data", "-U", DATABASE, "--auth", "scram-sha-256", "-E", "UTF8"]
        subprocess.run([*created, "--pwfile", folder / "password", "--no-sync", "--locale", "C"], **quietly)
        server = [program("postgres"), "-D", folder / "data", "-p", str(port), "-h", "127.0.0.1", "-k", folder]
        with running(server, lambda: is_open(port), folder / "log", cwd=folder, **AS_USER):
            where = ["-h", "127.0.0.1", "-p", str(port), "-U", DATABASE]
            environment = os.environ | {"PGPASSWORD": PASSWORD, "PGCONNECT_TIMEOUT": "10"}
            for name in (DATABASE, "users"):
                subprocess.run([program("createdb"), *where, name], **quietly | {"env": environment})
            yield f"postgresql+psycopg2://{DATABASE}:{PASSWORD}@127.0.0.1:{port}"


@contextmanager
def mlflow_server(database: str, folder: Path) -> Iterator[str]:
    """MLflow that keeps runs in `database`, files in `folder`/artifacts, and asks who one is; gives its address."""
    port = free_port()
    login = folder / "login.ini"
    login.write_text(
        f"[mlflow]\ndefault_permission = READ\ndatabase_uri = {database}/users\nadmin_username = {ADMIN}\n"
        "authorization_function = mlflow.server.auth:authenticate_request_basic_auth\nauth_cache_ttl_seconds = 60\n"
    )
    secrets = {
        "MLFLOW_AUTH_CONFIG_PATH": str(login),
        "MLFLOW_AUTH_ADMIN_PASSWORD": ADMIN_PASSWORD,
        "MLFLOW_FLASK_SERVER_SECRET_KEY": "of-the-forms",
        "MLFLOW_BACKEND_STORE_URI": f"{database}/{DATABASE}",  # not on the command line, which everybody may read
    }
    environment = {k: v for k, v in os.environ.items() if not k.startswith("MLFLOW_")} | secrets
    command = [Path(sys.executable).with_name("mlflow"), "server", "--app-name", "basic-auth", "--workers", "2"]
    command += ["--host", "127.0.0.1", "--port", str(port), "--serve-artifacts"]
    command += ["--artifacts-destination", folder / "artifacts"]
    command += ["--uvicorn-opts", "--timeout-worker-healthcheck=120"]  # else slow starters are killed
    address = f"http://127.0.0.1:{port}"
    with running(command, lambda: is_healthy(address), folder / "server.log", cwd=folder, env=environment):
        yield address


@dataclass(frozen=True)
class Login:
    """A place to reach over SSH: its address, and the home folder whose .ssh has the key and knows the host."""

    address: str
    home: Path


@contextmanager
def sshd(home: Path) -> Iterator[Login]:
    """An sshd that lets USER in with one key, for files only."""
    keys, port = home / ".ssh", free_port()
    keys.mkdir(mode=0o700, parents=True)
    with scratch() as folder:
        for key in (folder / "host", keys / "id_ed25519"):
            subprocess.run([program("ssh-keygen"), "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
        (keys / "known_hosts").write_text(f"[127.0.0.1]:{port} {(folder / 'host.pub').read_text()}")
        shutil.copy(keys / "id_ed25519.pub", folder / "authorized_keys")
        (folder / "config").write_text(
            # UsePAM: without it an sshd that is not root takes accounts without a password for locked
            f"Port {port}\nListenAddress 127.0.0.1\nHostKey {folder}/host\nPidFile none\nUsePAM yes\nStrictModes no\n"
            f"AuthorizedKeysFile {folder}/authorized_keys\nPasswordAuthentication no\n"
            "KbdInteractiveAuthentication no\nSubsystem sftp internal-sftp\nForceCommand internal-sftp\n"
            "MaxStartups 100\nMaxSessions 100\n"
        )
        (folder / "storage").mkdir()
        for path in (folder / "host", folder / "storage") if AS_USER else ():
            shutil.chown(path, USER)
        command = [program("sshd"), "-D", "-e", "-f", folder / "config"]
        with running(command, lambda: is_open(port), folder / "log", cwd=folder, **AS_USER):
            yield Login(f"ssh://{USER}@127.0.0.1:{port}{folder}/storage", home)
