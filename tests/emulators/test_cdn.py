"""The stand-in for Cloud CDN keeps what Cloud CDN would, and forgets what it is told to."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

import httpx
import pytest
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

from emulators.cdn import Cdn, create_app
from tests.emulators.served import served

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.requests import Request

METHODS = ["GET", "HEAD", "POST"]


class Origin:
    """Answers with its number of requests, under the headers that it is given."""

    def __init__(self) -> None:
        self.headers: dict[str, str] = {"Cache-Control": "public, s-maxage=10, stale-while-revalidate=0"}
        self.status = 200
        self.requests: list[Request] = []

    async def answer(self, request: Request) -> Response:
        self.requests.append(request)
        if request.headers.get("if-none-match", "none") == self.headers.get("ETag"):
            return Response(status_code=304, headers=self.headers)
        return Response(str(len(self.requests)), self.status, self.headers)


class Front:
    """The CDN before an origin, with a clock that the test moves."""

    def __init__(self, origin: str) -> None:
        self.time = 0.0
        self.cdn = Cdn(origin, now=lambda: self.time)
        self.client = httpx.Client(trust_env=False)

    def get(self, path: str = "/a", **headers: str) -> str:
        return self.client.get(path, headers=headers).text

    def came(self, path: str = "/a", **headers: str) -> str:
        return str(self.client.get(path, headers=headers).headers["x-cache"])

    def invalidate(self, *tags: str, request: str = "") -> int:
        path = "/compute/v1/projects/p/global/urlMaps/m/invalidateCache"
        name = request or str(uuid4())
        return self.client.post(path, params={"requestId": name}, json={"cacheTags": tags}).status_code


@pytest.fixture
def origin() -> Origin:
    return Origin()


@pytest.fixture
def front(origin: Origin) -> Iterator[Front]:
    with served(Starlette(routes=[Route("/{path:path}", origin.answer, methods=METHODS)])) as behind:
        front = Front(behind)
        with served(create_app(front.cdn)) as url, httpx.Client(base_url=url, trust_env=False) as client:
            front.client = client
            yield front


def test_a_public_reply_is_kept_for_its_time_and_by_its_whole_address(front: Front) -> None:
    assert [front.get(), front.get(), front.get("/a?b=1"), front.get("/b")] == ["1", "1", "2", "3"]
    front.time = 9.9
    assert front.get() == "1"
    front.time = 10.0
    assert front.get() == "4"


@pytest.mark.parametrize(
    "headers",
    [
        {"Cache-Control": "private, no-cache"},
        {"Cache-Control": "no-store"},
        {"Cache-Control": "s-maxage=10"},
        {"Cache-Control": "public"},
        {"Cache-Control": "public, s-maxage=10", "Vary": "Authorization"},
        {"Cache-Control": "public, s-maxage=10", "Vary": "Origin, Cookie"},
        {"Cache-Control": "public, s-maxage=10", "Set-Cookie": "a=b"},
    ],
    ids=lambda headers: "; ".join(headers.values()),
)
def test_others_are_not_kept(front: Front, origin: Origin, headers: dict[str, str]) -> None:
    origin.headers = headers
    assert [front.get(), front.get()] == ["1", "2"]


def test_errors_are_not_kept(front: Front, origin: Origin) -> None:
    origin.status = 404
    assert [front.get(), front.get()] == ["1", "2"]


def test_a_request_with_a_token_goes_past_the_cache(front: Front) -> None:
    assert front.came() == "MISS"
    assert front.came(Authorization="Bearer x") == "BYPASS"
    assert front.came() == "HIT"
    assert front.came(Origin="https://a.example") == "MISS"
    assert front.client.post("/a").headers["x-cache"] == "BYPASS"


def test_what_ran_out_is_asked_for_by_its_etag(front: Front, origin: Origin) -> None:
    origin.headers |= {"ETag": '"one"'}
    assert front.get() == "1"
    front.time = 11
    assert front.get() == "1"
    assert origin.requests[-1].headers["if-none-match"] == '"one"'
    front.time = 20
    assert front.came() == "HIT"
    assert front.client.get("/a", headers={"If-None-Match": '"one"'}).status_code == 304


def test_without_a_word_of_the_origin_it_serves_late(front: Front, origin: Origin) -> None:
    """Cloud CDN's default: a day. That is why our replies say that they are never served late."""
    origin.headers = {"Cache-Control": "public, s-maxage=10"}
    assert front.get() == "1"
    front.time = 3_600
    assert front.get() == "1"


def test_a_tag_calls_back_what_carries_it(front: Front, origin: Origin) -> None:
    origin.headers |= {"Cache-Tag": "event-1, event-2"}
    assert front.get() == "1"
    origin.headers |= {"Cache-Tag": "event-3"}
    assert front.get("/b") == "2"
    assert front.invalidate("event-2", request="r1") == 200
    assert [front.get(), front.get("/b")] == ["3", "2"]
    assert front.invalidate("event-3", request="r1") == 200  # a repeat of a request counts once
    assert front.get("/b") == "2"
    front.cdn.answers = [429]
    assert front.invalidate("event-3") == 429
    assert front.cdn.told == ["event-2"]
