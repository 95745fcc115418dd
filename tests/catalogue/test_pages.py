"""An event makes the pages of its venue, its artists and its organizer; cursor pages lead through their events."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from common import clients
from common.catalogue.events import UPCOMING
from common.catalogue.kinds import ARTIST, ORGANIZER, TOUR, VENUE
from common.catalogue.rules import artist_id, venue_id
from common.listings import store as listings
from common.listings.index import ListingIndex
from tests.support.people import accepted, eventually, publish_event, refused, tier_body

if TYPE_CHECKING:
    import httpx

    from common.catalogue.kinds import Kind
    from tests.catalogue.conftest import ListEvent
    from tests.support.people import Json, Person
    from tests.support.server import GatewayThread

MILL = venue_id("Mill No. 5", "Mumbai")
FELA = artist_id("Fela Kuti")
LINEUP = [{"artist": "Fẹlá Kútì", "headliner": True}, {"artist": "Paper Monsoon"}]
PRIVATE = {"commission", "subaccount", "owner", "role", "member"}


def starting_in(days: int) -> Json:
    starts = datetime.now(UTC).replace(microsecond=0) + timedelta(days=days)
    return {"startsAt": starts.isoformat(), "endsAt": (starts + timedelta(hours=5)).isoformat()}


def place(**more: object) -> Json:
    venue = {"name": "Mill No. 5", "address": "Lower Parel", "city": "Mumbai", "latitude": 18.9953, "longitude": 72.83}
    return {"venue": venue | more}


def test_an_event_makes_its_pages_by_itself(deployed: str, host: Person, anonymous: httpx.Client) -> None:
    refused(anonymous.get(f"/v1/venues/{MILL}"), 404, "not_found")
    event = publish_event(host, lineup=LINEUP)
    for address in (f"/v1/venues/{MILL}", f"/v1/artists/{FELA}", f"/v1/organizers/{event['orgId']}"):

        def page(address: str = address) -> Json | None:
            reply = anonymous.get(address)
            # The organizer's page is there before its events are.
            return reply.json() if reply.status_code == 200 and reply.json()["upcoming"]["items"] else None

        [card] = eventually(page)["upcoming"]["items"]
        assert card["eventId"] == event["eventId"]


def test_a_venue_that_nobody_described(host: Person, anonymous: httpx.Client, list_event: ListEvent) -> None:
    event = list_event(
        host, tier_body(price_minor=40_000), tier_body("VIP", 90_000), images=[{"url": "https://i.example/1"}]
    )
    page = accepted(anonymous.get(f"/v1/venues/{MILL}"))
    [card] = page["upcoming"].pop("items")
    assert page == {
        "venueId": MILL,
        "slug": f"mill-no-5-{MILL}",
        "name": "Mill No. 5",
        "address": "Lower Parel",
        "city": "Mumbai",
        "latitude": 18.9953,
        "longitude": 72.83,
        "images": [],
        "links": [],
        "genres": ["techno"],
        "followerCount": 0,
        "pastEvents": 0,
        "upcoming": {},
    }
    taken = ("eventId", "orgId", "slug", "title", "startsAt", "endsAt", "timezone", "venue", "venueId", "genres")
    assert card == {name: event[name] for name in (*taken, "artistIds", "ageRestriction")} | {
        "orgName": "Mill Nights",
        "summary": event["description"],
        "artists": [],
        "minPrice": {"amountMinor": 40_000, "currency": "INR"},
        "currency": "INR",
        "available": True,
        "imageUrl": "https://i.example/1",
        "attendees": 0,
        "going": 0,
        "interested": 0,
        "ratingCount": 0,
    }
    assert anonymous.get(f"/v1/venues/an-older-name-{MILL}").json() == anonymous.get(f"/v1/venues/{MILL}").json()


def test_spellings_meet_on_one_page(host: Person, anonymous: httpx.Client, list_event: ListEvent, org_id: str) -> None:
    for spelled in ("FELA KUTI", "Fẹlá Kútì", "fela kuti", "Fẹlá Kútì"):
        list_event(host, org_id=org_id, lineup=[{"artist": spelled}], **place(name="MILL No 5", address="Parel"))
    for _ in range(5):
        list_event(host, org_id=org_id, lineup=[{"artist": "Femi Kuti"}], **place())
    page = accepted(anonymous.get(f"/v1/artists/{FELA}"))
    assert (page["name"], page["slug"], len(page["upcoming"]["items"])) == ("Fẹlá Kútì", f"fela-kuti-{FELA}", 4)
    venue = accepted(anonymous.get(f"/v1/venues/{MILL}"))
    assert (venue["name"], venue["address"], len(venue["upcoming"]["items"])) == ("Mill No. 5", "Lower Parel", 9)


def test_genres_are_what_is_played_most(
    host: Person, anonymous: httpx.Client, list_event: ListEvent, org_id: str
) -> None:
    for genres in (["jazz"], ["techno", "jazz"], ["jazz", "blues", "techno"]):
        list_event(host, org_id=org_id, genres=genres)
    for address in (f"/v1/venues/{MILL}", f"/v1/organizers/{org_id}"):
        assert accepted(anonymous.get(address))["genres"] == ["jazz", "techno", "blues"]


def test_a_page_outlives_its_events(
    gateway: GatewayThread, host: Person, anonymous: httpx.Client, list_event: ListEvent
) -> None:
    event = list_event(host, ended=True, lineup=LINEUP)
    for address, name in ((f"/v1/venues/{MILL}", "Mill No. 5"), (f"/v1/artists/{FELA}", "Fẹlá Kútì")):
        page = accepted(anonymous.get(address))
        assert (page["name"], page["upcoming"], page["pastEvents"]) == (name, {"items": []}, 1)
        assert page["genres"] == ["techno"]
        assert accepted(anonymous.get(f"{address}/events")) == {"items": []}
        [card] = accepted(anonymous.get(f"{address}/events", params={"when": "past"}))["items"]
        assert card["eventId"] == event["eventId"]
    # What is no longer listed is no longer known.
    gateway.run(listings.update(event["eventId"], listed=False))
    refused(anonymous.get(f"/v1/venues/{MILL}"), 404, "not_found")
    assert accepted(anonymous.get(f"/v1/venues/{MILL}/events", params={"when": "past"})) == {"items": []}


def test_drafts_private_and_cancelled_events_make_no_page(
    gateway: GatewayThread, host: Person, anonymous: httpx.Client, list_event: ListEvent
) -> None:
    list_event(host, lineup=LINEUP, visibility="private")
    refused(anonymous.get(f"/v1/venues/{MILL}"), 404, "not_found")
    event = list_event(host, lineup=LINEUP)
    assert accepted(anonymous.get(f"/v1/artists/{FELA}"))["upcoming"]["items"]
    accepted(host.post(f"/v1/events/{event['eventId']}/cancel"))
    gateway.run(listings.refresh(event["eventId"]))
    refused(anonymous.get(f"/v1/artists/{FELA}"), 404, "not_found")


def test_followers_are_counted_elsewhere_and_shown_here(
    gateway: GatewayThread, host: Person, anonymous: httpx.Client, list_event: ListEvent
) -> None:
    event = list_event(host, lineup=LINEUP)
    addresses = {MILL: "venues", FELA: "artists", event["orgId"]: "organizers"}
    for count, (target, kind) in enumerate(addresses.items(), 7):
        gateway.run(clients.firestore().document(f"followCounts/{target}").set({"followers": count}))
        assert accepted(anonymous.get(f"/v1/{kind}/{target}"))["followerCount"] == count


def test_an_organizers_page_says_what_is_public_only(
    gateway: GatewayThread, host: Person, anonymous: httpx.Client, list_event: ListEvent, org_id: str
) -> None:
    said = {
        "description": "Nights since 2011.",
        "images": [{"url": "https://images.example/mill.jpg", "alt": "The mill"}],
        "links": [{"label": "Instagram", "url": "https://instagram.example/mill"}],
    }
    changed = accepted(host.call("PATCH", f"/v1/organizations/{org_id}", {"paystackSubaccount": "ACCT_mill"} | said))
    assert said.items() <= changed.items()
    assert (changed["paystackSubaccount"], changed["role"]) == ("ACCT_mill", "owner")
    gateway.run(clients.firestore().document(f"organizations/{org_id}").update({"commissionBasisPoints": 700}))
    over = list_event(host, org_id=org_id, ended=True)
    gateway.run(listings.update(over["eventId"], ratingCount=3, ratingSum=13))
    rated = list_event(host, org_id=org_id)
    gateway.run(listings.update(rated["eventId"], ratingCount=1, ratingSum=1))
    list_event(host, org_id=org_id, visibility="private")
    page = accepted(anonymous.get(f"/v1/organizers/mill-nights-{org_id}"))
    [card] = page.pop("upcoming")["items"]
    assert (card["ratingAverage"], card["ratingCount"]) == (1.0, 1)
    assert page == said | {
        "orgId": org_id,
        "slug": f"mill-nights-{org_id}",
        "name": "Mill Nights",
        "genres": ["techno"],
        "followerCount": 0,
        "pastEvents": 1,
        "rating": {"average": 3.5, "count": 4},
    }
    for person in (host, anonymous):
        text = person.get(f"/v1/organizers/{org_id}").text
        assert not [word for word in PRIVATE if word in text.lower()], text
        assert host.user_id not in text


def test_what_an_owner_says_of_the_organization_changes_alone(
    host: Person, anonymous: httpx.Client, org_id: str
) -> None:
    path = f"/v1/organizations/{org_id}"
    accepted(host.call("PATCH", path, {"paystackSubaccount": "ACCT_mill", "description": "First."}))
    links = [{"label": "Web", "url": "https://mill.example"}]
    changed = accepted(host.call("PATCH", path, {"links": links}))
    assert (changed["description"], changed["links"], changed["paystackSubaccount"]) == ("First.", links, "ACCT_mill")
    changed = accepted(host.call("PATCH", path, {"description": None, "links": None}))
    assert ("description" in changed, changed["links"], changed["paystackSubaccount"]) == (False, [], "ACCT_mill")
    page = accepted(anonymous.get(f"/v1/organizers/{org_id}"))
    assert ("description" in page, page["links"], page["upcoming"], page["pastEvents"]) == (False, [], {"items": []}, 0)
    refused(host.call("PATCH", path, {"description": "x" * 5_001}), 422, "validation_failed")
    refused(host.call("PATCH", path, {"images": [{"url": "http://i.example"}]}), 422, "validation_failed")
    refused(host.call("PATCH", path, {}), 422, "validation_failed")


@pytest.mark.parametrize("kind", ["venues", "artists", "organizers", "tours"])
def test_nobody_knows_it(anonymous: httpx.Client, kind: str) -> None:
    prefix = {"venues": "ven", "artists": "art", "organizers": "org", "tours": "tour"}[kind]
    nowhere = f"{prefix}_{'a' * 24}"
    for address in (nowhere, f"a-name-{nowhere}", "name", f"{nowhere}-", "a-__x__", f"evt_{'a' * 24}", prefix + "_"):
        refused(anonymous.get(f"/v1/{kind}/{address}"), 404, "not_found")
    assert accepted(anonymous.get(f"/v1/{kind}/{nowhere}/events")) == {"items": []}
    refused(anonymous.get(f"/v1/{kind}/name/events"), 404, "not_found")


@pytest.mark.parametrize("when", ["upcoming", "past"])
def test_pages_neither_repeat_nor_skip_while_events_are_added(
    gateway: GatewayThread, host: Person, anonymous: httpx.Client, list_event: ListEvent, org_id: str, when: str
) -> None:
    """Also of three that begin, or end, at the same moment."""
    now = datetime.now(UTC).replace(microsecond=0)

    def add(days: int) -> str:
        length, since = timedelta(hours=5), now + timedelta(days=days)
        times: Json = {"startsAt": since.isoformat(), "endsAt": (since + length).isoformat()}
        event_id: str = list_event(host, org_id=org_id, **times)["eventId"]
        if when == "past":
            over = now - timedelta(days=days)
            gateway.run(listings.update(event_id, startsAt=over - length, endsAt=over))
        return event_id

    same, later = sorted(add(2) for _ in range(3)), [add(days) for days in (4, 6)]
    first, second, *_ = reversed(same) if when == "past" else same
    address, params = f"/v1/venues/{MILL}/events", {"when": when, "limit": "2"}
    page = accepted(anonymous.get(address, params=params))
    seen = [card["eventId"] for card in page["items"]]
    assert seen == [first, second]
    add(1)  # before the place that the cursor names: for those who begin anew
    later.append(add(5))
    while cursor := page.get("nextCursor"):
        page = accepted(anonymous.get(address, params=params | {"cursor": cursor}))
        seen += [card["eventId"] for card in page["items"]]
    assert len(seen) == len(set(seen)) == 6
    assert set(seen) == {*same, *later}
    again = accepted(anonymous.get(f"/v1/organizers/{org_id}/events", params={"when": when}))["items"]
    assert len(again) == 7


def test_the_first_page_of_a_page_leads_on(
    host: Person, anonymous: httpx.Client, list_event: ListEvent, org_id: str
) -> None:
    events = [list_event(host, org_id=org_id, **starting_in(2 + day))["eventId"] for day in range(22)]
    first = accepted(anonymous.get(f"/v1/organizers/{org_id}"))["upcoming"]
    assert [card["eventId"] for card in first["items"]] == events[:20]
    cursor = {"cursor": first["nextCursor"]}
    rest = accepted(anonymous.get(f"/v1/organizers/{org_id}/events", params=cursor))
    assert ([card["eventId"] for card in rest["items"]], "nextCursor" in rest) == (events[20:], False)
    # A cursor belongs to one list: not to another's, nor to the same one's past.
    for address, more in ((f"/v1/venues/{MILL}/events", {}), (f"/v1/organizers/{org_id}/events", {"when": "past"})):
        refused(anonymous.get(address, params=cursor | more), 400, "invalid_cursor")


def forged(cursor: str, *position: object) -> str:
    text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
    document = [json.loads(text)[0], *position]
    return base64.urlsafe_b64encode(json.dumps(document).encode()).decode().rstrip("=")


@pytest.mark.parametrize("when", ["upcoming", "past"])
@pytest.mark.parametrize(
    "position",
    [
        ("yesterday", "evt"),
        ("2026-10-06T13:00:00", "evt"),
        ("0001-01-01T00:00:00+23:59", "evt"),
        ("9999-12-31T23:59:59.999999-23:59", "evt"),
        ("2026-10-06T13:00:00+00:00", "\x00' OR 1=1 --"),
        ("2026-10-06T13:00:00+00:00", "a/../b"),
        ("2026-10-06T13:00:00+00:00", "ev\ud800t"),
        (5, "evt"),
        ("2026-10-06T13:00:00+00:00",),
        ("2026-10-06T13:00:00+00:00", None),
    ],
    ids=str,
)
def test_a_forged_cursor_is_refused(
    host: Person, anonymous: httpx.Client, list_event: ListEvent, org_id: str, when: str, position: tuple[object, ...]
) -> None:
    for _ in range(2):
        list_event(host, org_id=org_id, ended=when == "past")
    path = f"/v1/organizers/{org_id}/events"
    params = {"when": when, "limit": "1"}
    cursor = accepted(anonymous.get(path, params=params))["nextCursor"]
    refused(anonymous.get(path, params=params | {"cursor": forged(cursor, *position)}), 400, "invalid_cursor")


@pytest.mark.parametrize("params", [{"when": "soon"}, {"limit": "0"}, {"limit": "101"}, {"page": "2"}, {"limit": "x"}])
def test_what_is_no_query_is_refused(anonymous: httpx.Client, params: dict[str, str]) -> None:
    refused(anonymous.get(f"/v1/venues/{MILL}/events", params=params), 422, "validation_failed")


@pytest.mark.parametrize("kind", [VENUE, ARTIST, ORGANIZER, TOUR], ids=lambda kind: kind.noun)
def test_each_lookup_has_its_index(kind: Kind) -> None:
    """Whatever the number of listings, a page looks at those of its own."""
    plan = ListingIndex().db.execute("EXPLAIN QUERY PLAN " + UPCOMING.format(kind.sql), ("x", 0, 0, "", 20)).fetchall()
    steps = [step[3] for step in plan]
    assert [step for step in steps if step.startswith("SCAN")] == []
    assert [step for step in steps if "by_start" in step or "by_end" in step] == []
