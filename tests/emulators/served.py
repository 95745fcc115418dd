"""An app on a real socket and a receiver of webhooks, each in a thread, for tests that need the wire."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import httpx
import uvicorn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from starlette.applications import Starlette


@contextmanager
def served(app: Starlette) -> Iterator[str]:
    """The app's URL while it runs."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning", access_log=False, ws="none"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        wait_until(lambda: server.started)
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(timeout=20)


def wait_until(holds: Callable[[], object], seconds: float = 10) -> None:
    """Return as soon as it holds; fail when it does not in time."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.01)


def control(base: str, verb: str, name: str, /, **command: object) -> httpx.Response:
    """Steer a fake provider."""
    reply = httpx.request(verb, f"{base}/_control/{name}", json=command, trust_env=False)
    assert reply.is_success, reply.text
    return reply


def events(base: str, key: str) -> list[dict[str, Any]]:
    """What a fake provider has raised for an account."""
    found = httpx.get(f"{base}/_control/events", params={"key": key}, trust_env=False).json()["events"]
    assert isinstance(found, list)
    return found


@dataclass(frozen=True)
class Delivery:
    """One webhook as it arrived."""

    headers: dict[str, str]
    body: bytes


class Receiver:
    """Takes webhooks and answers with the next of `statuses`, or 200."""

    def __init__(self) -> None:
        self.deliveries: list[Delivery] = []
        self.statuses: list[int] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.deliveries.append(Delivery({k.lower(): v for k, v in self.headers.items()}, body))
                self.send_response(receiver.statuses.pop(0) if receiver.statuses else 200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                """Keep the test's output clean."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/hook"

    def __enter__(self) -> Receiver:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join(timeout=10)
        self._server.server_close()
