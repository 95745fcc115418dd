"""A tour is a series of events of one organization, known to others from its first listed event on."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from common.catalogue.rules import artist_id
from common.listings import store as listings
from tests.support.people import accepted, create_organization, event_body, refused

if TYPE_CHECKING:
    import httpx

    from tests.catalogue.conftest import ListEvent
    from tests.conftest import SignIn
    from tests.support.people import Json, Person
    from tests.support.server import GatewayThread

BODY: Json = {"title": "Monsoon Tour", "description": "Five cities in ten days."}
NOBODYS = f"tour_{'a' * 24}"


def begin(person: Person, org_id: str, **more: object) -> Json:
    return accepted(person.post("/v1/tours", {"orgId": org_id} | BODY | more))


def test_a_tour_is_there_for_members_until_it_is_announced(
    gateway: GatewayThread, host: Person, buyer: Person, anonymous: httpx.Client, list_event: ListEvent, org_id: str
) -> None:
    tour = begin(host, org_id, artist="Fẹlá Kútì", images=[{"url": "https://i.example/t.jpg", "alt": "Poster"}])
    tour_id = tour["tourId"]
    assert tour == BODY | {
        "tourId": tour_id,
        "orgId": org_id,
        "slug": f"monsoon-tour-{tour_id}",
        "artist": "Fẹlá Kútì",
        "artistId": artist_id("fela kuti"),
        "images": [{"url": "https://i.example/t.jpg", "alt": "Poster"}],
        "pastEvents": 0,
        "upcoming": {"items": []},
    }
    path = f"/v1/tours/{tour_id}"
    draft = accepted(host.post("/v1/events", event_body(org_id, tourId=tour_id)))
    assert draft["tourId"] == tour_id
    list_event(host, org_id=org_id, tourId=tour_id, visibility="private")
    assert accepted(host.get(path)) == tour
    for stranger in (buyer, anonymous):
        refused(stranger.get(path), 404, "not_found")
    accepted(host.call("PUT", f"/v1/organizations/{org_id}/members/{buyer.user_id}", {"role": "door"}))
    assert accepted(buyer.get(path)) == tour

    accepted(host.post(f"/v1/events/{draft['eventId']}/publish"))
    gateway.run(listings.refresh(draft["eventId"]))
    [card] = accepted(anonymous.get(path))["upcoming"]["items"]
    assert card["eventId"] == draft["eventId"]


def test_its_events_come_in_order_and_past_ones_stay(
    gateway: GatewayThread, host: Person, anonymous: httpx.Client, list_event: ListEvent, org_id: str
) -> None:
    tour_id = begin(host, org_id)["tourId"]
    now, events = datetime.now(UTC).replace(microsecond=0), []
    for days in (9, 3, 6):
        times = {"startsAt": now + timedelta(days=days), "endsAt": now + timedelta(days=days, hours=3)}
        wire: Json = {name: at.isoformat() for name, at in times.items()}
        events.append(list_event(host, org_id=org_id, tourId=tour_id, **wire)["eventId"])
    list_event(host, org_id=org_id)
    path = f"/v1/tours/monsoon-tour-{tour_id}"
    last, first, second = events
    assert [card["eventId"] for card in accepted(anonymous.get(path))["upcoming"]["items"]] == [first, second, last]
    page = accepted(anonymous.get(f"{path}/events", params={"limit": "2"}))
    assert [card["eventId"] for card in page["items"]] == [first, second]
    rest = accepted(anonymous.get(f"{path}/events", params={"limit": "2", "cursor": page["nextCursor"]}))
    assert [card["eventId"] for card in rest["items"]] == [last]
    for event_id in events:
        gateway.run(listings.update(event_id, startsAt=now - timedelta(hours=5), endsAt=now - timedelta(hours=1)))
    over = accepted(anonymous.get(path))
    assert (over["pastEvents"], over["upcoming"]) == (3, {"items": []})
    past = accepted(anonymous.get(f"{path}/events", params={"when": "past"}))["items"]
    assert {card["eventId"] for card in past} == set(events)


def test_a_new_title_makes_a_new_slug_and_the_old_one_works(
    host: Person, anonymous: httpx.Client, list_event: ListEvent, org_id: str
) -> None:
    tour = begin(host, org_id, artist="Night Ferry")
    list_event(host, org_id=org_id, tourId=tour["tourId"])
    old = f"/v1/tours/{tour['slug']}"
    changed = accepted(host.call("PATCH", old, {"title": "Winter Tour"}))
    assert (changed["slug"], changed["description"]) == (f"winter-tour-{tour['tourId']}", BODY["description"])
    assert accepted(anonymous.get(old)) == accepted(anonymous.get(f"/v1/tours/{changed['slug']}")) == changed
    changed = accepted(host.call("PATCH", old, {"artist": None, "images": None}))
    assert not {"artist", "artistId"} & changed.keys()
    assert (changed["title"], changed["images"]) == ("Winter Tour", [])


def test_a_repeat_begins_nothing_new(host: Person, org_id: str) -> None:
    first = host.post("/v1/tours", {"orgId": org_id} | BODY, key="tour-1")
    again = host.post("/v1/tours", {"orgId": org_id} | BODY, key="tour-1")
    assert (again.status_code, again.json()) == (201, first.json())
    other = {"orgId": org_id} | BODY | {"title": "Other"}
    refused(host.post("/v1/tours", other, key="tour-1"), 422, "idempotency_key_reused")


def test_an_event_joins_no_other_organizations_tour(host: Person, sign_in: SignIn, org_id: str) -> None:
    other = sign_in("other")
    theirs = begin(other, create_organization(other))["tourId"]
    ours = begin(host, org_id)["tourId"]
    event = accepted(host.post("/v1/events", event_body(org_id)))
    path = f"/v1/events/{event['eventId']}"
    for tour_id in (theirs, NOBODYS, "x", f"monsoon-tour-{ours}"):
        refused(host.post("/v1/events", event_body(org_id, tourId=tour_id)), 422, "unknown_tour")
        refused(host.call("PATCH", path, {"tourId": tour_id}), 422, "unknown_tour")
    assert "tourId" not in accepted(host.get(path))
    assert accepted(host.call("PATCH", path, {"tourId": ours}))["tourId"] == ours
    refused(host.call("PATCH", path, {"tourId": "a/b"}), 422, "validation_failed")


def test_who_may_begin_and_change_a_tour(host: Person, sign_in: SignIn, anonymous: httpx.Client, org_id: str) -> None:
    path = f"/v1/tours/{begin(host, org_id)['tourId']}"
    body, stranger = {"orgId": org_id} | BODY, sign_in("stranger")
    create_organization(stranger)
    refused(anonymous.post("/v1/tours", json=body), 401, "unauthenticated")
    refused(anonymous.patch(path, json={"title": "Mine"}), 401, "unauthenticated")
    refused(stranger.post("/v1/tours", body), 404, "not_found")
    refused(stranger.call("PATCH", path, {"title": "Mine"}), 404, "not_found")
    refused(host.call("PATCH", f"/v1/tours/{NOBODYS}", {"title": "Mine"}), 404, "not_found")
    for role, allowed in (("door", False), ("coordinator", False), ("manager", True)):
        member = sign_in(role)
        accepted(host.call("PUT", f"/v1/organizations/{org_id}/members/{member.user_id}", {"role": role}))
        assert member.post("/v1/tours", body).status_code == (201 if allowed else 403)
        assert member.call("PATCH", path, {"title": f"Tour of the {role}"}).status_code == (200 if allowed else 403)
    assert accepted(host.get(path))["title"] == "Tour of the manager"


@pytest.mark.parametrize(
    "wrong",
    [
        {"title": "ab"},
        {"title": "x" * 101},
        {"title": None},
        {"description": None},
        {"description": "x" * 5_001},
        {"images": [{"url": "http://i.example/a"}]},
        {"artist": ""},
        {"tourId": NOBODYS},
        {"orgId": None},
    ],
    ids="-".join,
)
def test_what_is_no_tour_is_refused(host: Person, org_id: str, wrong: Json) -> None:
    refused(host.post("/v1/tours", {"orgId": org_id} | BODY | wrong), 422, "validation_failed")
    path = f"/v1/tours/{begin(host, org_id)['tourId']}"
    refused(host.call("PATCH", path, wrong), 422, "validation_failed")
