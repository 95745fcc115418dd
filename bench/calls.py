"""A function called in this process, with what it cost: reads, round trips, and the processor time that is our own."""

from __future__ import annotations

import contextlib
import io
import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

from starlette.requests import Request

if TYPE_CHECKING:
    from collections.abc import Mapping

    from common.endpoint import Endpoint
    from tests.support.cost_recorder import Cost, CostRecorder


@dataclass(frozen=True)
class Called:
    """One answer; `own_ms` is the time outside remote calls: all that this process computed, its client library too."""

    status: int
    body: Any
    cost: Cost
    own_ms: float


async def call(recorder: CostRecorder, function: Endpoint, query: Mapping[str, object], path: str = "") -> Called:
    """GET `path`, which is the function's own unless it has parameters."""
    request = _request(path or function.spec.path, query)
    recorder.take()
    began = time.process_time()
    with contextlib.redirect_stdout(io.StringIO()):  # the access log
        response = await function(request)
    own_ms = (time.process_time() - began) * 1000
    body = bytes(response.body)
    return Called(response.status_code, json.loads(body) if body else None, recorder.take(), own_ms)


def _request(path: str, query: Mapping[str, object]) -> Request:
    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": b"", "more_body": False}

    scope = {
        "type": "http",
        "method": "GET",
        "path": urlsplit(path).path,
        "query_string": urlencode(query).encode(),
        "headers": [],
        "server": ("bench", 80),
        "scheme": "http",
    }
    return Request(scope, receive)
