"""Following venues, artists and organizations over HTTP, and the count of those who do."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from common import transaction
from common.catalogue.rules import artist_id, venue_id
from common.paging import encode_cursor
from common.social import rules, store
from common.social.schemas import Taste
from tests.social.conftest import Night, listed
from tests.support.people import accepted, create_organization, event_body, eventually, publish_event, refused

if TYPE_CHECKING:
    from tests.conftest import SignIn
    from tests.operations.jobs import Jobs
    from tests.support.people import Json, Person
    from tests.support.server import GatewayThread

VENUE = venue_id("Mill No. 5", "Mumbai")


def path(kind: str, target_id: str) -> str:
    return f"/v1/follows/{kind}/{target_id}"


def follow(person: Person, kind: str, target_id: str, **body: Any) -> Json:
    return accepted(person.call("PUT", path(kind, target_id), body))


def followed(person: Person, **query: Any) -> list[str]:
    return [each["targetId"] for each in accepted(person.get("/v1/follows", params=query))["items"]]


def taste(gateway: GatewayThread, person: Person) -> Taste:
    return gateway.run(store.taste_of(person.user_id))


def followers(night: Night, target_id: str) -> int | None:
    accepted(night.jobs.call("refresh_followers", {"targetId": target_id}))
    return night.document(f"followCounts/{target_id}").get("followers")


@pytest.fixture
def concert(gateway: GatewayThread, jobs: Jobs, host: Person) -> Night:
    return listed(gateway, jobs, host, lineup=[{"artist": "Fẹlá Kútì"}, {"artist": "Prabh Deep"}])


def test_a_person_follows_all_three_kinds(gateway: GatewayThread, concert: Night, buyer: Person) -> None:
    org_id, artist = concert.event["orgId"], artist_id("Prabh Deep")
    venue = follow(buyer, "venue", VENUE)
    assert venue == {
        "kind": "venue",
        "targetId": VENUE,
        "name": "Mill No. 5",
        "notify": True,
        "createdAt": venue["createdAt"],
    }
    assert follow(buyer, "artist", artist, notify=False)["name"] == "Prabh Deep"
    assert follow(buyer, "organization", org_id)["name"] == "Mill Nights"
    assert followed(buyer) == [org_id, artist, VENUE]
    assert followed(buyer, kind="artist") == [artist]
    assert taste(gateway, buyer) == Taste(venue_ids=(VENUE,), artist_ids=(artist,), org_ids=(org_id,))
    accepted(buyer.call("DELETE", path("venue", VENUE)))
    accepted(buyer.call("DELETE", path("venue", VENUE)))
    assert followed(buyer) == [org_id, artist]
    assert taste(gateway, buyer).venue_ids == ()


def test_a_repeat_changes_nothing_and_the_switch_only_itself(concert: Night, buyer: Person) -> None:
    first = follow(buyer, "venue", VENUE)
    assert follow(buyer, "venue", VENUE) == first
    assert follow(buyer, "venue", VENUE, notify=False) == first | {"notify": False}
    [kept] = accepted(buyer.get("/v1/follows"))["items"]
    assert kept == first | {"notify": False}
    assert followers(concert, VENUE) == 1


def test_only_what_exists_can_be_followed(concert: Night, host: Person, buyer: Person) -> None:
    for kind, target in (("venue", "ven_unknown"), ("artist", "art_unknown"), ("organization", "org_unknown")):
        refused(buyer.call("PUT", path(kind, target), {}), 404, "not_found")
    refused(buyer.call("PUT", path("venue", artist_id("Prabh Deep")), {}), 404, "not_found")
    refused(buyer.call("PUT", path("genre", "techno"), {}), 404, "not_found")
    refused(buyer.call("DELETE", path("genre", "techno")), 404, "not_found")
    refused(buyer.call("PUT", path("venue", VENUE), {"notify": "yes"}), 422, "validation_failed")
    refused(buyer.client.put(path("venue", VENUE), json={}), 401, "unauthenticated")
    # What only a draft or a private event names is not known to the world.
    secret = {"name": "The Vault", "address": "-", "city": "Mumbai", "latitude": 19.0, "longitude": 72.8}
    org_id = create_organization(host)
    accepted(host.post("/v1/events", event_body(org_id, venue=secret)))
    private = publish_event(host, org_id=org_id, venue=secret, visibility="private")
    accepted(concert.jobs.call("refresh_listing", {"eventId": private["eventId"]}))
    refused(buyer.call("PUT", path("venue", private["venueId"]), {}), 404, "not_found")


def test_a_page_of_its_own_is_enough(concert: Night, buyer: Person) -> None:
    concert.write("artists/art_page", {"name": "Nucleya"})
    concert.write("venues/ven_page", {"name": "Antisocial"})
    assert follow(buyer, "artist", "art_page")["name"] == "Nucleya"
    assert follow(buyer, "venue", "ven_page")["name"] == "Antisocial"


def test_pages_neither_repeat_nor_skip(concert: Night, buyer: Person, sign_in: SignIn) -> None:
    ids = [f"ven_{number}" for number in range(5)]
    for each in ids:
        concert.write(f"venues/{each}", {"name": each})
        follow(buyer, "venue", each)
    follow(sign_in("other"), "venue", ids[0])
    seen: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = accepted(buyer.get("/v1/follows", params={"limit": 2, "kind": "venue"} | cursor))
        seen += [each["targetId"] for each in page["items"]]
        if "nextCursor" not in page:
            break
        cursor = {"cursor": page["nextCursor"]}
    assert seen == ids[::-1]
    refused(buyer.get("/v1/follows", params=cursor), 400, "invalid_cursor")
    question = f"follows of {buyer.user_id} None"
    for forged in (("yesterday", "x"), ("2026-11-21T00:00:00", "x"), ("0001-01-01T00:00:00+14:00", "x"), (1, "x")):
        query = {"cursor": encode_cursor(question, *forged)}
        refused(buyer.get("/v1/follows", params=query), 400, "invalid_cursor")
    broken = encode_cursor(question, "2026-11-21T00:00:00+00:00", "\ud800")
    refused(buyer.get("/v1/follows", params={"cursor": broken}), 400, "invalid_cursor")
    refused(buyer.get("/v1/follows", params={"kind": "genre"}), 422, "validation_failed")


def test_a_thousand_is_the_most(concert: Night, buyer: Person) -> None:
    many = [f"ven_{number}" for number in range(rules.MOST_FOLLOWED)]
    concert.write(f"tastes/{buyer.user_id}", {"venueIds": many})
    refused(buyer.call("PUT", path("venue", VENUE), {}), 409, "follow_limit_reached")
    assert followed(buyer) == []
    follow(buyer, "artist", artist_id("Prabh Deep"))


@pytest.mark.parametrize("guarded", [True, False], ids=["guarded", "control: unguarded"])
def test_what_one_person_follows_at_once_is_all_kept(
    concert: Night, buyer: Person, gateway: GatewayThread, monkeypatch: pytest.MonkeyPatch, guarded: bool
) -> None:
    ids = [f"ven_{number}" for number in range(6)]
    for each in ids:
        concert.write(f"venues/{each}", {"name": each})
    follow(buyer, "artist", artist_id("Prabh Deep"))
    monkeypatch.setattr(transaction, "ATTEMPTS", 12)
    if not guarded:
        monkeypatch.setattr(store, "put_as_seen", lambda batch, seen, fields: batch.set(seen.reference, fields))
    with ThreadPoolExecutor(6) as pool:
        replies = list(pool.map(lambda each: buyer.call("PUT", path("venue", each), {}), ids))
    assert {reply.status_code for reply in replies} == {200}
    assert len(followed(buyer)) == 7
    kept = set(taste(gateway, buyer).venue_ids)
    assert (kept == set(ids)) is guarded


def test_the_followers_are_counted_exactly(deployed: str, concert: Night, sign_in: SignIn) -> None:
    people = [sign_in(f"fan{number}") for number in range(12)]
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda person: follow(person, "venue", VENUE), people))
        list(pool.map(lambda person: accepted(person.call("DELETE", path("venue", VENUE))), people[:5]))
    eventually(lambda: concert.document(f"followCounts/{VENUE}").get("followers") == 7 or None, within_s=25)
