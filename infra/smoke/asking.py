"""A deployment, asked over HTTP: every reply is held against what all of Marquee's replies promise."""

from __future__ import annotations

import itertools
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import httpx

if TYPE_CHECKING:
    from collections.abc import Mapping

TIMEOUT_S: Final = 15.0
# An instance that starts is waited for; a balancer without one yet answers these.
STARTING: Final = (502, 503, 504)
AGAIN_AFTER_S: Final = 2.0
PROBLEM: Final = "application/problem+json"

Json = dict[str, Any]


class Wrong(Exception):
    """A reply is not what it must be."""

    def __init__(self, asked: str, expected: str, got: str, request_id: str = "none") -> None:
        super().__init__(f"{asked}: expected {expected}, got {got}")
        self.asked, self.expected, self.got, self.request_id = asked, expected, got, request_id


@dataclass
class Api:
    """One run against one deployment. Its request ids all begin alike, so that the log has the run together."""

    client: httpx.Client
    run: str
    until: float

    def __post_init__(self) -> None:
        self._numbers = itertools.count(1)

    def ask(
        self,
        method: str,
        path: str,
        status: int | tuple[int, ...] = 200,
        code: str | None = None,
        *,
        token: str | None = None,
        key: str | None = None,
        json: object = None,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        """The reply, if it has this status, or one of these, and what every reply has; a refusal with this code."""
        sent = {"X-Request-ID": f"{self.run}-{next(self._numbers)}", **(headers or {})}
        sent |= {"Authorization": f"Bearer {token}"} if token else {}
        sent |= {"Idempotency-Key": key} if key else {}
        request = self.client.build_request(method, path, json=json, content=content, headers=sent)
        # A repeat must be harmless: what may have been done is not asked for twice without a key.
        reply = self._send(request, may_repeat=key is not None or method in {"GET", "HEAD", "OPTIONS"})
        statuses = (status,) if isinstance(status, int) else status
        expected = " or ".join(map(str, statuses)) + (f" {code}" if code else "")
        problem = _object(reply)
        got = f"{reply.status_code} {problem.get('code', '')}".strip()
        require(reply, reply.status_code in statuses, expected, got)
        _require_common(reply, sent["X-Request-ID"])
        if code is not None:
            require(reply, problem.get("code") == code, expected, got)
            kind = reply.headers.get("content-type")
            require(reply, kind == PROBLEM, PROBLEM, kind)
        return reply

    def _send(self, request: httpx.Request, *, may_repeat: bool) -> httpx.Response:
        asked = f"{request.method} {request.url}"
        while True:
            left = self.until - time.monotonic()
            if left <= 0:
                raise Wrong(asked, "an answer within the run's time", "no time left")
            request.extensions["timeout"] = httpx.Timeout(min(TIMEOUT_S, left)).as_dict()
            try:
                reply = self.client.send(request)
            except httpx.HTTPError as failure:
                if not may_repeat:
                    request_id = request.headers["X-Request-ID"]
                    raise Wrong(asked, "an answer", f"{type(failure).__name__} {failure}", request_id) from failure
            else:
                if not may_repeat or reply.status_code not in STARTING:
                    return reply
            may_repeat = False
            time.sleep(AGAIN_AFTER_S)


def require(reply: httpx.Response, holds: object, expected: str, got: object) -> None:
    """Wrong, unless it holds."""
    if not holds:
        asked = f"{reply.request.method} {reply.request.url}"
        raise Wrong(asked, expected, str(got)[:200], reply.headers.get("x-request-id", "none"))


def body(reply: httpx.Response) -> Json:
    """The reply's JSON object."""
    read = _object(reply)
    require(reply, read, "a JSON object", reply.text)
    return read


def _require_common(reply: httpx.Response, request_id: str) -> None:
    """What each reply has, whichever function gave it."""
    headers = reply.headers
    # A shared cache hands on the id of whoever asked first.
    own = "public" not in headers.get("cache-control", "")
    answered = headers.get("x-request-id", "")
    require(reply, answered == request_id if own else answered, f"X-Request-ID: {request_id}", answered or "none")
    for name, value in (("x-content-type-options", "nosniff"), ("x-frame-options", "DENY")):
        require(reply, headers.get(name) == value, f"{name}: {value}", headers.get(name, "none"))
    if reply.request.url.scheme == "https":
        transport = headers.get("strict-transport-security", "none")
        require(reply, "max-age=" in transport, "Strict-Transport-Security with a max-age", transport)


def _object(reply: httpx.Response) -> Json:
    """The JSON object, empty where there is none."""
    try:
        read = reply.json()
    except ValueError:
        return {}
    return read if isinstance(read, dict) else {}
