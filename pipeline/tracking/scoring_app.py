"""MLflow's scoring app with limits: how much, how slow and how many; every refusal is one line of JSON.

`/ping`, `/health` and `/version` are MLflow's own. `/invocations` reads requests more strictly than MLflow's: that one
turns 0.5 into 0 where whole numbers are asked for, echoes what it was sent, and shows the stack trace of some mistakes.
"""

import asyncio
import json
import logging
import os
from collections.abc import Awaitable, Callable, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from io import StringIO
from typing import Any

import mlflow
import numpy as np
from mlflow.pyfunc import scoring_server
from mlflow.types import ColSpec
from uvicorn.protocols.http.h11_impl import H11Protocol

from pipeline.tracking.request import JSON_TYPE, TEXT_COLUMN, Refused, read_request, read_texts

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

METHODS = {"/invocations": "POST", "/example": "GET", "/ping": "GET", "/health": "GET", "/version": "GET"}
MOST_AT_ONCE = 256
SECONDS_TO_SEND = 10  # for the head of a request, and again for its body
SECONDS_TO_LISTEN = 2  # to what a refused client still sends; closed at once, it would not see the answer


class Disconnected(Exception):
    """The client went away before its request was whole."""


class ScoringApp:
    """The ASGI app that serves one loaded model; bodies are limited to `max_bytes`."""

    def __init__(self, model: Any, max_bytes: int) -> None:
        self.model = model
        self.max_bytes = max_bytes
        (self.spec,) = model.metadata.get_input_schema().inputs
        self.reads_texts = isinstance(self.spec, ColSpec)  # everything else is a tensor
        self.others = scoring_server.init(model)
        self.threads = ThreadPoolExecutor(max_workers=os.cpu_count(), thread_name_prefix="predict")
        self.num_waiting = self.num_answered = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        path = scope["path"]
        try:
            self._check_route(scope["method"], path)
            if path == "/invocations":
                await _respond(send, 200, await self._invocations(scope, receive))
                self.num_answered += 1
            elif path == "/example":
                await _respond(send, 200, self.example())
            else:
                await self.others(scope, receive, send)
        except Refused as refused:
            await _refuse(receive, send, refused)
        except Disconnected:
            pass

    def example(self) -> str:
        """A request as text: with the example that was logged with the model, or zeros where there is none."""
        given = self.model.input_example
        if self.reads_texts:
            return json.dumps({"inputs": ["a text"] if given is None else given[TEXT_COLUMN].tolist()})
        if given is None:
            given = np.zeros([1 if axis == -1 else axis for axis in self.spec.shape], dtype=self.spec.type)
        return json.dumps({"inputs": given.tolist()})

    @staticmethod
    def _check_route(method: str, path: str) -> None:
        if path not in METHODS:
            raise Refused(404, f"no such path; allowed: {', '.join(METHODS)}")
        if method != METHODS[path]:
            raise Refused(405, f"{path} does not answer {method[:20]}; allowed: {METHODS[path]}")

    async def _invocations(self, scope: Scope, receive: Receive) -> str:
        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        mime_type = headers.get(b"content-type", "none").partition(";")[0].strip().lower()
        if mime_type != JSON_TYPE:
            raise Refused(415, f"content-type: found {mime_type[:40]!r}; allowed: {JSON_TYPE}")
        if self.num_waiting >= MOST_AT_ONCE:
            raise Refused(503, f"{MOST_AT_ONCE} requests are waiting already; try again later")
        self.num_waiting += 1
        try:
            body = await self._body(int(headers.get(b"content-length", 0)), receive)
            return await asyncio.get_running_loop().run_in_executor(self.threads, self._answer, body)
        finally:
            self.num_waiting -= 1

    async def _body(self, declared: int, receive: Receive) -> bytes:
        """The whole body, never more of it in memory than is allowed."""
        body, more, size = bytearray(), True, declared
        try:
            async with asyncio.timeout(SECONDS_TO_SEND):
                while more and size <= self.max_bytes:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise Disconnected
                    body += message["body"]
                    more, size = message["more_body"], max(declared, len(body))
        except TimeoutError:
            raise Refused(408, f"the body did not arrive within {SECONDS_TO_SEND} s") from None
        if size > self.max_bytes:
            raise Refused(413, f"the body is larger than allowed: up to {self.max_bytes:,} bytes")
        return bytes(body)

    def _answer(self, body: bytes) -> str:
        try:
            predictions = self.model.predict(self._read(body))
        except Refused:
            raise
        except mlflow.MlflowException as error:
            if error.get_http_status_code() < 500:
                raise Refused(error.get_http_status_code(), error.message) from None
            raise self._failed() from None
        except Exception:
            raise self._failed() from None
        text = StringIO()
        scoring_server.predictions_to_json(predictions, text)
        return text.getvalue()

    def _read(self, body: bytes) -> Any:
        return read_texts(body) if self.reads_texts else read_request(body, self.spec.type, self.spec.shape)

    @staticmethod
    def _failed() -> Refused:
        logging.getLogger(__name__).exception("a request could not be answered")
        return Refused(500, "the model could not answer this request; the server's log says why")


class TimedProtocol(H11Protocol):
    """Closes connections that do not send the head of a request in time; uvicorn itself waits for ever."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Start the clock."""
        super().connection_made(transport)
        self._watch()

    def data_received(self, data: bytes) -> None:
        """Stop the clock when a head is whole, start it when another one begins."""
        super().data_received(data)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing to wait for any more."""
        super().connection_lost(exc)
        self._stop()

    def _watch(self) -> None:
        waiting = self.cycle is None or self.cycle.response_complete
        if not waiting or self.timeout_keep_alive_task is not None:
            self._stop()
        elif self.deadline is None:
            self.deadline = self.loop.call_later(SECONDS_TO_SEND, self.transport.close)

    def _stop(self) -> None:
        if self.deadline is not None:
            self.deadline.cancel()
            self.deadline = None


async def _respond(send: Send, status: int, text: str, more: bool = False) -> None:
    content = text.encode()
    headers = [(b"content-type", JSON_TYPE.encode()), (b"content-length", str(len(content)).encode())]
    if more:
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": content, "more_body": more})


async def _refuse(receive: Receive, send: Send, refused: Refused) -> None:
    """Say why; where the body was not read, hear the client out for a moment, keeping nothing, and hang up."""
    unread = refused.status in (404, 405, 408, 413, 415, 503)
    await _respond(send, refused.status, json.dumps({"error": " ".join(str(refused).split())}), more=unread)
    if unread:
        try:
            async with asyncio.timeout(SECONDS_TO_LISTEN):
                while (await receive()).get("more_body"):
                    pass
        except TimeoutError:
            pass
        await send({"type": "http.response.body", "body": b""})
