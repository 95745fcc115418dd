"""A function in the process that its image starts: answers as anywhere, and garbage collected from the first one on."""

from __future__ import annotations

import asyncio
import gc
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any, cast

import httpx
import pytest
from starlette.responses import Response

from common import serving
from emulators.addresses import Ports
from manifest.discover import ROOT
from tests.support.people import eventually, refused

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from starlette.requests import Request

    from common.endpoint import Endpoint

SCOPE = {"type": "http", "method": "GET", "path": "/v1/genres", "query_string": b"", "headers": []}


@pytest.fixture
def no_garbage_yet() -> Iterator[None]:
    gc.disable()
    yield
    gc.unfreeze()
    gc.enable()


def serve(function: object) -> list[Any]:
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append((message["type"], gc.isenabled()))

    asyncio.run(cast("Any", serving.app(cast("Endpoint", function))(SCOPE, receive, send)))
    return sent


@pytest.mark.usefixtures("no_garbage_yet")
def test_garbage_is_collected_once_something_was_answered() -> None:
    async def function(request: Request) -> Response:
        return Response(request.url.path)

    assert serve(function) == [("http.response.start", False), ("http.response.body", False)]
    assert gc.isenabled()
    assert gc.get_freeze_count() > 0
    gc.unfreeze()
    assert serve(function) == [("http.response.start", True), ("http.response.body", True)]
    assert gc.get_freeze_count() == 0, "only the start is kept for good"


@pytest.mark.usefixtures("no_garbage_yet")
def test_garbage_is_collected_after_a_failure_too() -> None:
    async def broken(_: Request) -> Response:
        raise RuntimeError

    with pytest.raises(RuntimeError):
        serve(broken)
    assert gc.isenabled()


@pytest.fixture
def as_deployed(tmp_path: Path) -> Iterator[httpx.Client]:
    """`get_event`, once it listens."""
    (tmp_path / "main.py").write_text("from functions.events.get_event import get_event\n")
    port = Ports.free().gateway
    variables = {"FUNCTION_TARGET": "get_event", "HOST": "127.0.0.1", "PORT": str(port), "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        [sys.executable, "-m", "common.serving"],
        cwd=tmp_path,
        env=os.environ | variables | {"GOOGLE_CLOUD_PROJECT": "demo-alone"},
        stdout=subprocess.DEVNULL,
    )
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=30) as client:
        eventually(lambda: _listens(client), 30)
        yield client
    process.terminate()
    process.wait(10)


def _listens(client: httpx.Client) -> bool:
    try:
        return client.options("/v1/events/evt_unknown").status_code == 204
    except httpx.TransportError:
        return False


def test_a_deployed_function_answers_as_under_the_framework(as_deployed: httpx.Client) -> None:
    refused(as_deployed.get("/v1/events/evt_unknown"), 404, "not_found")
    refused(as_deployed.post("/v1/events/evt_unknown"), 405, "method_not_allowed")
    refused(as_deployed.get("/v1/orders"), 404, "not_found")
