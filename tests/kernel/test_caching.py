"""What the wrapper tells caches: for how long, for whom, under which tag; and that who has a reply need not get it."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from starlette.responses import RedirectResponse, Response

from common import clock
from common.access import Access
from common.caching import UNTOLD_S, Cache, Until, by_event
from common.config import config
from common.endpoint import Call, endpoint
from common.errors import NotFound
from common.wire import Wire
from tests.kernel.conftest import ask
from tests.support.people import refused

if TYPE_CHECKING:
    import httpx

Headers = dict[str, str]
PATH = "/v1/shows/evt_1"


class Show(Wire):
    """A show."""

    title: str


class Now:
    """What the endpoints below answer."""

    title = "Night"
    lasts: timedelta | None = None


@endpoint("GET", "/v1/shows/{eventId}", access=Access.PUBLIC, returns=Show, cache=Cache(3600, tag=by_event))
async def get_show(call: Call) -> Until | Response:
    """Answer as the test asks."""
    match call.path["eventId"]:
        case "gone":
            raise NotFound
        case "odd":
            return Response("no page", 404)
        case "moved":
            return RedirectResponse(PATH, 301)
    return Until(Show(title=Now.title), None if Now.lasts is None else clock.now() + Now.lasts)


@endpoint("GET", "/v1/plain", access=Access.PUBLIC, returns=Show)
async def get_plain(call: Call) -> Show:
    """Answer, undeclared."""
    return Show(title="plain")


@pytest.fixture(autouse=True)
def told(monkeypatch: pytest.MonkeyPatch) -> None:
    """A CDN that is told of changes."""
    monkeypatch.setenv("CDN_URL_MAP", "marquee")
    config.cache_clear()
    monkeypatch.setattr(Now, "title", "Night")
    monkeypatch.setattr(Now, "lasts", None)


def get(path: str = PATH, **headers: str) -> httpx.Response:
    return ask(get_show, "GET", path, headers={name.replace("_", "-"): value for name, value in headers.items()})


def control(reply: httpx.Response) -> list[str]:
    return reply.headers["cache-control"].split(", ")


def test_the_cdn_may_keep_what_anybody_may_see_and_a_browser_asks_each_time() -> None:
    reply = get()
    assert control(reply) == ["public", "max-age=0", "s-maxage=3600", "stale-while-revalidate=0"]
    assert reply.headers["cache-tag"] == "event-evt_1"
    # Cloud CDN keeps nothing that varies by more than Origin and the like.
    assert reply.headers["vary"] == "Origin"


def test_where_no_cdn_is_told_it_keeps_things_for_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CDN_URL_MAP")
    config.cache_clear()
    assert f"s-maxage={UNTOLD_S}" in control(get())


@pytest.mark.parametrize(("lasts", "s_maxage"), [(7200, 3600), (90.5, 90), (0.5, 0), (-5, 0)])
def test_what_the_clock_changes_is_kept_until_then(
    monkeypatch: pytest.MonkeyPatch, lasts: float, s_maxage: int
) -> None:
    at = clock.now()
    monkeypatch.setattr(clock, "now", lambda: at)
    monkeypatch.setattr(Now, "lasts", timedelta(seconds=lasts))
    assert f"s-maxage={s_maxage}" in control(get())


def test_a_reply_to_a_token_is_its_callers_alone(signed_in: Headers) -> None:
    reply = ask(get_show, "GET", PATH, headers=signed_in)
    assert control(reply) == ["private", "no-cache"]
    assert {"Authorization", "Origin"} == set(reply.headers["vary"].split(", "))
    assert "cache-tag" not in reply.headers
    again = ask(get_show, "GET", PATH, headers=signed_in | {"If-None-Match": reply.headers["etag"]})
    assert (again.status_code, control(again)) == (304, ["private", "no-cache"])


def test_whoever_has_it_gets_304_with_the_headers_a_cache_takes_over() -> None:
    first = get()
    for tags in (first.headers["etag"], f"W/{first.headers['etag']}", f'"other", {first.headers["etag"]}', "*"):
        again = get(If_None_Match=tags)
        assert (again.status_code, again.content) == (304, b"")
        for name in ("etag", "cache-control", "cache-tag", "vary", "content-security-policy"):
            assert again.headers[name] == first.headers[name]
        assert "content-type" not in again.headers


@pytest.mark.parametrize("tags", ['"other"', "", "Night", '"'])
def test_whoever_has_something_else_gets_the_reply(tags: str) -> None:
    assert get(If_None_Match=tags).json() == {"title": "Night"}


def test_another_body_has_another_etag(monkeypatch: pytest.MonkeyPatch) -> None:
    first = get()
    assert get().headers["etag"] == first.headers["etag"]
    monkeypatch.setattr(Now, "title", "Morning")
    after = get(If_None_Match=first.headers["etag"])
    assert (after.status_code, after.json()) == (200, {"title": "Morning"})
    assert after.headers["etag"] != first.headers["etag"]


def test_errors_and_undeclared_replies_are_not_kept() -> None:
    refused(get("/v1/shows/gone"), 404, "not_found")
    for reply in (get("/v1/shows/gone"), get("/v1/shows/odd"), ask(get_plain, "GET", "/v1/plain")):
        assert control(reply) == ["no-store"]
        assert "etag" not in reply.headers


def test_a_redirect_is_kept_like_what_it_leads_to() -> None:
    reply = get("/v1/shows/moved")
    assert (reply.status_code, reply.headers["location"]) == (301, PATH)
    assert "s-maxage=3600" in control(reply)
    assert reply.headers["cache-tag"] == "event-moved"


def test_what_may_be_kept_may_be_asked_for_its_headers_alone() -> None:
    head = ask(get_show, "HEAD", PATH)
    assert (head.status_code, head.headers["etag"]) == (200, get().headers["etag"])
    assert ask(get_plain, "HEAD", "/v1/plain").status_code == 405
    assert ask(get_show, "POST", PATH).headers["allow"] == "GET, HEAD"
