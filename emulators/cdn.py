"""A stand-in for Cloud CDN in front of the gateway: it keeps what Cloud CDN would keep, and forgets when it is told.

As Cloud CDN with cache mode USE_ORIGIN_HEADERS that bypasses its cache for requests with an Authorization header: a GET
is kept if it is public, for s-maxage, unless it varies by more than Cloud CDN takes; what ran out is asked for again
with its ETag, and served late for as long as stale-while-revalidate says (a day where it says nothing). What was being
fetched while its tag was invalidated is kept none the less: Cloud CDN promises nothing of it.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import httpx
from starlette.applications import Starlette
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request

KEPT_STATUSES: Final = {200, 203, 204, 300, 301, 302, 307, 308, 410}
VARIES_BY: Final = {"accept", "accept-encoding", "origin"}
SERVED_LATE_S: Final = 86_400
# Of one connection, not of the reply.
HOP_BY_HOP: Final = {"connection", "keep-alive", "transfer-encoding", "content-length", "date", "server"}
METHODS: Final = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


@dataclass
class Kept:
    """A reply in the cache, and when it was last known to hold."""

    status: int
    headers: dict[str, str]
    body: bytes
    at: float

    @property
    def tags(self) -> set[str]:
        return {tag.strip() for tag in self.headers.get("cache-tag", "").split(",")}

    def says(self, directive: str, otherwise: int) -> int:
        """The seconds of a Cache-Control directive."""
        found = re.search(rf"(?:^|[\s,]){directive}=(\d+)", self.headers.get("cache-control", ""))
        return int(found[1]) if found else otherwise


@dataclass
class Cdn:
    """One cache in front of `origin`; `now` is its clock, `told` the invalidations that it took."""

    origin: str
    now: Callable[[], float] = time.monotonic
    told: list[str] = field(default_factory=list)
    # The next answers to invalidations; 200 once there are none.
    answers: list[int] = field(default_factory=list)
    _kept: dict[tuple[str, str], Kept] = field(default_factory=dict)
    _requests: set[str] = field(default_factory=set)

    async def serve(self, request: Request) -> Response:
        """A request on its way to the origin."""
        key = (str(request.url).partition(request.url.netloc)[2], request.headers.get("origin", ""))
        cached = request.method in {"GET", "HEAD"} and "authorization" not in request.headers
        kept = self._kept.get(key) if cached else None
        if kept is not None and (age := self.now() - kept.at) < kept.says("s-maxage", 0) + kept.says(
            "stale-while-revalidate", SERVED_LATE_S
        ):
            return _answer(kept, request, "HIT", {"Age": str(int(age))})
        asked = {name: value for name, value in request.headers.items() if name not in HOP_BY_HOP | {"host"}}
        if cached:
            asked.pop("if-none-match", None)
            if kept is not None and "etag" in kept.headers:
                asked["If-None-Match"] = kept.headers["etag"]
        fetched = await self._fetch("GET" if cached else request.method, key[0], asked, await request.body())
        if kept is not None and fetched.status == 304:
            fetched = Kept(kept.status, kept.headers | fetched.headers, kept.body, fetched.at)
        if cached and _may_keep(fetched):
            self._kept[key] = fetched
        return _answer(fetched, request, "MISS" if cached else "BYPASS", {})

    async def _fetch(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Kept:
        async with httpx.AsyncClient(base_url=self.origin, trust_env=False, timeout=30) as client:
            reply = await client.request(method, path, headers=headers, content=body)
        passed = {name.lower(): value for name, value in reply.headers.items() if name.lower() not in HOP_BY_HOP}
        passed.pop("content-encoding", None)
        return Kept(reply.status_code, passed, reply.content, self.now())

    async def invalidate(self, request: Request) -> Response:
        """Compute Engine's urlMaps.invalidateCache."""
        status = self.answers.pop(0) if self.answers else 200
        if status != 200:
            return JSONResponse({"error": {"code": status, "message": "as the test asked"}}, status)
        rule: dict[str, Any] = await request.json()
        name = request.query_params["requestId"]
        if name not in self._requests:
            self._requests.add(name)
            self.told += rule["cacheTags"]
            self._kept = {key: kept for key, kept in self._kept.items() if not kept.tags & set(rule["cacheTags"])}
        return JSONResponse({"kind": "compute#operation", "name": name, "status": "PENDING"})


def _may_keep(reply: Kept) -> bool:
    control = {part.strip().lower() for part in reply.headers.get("cache-control", "").split(",")}
    varies = {part.strip().lower() for part in reply.headers.get("vary", "").split(",") if part.strip()}
    return (
        reply.status in KEPT_STATUSES
        and "public" in control
        and not control & {"private", "no-store", "no-cache"}
        and "set-cookie" not in reply.headers
        and varies <= VARIES_BY
        and (reply.says("s-maxage", -1) >= 0 or reply.says("max-age", -1) >= 0)
    )


def _answer(reply: Kept, request: Request, came: str, more: dict[str, str]) -> Response:
    headers = reply.headers | more | {"x-cache": came}
    etag = headers.get("etag")
    if etag is not None and reply.status == 200 and etag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    return Response(reply.body, reply.status, headers)


def create_app(cdn: Cdn) -> Starlette:
    """The cache at every path, and the API that invalidates it."""
    api = "/compute/v1/projects/{project}/global/urlMaps/{map}/invalidateCache"
    return Starlette(
        routes=[Route(api, cdn.invalidate, methods=["POST"]), Route("/{path:path}", cdn.serve, methods=METHODS)]
    )
