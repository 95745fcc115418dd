"""Garbage is collected from the first answer on, also where that is a failure."""

from __future__ import annotations

import asyncio
import gc
from typing import TYPE_CHECKING, Any, cast

import pytest
from starlette.responses import Response

from common import serving

if TYPE_CHECKING:
    from collections.abc import Iterator

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
