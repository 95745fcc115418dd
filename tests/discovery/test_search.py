"""GET /v1/events/search, /v1/search and /v1/search/suggestions, over HTTP."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from common.listings import index as listing_index
from common.search import text_search
from tests.support.people import Json, accepted, create_organization, event_body, eventually, publish_event, refused

if TYPE_CHECKING:
    import httpx

    from tests.support.people import Person

ROUTES = ("/v1/events/search", "/v1/search", "/v1/search/suggestions")


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing_index, "FRESH_FOR_S", 0.0)
    monkeypatch.setattr(text_search, "WORDS_KEPT_S", 0.0)


def ask(client: httpx.Client, path: str = ROUTES[0], **query: Any) -> Json:
    return accepted(client.get(path, params=query))


def titles(client: httpx.Client, q: str, **query: Any) -> list[str]:
    return [each["title"] for each in ask(client, q=q, **query)["items"]]


def test_an_event_is_found_from_its_publication_to_its_end(
    deployed: str, host: Person, anonymous: httpx.Client
) -> None:
    org_id = create_organization(host, name="Mill Nights")
    lineup = [{"artist": "Fẹlá Kútì"}, {"artist": "अरिजीत सिंह"}]
    draft = accepted(host.post("/v1/events", event_body(org_id, title="Thunder Road", lineup=lineup)))
    path = f"/v1/events/{draft['eventId']}"
    accepted(host.post(f"{path}/publish"))
    eventually(lambda: titles(anonymous, "thunder road") or None)
    for typed in ("fela kuti", "arijit", "thundr raod", "techno mumbai under 1000", "thun", "mill no 5", "lower parel"):
        assert titles(anonymous, typed) == ["Thunder Road"], typed

    accepted(host.call("PATCH", path, {"title": "Silver Lining"}))
    eventually(lambda: titles(anonymous, "silver lining") == ["Silver Lining"] or None)
    assert titles(anonymous, "thunder road") == []
    everything = ask(anonymous, "/v1/search", q="fela kuti")
    assert [each["title"] for each in everything["events"]] == ["Silver Lining"]
    assert everything["artists"] == [{"artistId": draft["artistIds"][0], "name": "Fẹlá Kútì", "upcoming": 1}]
    [venue] = ask(anonymous, "/v1/search", q="mill no 5")["venues"]
    assert (venue["venueId"], venue["city"], venue["upcoming"]) == (draft["venueId"], "Mumbai", 1)
    suggested = ask(anonymous, "/v1/search/suggestions", q="silv")["items"]
    assert suggested == [{"kind": "event", "text": "Silver Lining", "id": draft["eventId"], "city": "Mumbai"}]

    accepted(host.call("PATCH", path, {"visibility": "private"}))
    eventually(lambda: titles(anonymous, "silver") == [] or None)
    assert ask(anonymous, "/v1/search", q="fela kuti")["artists"] == []
    assert ask(anonymous, "/v1/search/suggestions", q="silv")["items"] == []
    accepted(host.call("PATCH", path, {"visibility": "public"}))
    eventually(lambda: titles(anonymous, "silver") or None)
    accepted(host.post(f"{path}/cancel"))
    eventually(lambda: titles(anonymous, "silver") == [] or None)


def test_a_reply_says_how_it_was_understood(deployed: str, host: Person, anonymous: httpx.Client) -> None:
    event = publish_event(host, title="Thunder Road")
    eventually(lambda: titles(anonymous, "thunder") or None)
    reply = ask(anonymous, q="tehcno in bombay under ₹2k tonight", limit=1)
    said = reply["interpretation"]
    assert (said["city"], said["genres"], said["maxPriceMinor"], said["currency"]) == (
        "Mumbai",
        ["techno"],
        200_000,
        "INR",
    )
    assert (said["timezone"], said["when"]) == ("Asia/Kolkata", "tonight")
    assert said["from"] < said["to"]
    # It is in two days, not tonight: the nearest answer, and what it leaves out.
    assert reply["relaxed"] == ["dates"]
    [card] = reply["items"]
    assert (card["eventId"], card["minPrice"]) == (event["eventId"], {"amountMinor": 50_000, "currency": "INR"})
    assert (card["orgName"], card["venue"]["city"], card["available"]) == ("Mill Nights", "Mumbai", True)
    assert "nextCursor" not in reply


def test_pages_follow_each_other(deployed: str, host: Person, anonymous: httpx.Client) -> None:
    org_id = create_organization(host)
    published = {publish_event(host, org_id=org_id, title=f"Thunder {n}")["eventId"] for n in range(5)}
    eventually(lambda: len(titles(anonymous, "thunder")) == 5 or None)
    seen: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = ask(anonymous, q="thunder", limit=2, **cursor)
        seen += [each["eventId"] for each in page["items"]]
        if "nextCursor" not in page:
            break
        cursor = {"cursor": page["nextCursor"]}
    assert len(seen) == 5 and set(seen) == published
    refused(anonymous.get(ROUTES[0], params={"q": "lightning"} | cursor), 400, "invalid_cursor")


BAD_CURSORS = ["x", "e30", "W10", "bnVsbA", "🎉", "A" * 4096, "WyIiLCIiLDEuMCwiIl0"]


@pytest.mark.parametrize("cursor", BAD_CURSORS, ids=lambda cursor: cursor[:8])
def test_a_forged_cursor_is_refused(project: str, anonymous: httpx.Client, cursor: str) -> None:
    refused(anonymous.get(ROUTES[0], params={"q": "jazz", "cursor": cursor}), 400, "invalid_cursor")


@pytest.mark.parametrize(
    "query",
    [
        {"q": "x" * 201},
        {"q": "x" * 1_000},
        {"from": "2030-01-02T00:00:00Z", "to": "2030-01-01T00:00:00Z"},
        {"from": "tomorrow"},
        {"latitude": "91", "longitude": "0"},
        {"latitude": "1"},
        {"radiusKm": "5"},
        {"latitude": "1", "longitude": "1", "radiusKm": "0"},
        {"latitude": "1", "longitude": "1", "radiusKm": "50000"},
        {"latitude": "nan", "longitude": "1"},
        {"maxPriceMinor": "-1"},
        {"maxPriceMinor": "1e99"},
        {"limit": "0"},
        {"limit": "101"},
        {"free": "perhaps"},
        {"genre": "x"},
        {"city": ""},
        {"nothing": "1"},
        {"cursor": "x" * 4097},
    ],
    ids=str,
)
def test_what_cannot_be_meant_is_refused(project: str, anonymous: httpx.Client, query: dict[str, str]) -> None:
    refused(anonymous.get(ROUTES[0], params=query), 422, "validation_failed")


@pytest.mark.parametrize("path", ROUTES[1:])
@pytest.mark.parametrize("query", [{}, {"q": ""}, {"q": "   "}, {"q": "x" * 201}, {"q": "x", "limit": "0"}], ids=str)
def test_words_are_needed(project: str, anonymous: httpx.Client, path: str, query: dict[str, str]) -> None:
    refused(anonymous.get(path, params=query), 422, "validation_failed")


STRANGE = [
    '"',
    '" OR "a"*',
    "NEAR(a b, 5)",
    "title : x AND ^y NOT z*",
    "*",
    "'; DROP TABLE facts; --",
    "%' OR 1=1",
    "\x00",
    "a\x00b",
    "🎉🎊",
    "\u202e\u0645\u0644\u0647\u0649 \u0644\u064a\u0644\u064a",
    "\ud7ff\ue000\uffff",
    "ﷺ" * 60,
    "𒐫" * 200,
    "a " * 100,
    "{{7*7}}",
    "<script>",
    "../../etc/passwd",
    "under under under between and 5",
    "near near in in",
    "31/12/9999 29/02 0/0 99999999999999",
]


@pytest.mark.parametrize("path", ROUTES)
@pytest.mark.parametrize("typed", STRANGE, ids=range(len(STRANGE)))
def test_strange_words_find_nothing_or_something(project: str, anonymous: httpx.Client, path: str, typed: str) -> None:
    ask(anonymous, path, q=typed)


def test_parameters_are_filters(deployed: str, host: Person, anonymous: httpx.Client) -> None:
    event = publish_event(host, title="Thunder Road")
    eventually(lambda: titles(anonymous, "thunder") or None)
    starts = datetime.fromisoformat(event["startsAt"])
    where = {"latitude": 18.99, "longitude": 72.83}
    fitting: list[dict[str, Any]] = [
        {"city": "mumbai", "genre": "techno", "available": True},
        {"city": "Bombay"},
        {"genre": "electronic"},
        {"from": starts.isoformat(), "to": starts.isoformat()},
        {"minPriceMinor": 50_000, "maxPriceMinor": 50_000},
        where | {"radiusKm": 2},
        {"free": False},
    ]
    for query in fitting:
        assert titles(anonymous, "", **query) == titles(anonymous, "thunder", **query) == ["Thunder Road"], query
    other: list[dict[str, Any]] = [
        {"city": "Pune"},
        {"genre": "jazz"},
        {"from": (starts + timedelta(seconds=1)).isoformat()},
        {"to": datetime.now(UTC).isoformat()},
        {"maxPriceMinor": 49_999},
        {"free": True},
        {"latitude": 12.9, "longitude": 77.6, "radiusKm": 100},
    ]
    for query in other:
        assert titles(anonymous, "", **query) == titles(anonymous, "thunder", **query) == [], query
