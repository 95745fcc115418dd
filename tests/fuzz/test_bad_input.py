"""Nonsense in every query parameter of every public GET: a clear 4xx or an ordinary answer, never a 500."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

import pytest

from common.http import PROBLEM_JSON
from common.paging import encode_cursor
from tests.fuzz.reference import PLACES, Route, public_gets
from tests.support.people import create_organization, publish_event, refused

if TYPE_CHECKING:
    import httpx

    from tests.support.people import Json, Person

SCRIPT: Final = "<script>alert(1)</script>"
NONSENSE: Final[dict[str, str]] = {
    "empty": "",
    "blank": " \t ",
    "word": "asdfghjkl qwertz",
    "long": "x" * 1_000,
    "long words": "jazz " * 200,
    "emoji": "🎉🪩👩‍👩‍👧‍👦",
    "NUL": "a\x00b",
    "line ends": "a\r\nSet-Cookie: b=c",
    "lone surrogate": "\udc80",
    "right to left": "\u202eabc\u2066",
    "combining": "e" + "\u0301" * 300,
    "SQL": "' OR '1'='1'; DROP TABLE listings; --",
    "SQL union": "1) UNION SELECT name FROM sqlite_master --",
    "full text": '"unclosed AND (NEAR/0 * ^ title: -',
    "wildcards": "%%__**",
    "NoSQL": '{"$gt": ""}',
    "field path": "venue.`latitude`",
    "document path": "../../events/evt_1",
    "reserved id": "__name__",
    "HTML": SCRIPT,
    "template": "{{7*7}}${7*7}#{7*7}",
    "format": "%s%n{0.__class__}",
    "URL": "https://example.com/?a=b&c=d#e",
    "negative": "-1",
    "zero": "0",
    "fraction": "0.5",
    "huge": "9" * 40,
    "exponent": "1e309",
    "not a number": "NaN",
    "infinite": "-Infinity",
    "boolean": "true",
    "null": "null",
    "list": "[1,2]",
    "year 0": "0000-01-01T00:00:00Z",
    "year 9999": "9999-12-31T23:59:59-12:00",
    "no such day": "2026-02-30T00:00:00Z",
}
FORGED: Final = {
    "word": "x",
    "empty object": "e30",
    "null": "bnVsbA",
    "NUL": "\x00",
    "accent": "é",
    "deep": "W1tbW1tb" * 128,
    "of another query": encode_cursor("another list", 1.0, "evt_1"),
    "of another shape": encode_cursor("another list", "evt_1"),
}
ROUTES: Final = public_gets()
PARAMETERS: Final = [(route, name) for route in ROUTES for name in route.parameters]


def of(name: str) -> list[Route]:
    """The routes with this parameter."""
    return [route for route in ROUTES if name in route.parameters]


def path_of(value: object) -> str | None:
    return value.path if isinstance(value, Route) else None


def checked(answer: httpx.Response, route: Route) -> httpx.Response:
    """An answer as the reference describes it, harmless whatever was asked."""
    assert answer.status_code < 500, answer.text
    described = route.operation["responses"].get(str(answer.status_code))
    assert described is not None, f"{answer.status_code} is undocumented"
    kind = answer.headers.get("content-type", "").partition(";")[0]
    assert kind in described.get("content", {"": {}})
    if kind == PROBLEM_JSON:
        assert answer.json()["status"] == answer.status_code
    if kind == "text/html":
        assert SCRIPT not in answer.text
    assert "set-cookie" not in answer.headers
    return answer


def ask(client: httpx.Client, route: Route, **query: str) -> httpx.Response:
    # What is no text goes as bytes that are none.
    sent = {name: value.encode("utf-8", "surrogateescape") for name, value in (route.accepted | query).items()}
    return checked(client.get(f"{route.url}?{urlencode(sent)}"), route)


def is_refused(answer: httpx.Response, status: int, code: str) -> Json:
    """The problem; a page for people tells of it in its own way."""
    if answer.headers["content-type"].startswith("text/html"):
        assert answer.status_code == status
        return {}
    return refused(answer, status, code)


@pytest.mark.parametrize("route", ROUTES, ids=path_of)
def test_a_route_answers_what_it_is_made_for(anonymous: httpx.Client, route: Route) -> None:
    answer = ask(anonymous, route)
    assert answer.status_code == (404 if "{" in route.path else 200), answer.text


@pytest.mark.parametrize(("route", "name"), PARAMETERS, ids=path_of)
def test_nonsense(anonymous: httpx.Client, route: Route, name: str) -> None:
    statuses = {kind: ask(anonymous, route, **{name: value}).status_code for kind, value in NONSENSE.items()}
    assert set(statuses.values()) <= {200, 400, 404, 422}, statuses


@pytest.mark.parametrize("route", of("cursor"), ids=path_of)
@pytest.mark.parametrize("kind", FORGED)
def test_a_forged_cursor(anonymous: httpx.Client, route: Route, kind: str) -> None:
    answer = ask(anonymous, route, cursor=FORGED[kind])
    if "{" not in route.path or answer.status_code != 404:
        is_refused(answer, 400, "invalid_cursor")


@pytest.mark.parametrize("route", ROUTES, ids=path_of)
def test_what_the_route_does_not_know(anonymous: httpx.Client, route: Route) -> None:
    for name in ("", "nonsense", "__proto__", "limit[]", "$where", SCRIPT):
        is_refused(ask(anonymous, route, **{name: "1"}), 422, "validation_failed")


@pytest.mark.parametrize(("route", "name"), PARAMETERS, ids=path_of)
def test_a_parameter_that_comes_twice(anonymous: httpx.Client, route: Route, name: str) -> None:
    """Which one was meant? A proxy and we might each take another."""
    first = route.accepted | {name: route.accepted.get(name, "1")}
    query = [*first.items(), (name, "2")]
    problem = refused(checked(anonymous.get(f"{route.url}?{urlencode(query)}"), route), 422, "validation_failed")
    assert {"field": name, "code": "duplicated"}.items() <= problem["errors"][0].items()


OUT_OF_BOUNDS: Final = {
    "latitude": ("91", "-90.1", "north", ""),
    "longitude": ("181", "-180.1", "nan"),
    "radiusKm": ("0", "-1", "50000", "inf"),
    "limit": ("0", "-1", "101", "1.5", "9" * 40),
    "maxPriceMinor": ("-1", "1.5", "9" * 40),
    "from": ("yesterday", "2030-01-01T00:00:00", "2026-02-30T00:00:00Z"),
    "to": ("tomorrow", "0000-01-01T00:00:00Z"),
}


@pytest.mark.parametrize(("route", "name"), [each for each in PARAMETERS if each[1] in OUT_OF_BOUNDS], ids=path_of)
def test_what_is_out_of_bounds(anonymous: httpx.Client, route: Route, name: str) -> None:
    for value in OUT_OF_BOUNDS[name]:
        problem = refused(ask(anonymous, route, **{name: value}), 422, "validation_failed")
        assert {error["field"] for error in problem["errors"]} == {name}, value


@pytest.mark.parametrize("route", [route for route in of("from") if "to" in route.parameters], ids=path_of)
def test_dates_reversed(anonymous: httpx.Client, route: Route) -> None:
    reversed_dates = {"from": "2030-01-02T00:00:00Z", "to": "2030-01-01T00:00:00Z"}
    refused(ask(anonymous, route, **reversed_dates), 422, "validation_failed")


@pytest.mark.parametrize("route", [route for route in of("cursor") if "latitude" in route.accepted], ids=path_of)
def test_a_cursor_of_the_same_route_with_another_filter(anonymous: httpx.Client, host: Person, route: Route) -> None:
    venue = {"name": "V", "address": "A", "city": "Mumbai"} | {name: float(value) for name, value in PLACES.items()}
    org_id = create_organization(host)
    for _ in range(2):
        publish_event(host, org_id=org_id, venue=venue)
    cursor = ask(anonymous, route, limit="1").json()["nextCursor"]
    assert ask(anonymous, route, limit="1", cursor=cursor).status_code == 200
    refused(ask(anonymous, route, cursor=cursor, genre="polka"), 400, "invalid_cursor")


@pytest.mark.parametrize("route", ROUTES, ids=path_of)
def test_a_body_where_none_is_taken(anonymous: httpx.Client, route: Route) -> None:
    """Each is refused as documented; browsers never send one."""
    bodies: dict[str, Any] = {
        "not JSON": (b"{", "application/json", {400}),
        "no JSON object": (b"[1]", "application/json", {422}),
        "unknown member": (b'{"a": 1}', "application/json", {422}),
        "text": (b"hello", "text/plain", {415}),
        "deep": (b"[" * 20_000, "application/json", {400, 422}),
        "large": (json.dumps({"a": "x" * 70_000}).encode(), "application/json", {413}),
    }
    for content, kind, statuses in bodies.values():
        query, headers = route.accepted, {"Content-Type": kind}
        answer = anonymous.request("GET", route.url, params=query, content=content, headers=headers)
        assert checked(answer, route).status_code in statuses
