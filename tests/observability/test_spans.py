"""What recording costs whoever waits: nothing while it is off, and little while the receiver fails."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.observability.conftest import Trace
from tests.support.people import eventually, refused
from tests.support.server import AnswerThread

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import httpx

    from tests.observability.conftest import Traces

ROOT = Path(__file__).resolve().parents[2]
# Imports every function and answers three requests, one of which reads Firestore. Where OpenTelemetry is refused, a
# library that could do without it does, so that what is left are imports of ours.
PROGRAM = """
import asyncio, sys
from importlib import import_module
from importlib.abc import MetaPathFinder

class Refuse(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "opentelemetry":
            raise ImportError(f"{name} is not here")

sys.meta_path.insert(0, Refuse())
for module in sys.argv[1:]:
    import_module(module)
from tests.kernel.conftest import fetch
from functions.catalogue.list_genres import list_genres
from functions.events.get_event import get_event
from triggers.operations.relay_outbox import relay_outbox

async def ask():
    return [(await fetch(*request)).status_code for request in (
        (list_genres, "GET", "/v1/genres"),
        (get_event, "GET", "/v1/events/evt_nothing"),
        (relay_outbox, "POST", "/triggers/relay_outbox"),
    )]

print(asyncio.run(ask()), sorted(name for name in sys.modules if name.startswith("opentelemetry")))
"""


def run_without_opentelemetry(**environment: str) -> subprocess.CompletedProcess[str]:
    modules = [
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for folder in ("functions", "triggers")
        for path in (ROOT / folder).glob("*/*.py")
    ]
    variables = {**os.environ, "GOOGLE_CLOUD_PROJECT": "demo-without-traces", **environment}
    command = [sys.executable, "-c", PROGRAM, *modules]
    return subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, text=True, check=False)


def test_off_nothing_of_ours_imports_opentelemetry() -> None:
    done = run_without_opentelemetry()
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "[200, 404, 401] []"


def test_control_on_the_first_request_imports_it() -> None:
    done = run_without_opentelemetry(TRACES="on")
    assert done.stdout.splitlines()[-1] == "[500, 500, 401] []"
    assert "opentelemetry is not here" in done.stdout


@pytest.fixture
def silent() -> Iterator[str]:
    """A receiver that takes its time, and then says no."""

    def answer(_: str) -> tuple[int, bytes, dict[str, str]]:
        time.sleep(1)
        return 500, b"", {}

    server = AnswerThread(answer)
    yield server.url
    server.stop()


def ask(client: httpx.Client) -> float:
    began = time.monotonic()
    refused(client.get("/v1/events/evt_nothing"), 404, "not_found")
    return time.monotonic() - began


@pytest.mark.parametrize("endpoint", ["http://127.0.0.1:9/v1/traces", "no address at all"])
def test_a_receiver_that_is_not_there_fails_no_request_and_is_complained_of_once(
    endpoint: str,
    recording: Callable[..., None],
    project: str,
    anonymous: httpx.Client,
    capfd: pytest.CaptureFixture[str],
) -> None:
    recording(TRACE_ENDPOINT=endpoint)
    complaints: list[dict[str, object]] = []

    def complained() -> bool:
        ask(anonymous)
        lines = (json.loads(line) for line in capfd.readouterr().out.splitlines() if line.startswith("{"))
        complaints.extend(line for line in lines if line["severity"] != "INFO")
        return bool(complaints)

    # A request waits for a receiver no longer than its bound; what comes of it may be said behind a later one.
    eventually(complained)
    for _ in range(5):
        complained()
    [complaint] = complaints
    assert (complaint["severity"], complaint["message"], complaint["endpoint"]) == (
        "WARNING",
        "spans are lost",
        endpoint,
    )


def test_a_slow_receiver_holds_a_request_up_no_longer_than_the_bound_and_one_that_failed_not_at_all(
    silent: str, recording: Callable[..., None], project: str, anonymous: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Counted, not timed: how often a request waited, and for how long it was willing to."""
    from common import spans

    waits: list[float] = []
    wait = asyncio.wait

    async def counted(futures: set[asyncio.Future[object]], *, timeout: float | None = None) -> object:
        if timeout == spans.FLUSH_S:
            waits.append(timeout)
        return await wait(futures, timeout=timeout)

    monkeypatch.setattr(asyncio, "wait", counted)
    recording(TRACE_ENDPOINT=silent)
    ask(anonymous)
    assert waits == [spans.FLUSH_S]
    deadline = time.monotonic() + 20
    while not spans.recorder().exporter.failing and time.monotonic() < deadline:
        time.sleep(0.05)
    ask(anonymous)
    assert waits == [spans.FLUSH_S]


def test_a_receiver_that_answers_again_gets_spans_again(
    recording: Callable[..., None], project: str, anonymous: httpx.Client, traces: Traces
) -> None:
    from common import spans

    trace = Trace.new()
    ask(anonymous)
    spans.recorder().exporter.failing = True
    anonymous.get("/v1/events/evt_nothing", headers=trace.header())
    assert traces.spans(trace) == []
    spans.recorder().outgoing.force_flush()  # as its own thread does every five seconds
    assert spans.recorder().exporter.failing is False
    traces.with_all(trace, "get_event")


def test_a_credential_is_asked_for_only_where_spans_go_to_google(monkeypatch: pytest.MonkeyPatch) -> None:
    import google.auth
    from google.auth.credentials import AnonymousCredentials
    from google.auth.transport.requests import AuthorizedSession

    from common import spans

    asked: list[list[str]] = []

    def default(scopes: list[str]) -> tuple[AnonymousCredentials, str]:
        asked.append(scopes)
        return AnonymousCredentials(), "p"

    monkeypatch.setattr(google.auth, "default", default)
    assert not isinstance(spans._session("http://127.0.0.1:4318/v1/traces"), AuthorizedSession)
    assert asked == []
    assert isinstance(spans._session("https://telemetry.googleapis.com/v1/traces"), AuthorizedSession)
    assert asked == [[spans.APPEND_SCOPE]]
