"""`serve`: the registered model of a dataset over HTTP, until somebody ends it.

The alias is looked up once, at the start: to take the version it moved to, start again.
"""

import re
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from pipeline.errors import UserError, choices
from pipeline.plugins import NAME
from pipeline.progress import say
from pipeline.tracking.model import EXPORT
from pipeline.tracking.registry import ALIAS, registered_model
from pipeline.tracking.store import import_mlflow, store_file, tracking_uri, unusable, without_password

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
        raise UserError(f"{reference!r}: allowed: DATASET, DATASET@ALIAS or DATASET/VERSION, such as memory@{ALIAS}")
    with _bound(host, port) as listener:
        version = find_version(parts["dataset"], parts["alias"], parts["version"])
        _run(load(version), version, listener, max_megabytes)


def find_version(dataset: str, alias: str | None, number: str | None) -> Version:
    """The version with this number or alias, the champion if neither is given; a `UserError` lists what there is."""
    try:
        return _find_version(_client(), dataset, alias, number)
    except UserError:
        raise
    except Exception as error:
        raise UserError(
            f"{unusable(error)}; set MLFLOW_TRACKING_URI to a store with a model registry that answers"
        ) from None


def _find_version(client: Any, dataset: str, alias: str | None, number: str | None) -> Version:
    aliases = _aliases(client, dataset)
    if number is None:
        alias = alias or ALIAS
        if alias not in aliases:
            raise UserError(f"registered model {dataset!r} has no alias {alias!r}; {choices(alias, aliases)}")
        number = str(aliases[alias])
    versions = {int(each.version): each for each in client.search_model_versions(f"name = '{dataset}'")}
    if int(number) not in versions:
        raise UserError(f"registered model {dataset!r} has no version {number}; {choices(number, map(str, versions))}")
    return Version(dataset, str(int(number)), _run_of(client, versions[int(number)]))


def _aliases(client: Any, dataset: str) -> dict[str, str]:
    model = registered_model(client, dataset)
    if model:
        return dict(model.aliases)
    names = [model.name for model in client.search_registered_models()]
    raise UserError(
        f"no registered model {dataset!r} in {without_password(tracking_uri())}; {choices(dataset, names)}. "
        f"Make one with: python -m pipeline promote {dataset}"
    )


def load(version: Version) -> Any:
    """The version's model, as MLflow loads it. Raises `UserError` for one that `evaluate` did not log."""
    try:
        model = import_mlflow().pyfunc.load_model(version.uri)
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(
            f"{version.uri} cannot be loaded ({reason}); log its run again with: python -m pipeline sync"
        ) from None
    if EXPORT not in model.metadata.flavors["python_function"].get("artifacts", {}):
        raise UserError(
            f"{version.uri} is no model of this project: it holds no export; allowed: versions made by python -m "
            f"pipeline promote. Others are served with: mlflow models serve -m {version.uri}"
        )
    return model


def _client() -> Any:
    file = store_file()
    if file and not file.is_file():  # MLflow would make an empty one
        raise UserError(f"{file}: no MLflow store here; make runs with: make repro, or python -m pipeline sync")
    mlflow = import_mlflow()
    mlflow.set_tracking_uri(tracking_uri())
    return mlflow.MlflowClient()


def _run_of(client: Any, version: Any) -> str:
    from mlflow.exceptions import MlflowException

    try:
        run = client.get_run(version.run_id)
    except MlflowException:  # registered without one, or it was deleted
        return "of no run"
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
    except (OSError, TypeError, UnicodeError) as error:  # the last two of a host that is no name
        listener.close()
        reason = getattr(error, "strerror", None) or error
        raise UserError(
            f"--host {host} --port {port}: cannot listen there ({reason}); --port 0 takes any free one"
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
