"""`serve`: the registered model of a dataset over HTTP, until somebody ends it.

The alias is looked up once, at the start: to take the version it moved to, start again.
"""

import re
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.errors import UserError, choices
from pipeline.plugins import NAME
from pipeline.progress import say
from pipeline.tracking.store import import_mlflow, tracking_uri, unusable

CHAMPION = "champion"
REFERENCE = re.compile(rf"(?P<dataset>{NAME.pattern})(@(?P<alias>[\w-]+)|/(?P<version>\d+))?", re.ASCII)
SECONDS_TO_FINISH = 30  # for requests that are being answered when the end is asked for


@dataclass(frozen=True)
class Version:
    """One version of a registered model, and what is known of its run."""

    dataset: str
    number: str
    run: str

    @property
    def uri(self) -> str:
        """Where MLflow loads it from."""
        return f"models:/{self.dataset}/{self.number}"

    def __str__(self) -> str:
        return f"{self.dataset} version {self.number} ({self.run})"


def serve(reference: str, host: str, port: int, max_megabytes: int) -> None:
    """Answer requests until SIGINT or SIGTERM.

    reference: `<dataset>` (its champion), `<dataset>@<alias>` or `<dataset>/<version>`. port: 0 is any that
    is free. Requests that were begun are answered before it ends.
    """
    parts = REFERENCE.fullmatch(reference)
    if parts is None:
        raise UserError(f"{reference!r}: allowed: DATASET, DATASET@ALIAS or DATASET/VERSION, such as memory@{CHAMPION}")
    with _bound(host, port) as listener:
        version = find_version(parts["dataset"], parts["alias"], parts["version"])
        _run(load(version), version, listener, max_megabytes)


def find_version(dataset: str, alias: str | None, number: str | None) -> Version:
    """The version with this number or alias, the champion if neither is given; a `UserError` lists what there is."""
    client = _registry()
    try:
        names = [model.name for model in client.search_registered_models()]
        if dataset not in names:
            raise UserError(
                f"no registered model {dataset!r} in {tracking_uri()}; {choices(dataset, names)}. "
                f"Make one with: python -m pipeline promote {dataset}"
            )
        numbers = [each.version for each in client.search_model_versions(f"name = '{dataset}'")]
        aliases = client.get_registered_model(dataset).aliases
        if number is None:
            alias = alias or CHAMPION
            if alias not in aliases:
                raise UserError(f"registered model {dataset!r} has no alias {alias!r}; {choices(alias, aliases)}")
            number = str(aliases[alias])
        if int(number) not in map(int, numbers):
            raise UserError(
                f"registered model {dataset!r} has no version {number}; {choices(number, map(str, numbers))}"
            )
        number = str(int(number))
        return Version(dataset, number, _run_of(client, client.get_model_version(dataset, number)))
    except UserError:
        raise
    except Exception as error:
        raise _no_registry(error) from None


def load(version: Version) -> Any:
    """The version's model, as MLflow loads it."""
    try:
        return import_mlflow().pyfunc.load_model(version.uri)
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(
            f"{version.uri} cannot be loaded ({reason}); log its run again with: python -m pipeline sync"
        ) from None


def _registry() -> Any:
    uri = tracking_uri()
    file = Path(uri.removeprefix("sqlite:///"))
    if uri.startswith("sqlite:///") and not file.is_file():  # MLflow would make an empty one
        raise UserError(f"{file}: no MLflow store here; make runs with: make repro, or python -m pipeline sync")
    mlflow = import_mlflow()
    try:
        mlflow.set_tracking_uri(uri)
        return mlflow.MlflowClient()
    except Exception as error:
        raise _no_registry(error) from None


def _no_registry(error: Exception) -> UserError:
    return UserError(f"{unusable(error)}; set MLFLOW_TRACKING_URI to a store with a model registry that answers")


def _run_of(client: Any, version: Any) -> str:
    if not version.run_id:
        return "of no run"
    run = client.get_run(version.run_id)
    metric, score = run.data.tags.get("metric", "score"), run.data.metrics.get("score")
    return f"run {run.info.run_name}" + ("" if score is None else f", {metric} {score:.4f}")


@contextmanager
def _bound(host: str, port: int) -> Iterator[socket.socket]:
    """The port taken, but not yet answering: before the seconds that a model takes to load."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Named as TCP: only then does asyncio send answers at once, without the 40 ms that Nagle's algorithm waits.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise UserError(
            f"--host {host} --port {port}: cannot listen there ({error.strerror}); --port 0 takes any free one"
        ) from None
    with listener:
        yield listener


def _run(model: Any, version: Version, listener: socket.socket, max_megabytes: int) -> None:
    import uvicorn

    from pipeline.tracking.scoring_app import ScoringApp, TimedProtocol

    host, port = listener.getsockname()[:2]
    address = f"http://{f'[{host}]' if ':' in host else host}:{port}"

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            say(
                f"serve: {version} at {address}, Ctrl-C ends it; try: curl -s {address}/example | "
                f"curl -s -H 'content-type: application/json' -d @- {address}/invocations"
            )

        @contextmanager
        def capture_signals(self) -> Iterator[None]:  # uvicorn's own would raise the signal again in the end
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, self.handle_exit)
            yield

    app = ScoringApp(model, max_megabytes * 1_000_000)
    config = uvicorn.Config(
        app,
        http=TimedProtocol,
        ws="none",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        log_level="critical",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=SECONDS_TO_FINISH,
    )
    Server(config).run([listener])
    say(f"serve: ended; {app.num_answered:,} requests were answered")
