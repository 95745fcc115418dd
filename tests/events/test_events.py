"""Events over HTTP: drafted, changed, published, cancelled, seen by those who may."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from common import clients, clock, memory
from common.events import rules, store
from common.events.rules import EventStateConflict
from tests.support.people import accepted, create_organization, event_body, publish_event, refused, tier_body

if TYPE_CHECKING:
    import httpx

    from tests.conftest import SignIn
    from tests.support.people import Json, Person
    from tests.support.server import GatewayThread


def soon(**delta: float) -> str:
    return (datetime.now(UTC) + timedelta(**delta)).isoformat()


def draft_event(owner: Person, *tiers: Json, **more: Any) -> Json:
    return accepted(owner.post("/v1/events", event_body(create_organization(owner), *tiers, **more)))


def path(event: Json, *more: str) -> str:
    return "/".join(["/v1/events", event["eventId"], *more])


async def documents(collection: str) -> list[Json]:
    return [snapshot.to_dict() or {} async for snapshot in clients.firestore().collection(collection).stream()]


async def group(collection: str) -> list[Json]:
    return [snapshot.to_dict() or {} async for snapshot in clients.firestore().collection_group(collection).stream()]


def news(gateway: GatewayThread) -> list[tuple[str, Json]]:
    entries = [entry["event"] for entry in gateway.run(documents("outbox"))]
    return [(event["type"], event["data"]) for event in entries]


# --- drafting


def test_a_draft_has_what_was_sent_and_tier_ids(host: Person) -> None:
    org_id = create_organization(host)
    body = event_body(
        org_id,
        tier_body("Early", 0, 50, benefits=["a drink"], maxPerPerson=2, saleEndsAt=soon(days=1)),
        tier_body("Door", 90_000, 10),
        lineup=[{"artist": "Anyasa", "headliner": True}],
    )
    reply = host.post("/v1/events", body)
    assert reply.status_code == 201
    event = accepted(reply)
    assert event["status"] == "draft"
    for name in ("orgId", "title", "description", "timezone", "venue", "genres", "ageRestriction"):
        assert event[name] == body[name]
    early, door = event["tiers"]
    assert early["tierId"] != door["tierId"]
    assert (early["maxPerOrder"], early["maxPerPerson"], early["benefits"]) == (10, 2, ["a drink"])
    assert event["lineup"] == [{"artist": "Anyasa", "headliner": True}]
    assert accepted(host.get(path(event))) == event


def test_times_are_kept_in_utc(host: Person) -> None:
    event = draft_event(host, startsAt="2031-01-01T20:00:00+05:30", endsAt="2031-01-02T02:00:00+05:30")
    assert datetime.fromisoformat(event["startsAt"]) == datetime(2031, 1, 1, 14, 30, tzinfo=UTC)
    assert event["startsAt"].endswith(("Z", "+00:00"))


def test_a_repeat_creates_nothing_new(gateway: GatewayThread, host: Person) -> None:
    body = event_body(create_organization(host))
    first = host.post("/v1/events", body, key="night-1")
    again = host.post("/v1/events", body, key="night-1")
    assert (again.status_code, again.json()) == (201, first.json())
    refused(host.post("/v1/events", body | {"title": "Another"}, key="night-1"), 422, "idempotency_key_reused")
    assert len(gateway.run(documents("events"))) == 1


def test_the_same_key_at_once_creates_one(gateway: GatewayThread, host: Person) -> None:
    body = event_body(create_organization(host))
    with ThreadPoolExecutor(6) as pool:
        replies = [*pool.map(lambda _: host.post("/v1/events", body, key="night-2"), range(6))]
    assert {reply.status_code for reply in replies} <= {201, 409}
    assert len({reply.json()["eventId"] for reply in replies if reply.status_code == 201}) == 1
    assert len(gateway.run(documents("events"))) == 1


def test_a_key_whose_record_is_gone_meets_its_own_event(gateway: GatewayThread, host: Person) -> None:
    body = event_body(create_organization(host))
    first = accepted(host.post("/v1/events", body, key="night-3"))

    async def forget() -> None:
        async for record in clients.firestore().collection("idempotency").list_documents():
            await record.delete()

    gateway.run(forget())
    assert accepted(host.post("/v1/events", body, key="night-3")) == first


INVALID: list[tuple[str, Json]] = [
    ("capcity", {"capcity": 5}),
    ("title", {"title": "ab"}),
    ("title", {"title": "x" * 101}),
    ("title", {"title": ["Night"]}),
    ("description", {"description": "short"}),
    ("startsAt", {"startsAt": "2031-01-01T20:00:00"}),
    ("startsAt", {"startsAt": "tomorrow"}),
    ("startsAt", {"startsAt": "0001-01-01T00:00:00+14:00"}),
    ("endsAt", {"endsAt": "9999-12-31T23:59:59-14:00"}),
    ("orgId", {"orgId": "__reserved__"}),
    ("endsAt", {"endsAt": soon(days=-1), "startsAt": soon(days=-2)}),
    ("endsAt", {"endsAt": soon(days=1)}),
    ("endsAt", {"endsAt": soon(days=60)}),
    ("timezone", {"timezone": "Mumbai"}),
    ("timezone", {"timezone": "../etc/passwd"}),
    ("venue", {"venue": {"name": "Mill"}}),
    ("genres", {"genres": ["techno"] * 11}),
    ("genres", {"genres": "techno"}),
    ("ageRestriction", {"ageRestriction": -1}),
    ("ageRestriction", {"ageRestriction": 18.5}),
    ("visibility", {"visibility": "secret"}),
    ("status", {"status": "published"}),
    ("tiers", {"tiers": [tier_body()] * 21}),
    ("tiers", {"tiers": [tier_body(capacity=0)]}),
    ("tiers", {"tiers": [tier_body(capacity=-5)]}),
    ("tiers", {"tiers": [tier_body(capacity=100_001)]}),
    ("tiers", {"tiers": [tier_body(price_minor=-1)]}),
    ("tiers", {"tiers": [tier_body() | {"price": {"amountMinor": 10.5, "currency": "INR"}}]}),
    ("tiers", {"tiers": [tier_body() | {"price": {"amountMinor": 10, "currency": "USD"}}]}),
    ("tiers", {"tiers": [tier_body(tierId="tier_mine")]}),
    ("tiers", {"tiers": [tier_body(maxPerOrder=0)]}),
    ("tiers", {"tiers": [tier_body(saleStartsAt=soon(days=1), saleEndsAt=soon(hours=1))]}),
]


@pytest.mark.parametrize(("field", "change"), INVALID)
def test_what_is_no_event_is_refused_and_not_stored(
    gateway: GatewayThread, host: Person, field: str, change: Json
) -> None:
    problem = refused(host.post("/v1/events", event_body(create_organization(host)) | change), 422, "validation_failed")
    assert problem["errors"][0]["field"].split(".")[0] == field
    assert gateway.run(documents("events")) == []


@pytest.mark.parametrize(
    ("latitude", "longitude"), [(90.1, 0), (-91, 0), (0, 180.5), (0, -200), ("18", "72"), (None, 0), (1e400, 0)]
)
def test_coordinates_that_are_nowhere(host: Person, latitude: Any, longitude: Any) -> None:
    body = event_body(create_organization(host))
    body["venue"] |= {"latitude": latitude, "longitude": longitude}
    # Not through the client's own encoder, which refuses an infinity that other clients send.
    reply = host.call("POST", "/v1/events", content=json.dumps(body), headers={"Content-Type": "application/json"})
    refused(reply, 422, "validation_failed")


@pytest.mark.parametrize("latitude", [90, -90])
def test_the_poles_and_the_antimeridian_are_somewhere(host: Person, latitude: int) -> None:
    body = event_body(create_organization(host))
    body["venue"] |= {"latitude": latitude, "longitude": 180}
    assert accepted(host.post("/v1/events", body))["venue"]["latitude"] == latitude


def test_bodies_that_are_not_taken(host: Person) -> None:
    typed = {"Content-Type": "application/json"}
    refused(host.call("POST", "/v1/events", content=b'{"title":', headers=typed), 400, "malformed_json")
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    refused(host.call("POST", "/v1/events", content=b"title=x", headers=form), 415, "unsupported_media_type")
    refused(host.post("/v1/events", {"title": "x" * 70_000}), 413, "body_too_large")
    refused(host.post("/v1/events"), 422, "validation_failed")


@pytest.mark.parametrize(("role", "status"), [("owner", 201), ("manager", 201), ("coordinator", 403), ("door", 403)])
def test_owners_and_managers_draft(host: Person, buyer: Person, role: str, status: int) -> None:
    org_id = create_organization(host)
    refused(buyer.post("/v1/events", event_body(org_id)), 404, "not_found")
    accepted(host.call("PUT", f"/v1/organizations/{org_id}/members/{buyer.user_id}", {"role": role}))
    assert buyer.post("/v1/events", event_body(org_id)).status_code == status
    refused(host.post("/v1/events", event_body("org_unknown")), 404, "not_found")


# --- changing


def test_a_change_is_kept_and_the_rest_stays(host: Person) -> None:
    event = draft_event(host)
    changed = accepted(host.call("PATCH", path(event), {"title": "Later that night", "tiers": [tier_body("Only", 7)]}))
    assert changed["title"] == "Later that night"
    assert [tier["name"] for tier in changed["tiers"]] == ["Only"]
    unchanged = ("description", "startsAt", "venue", "genres", "createdAt", "status")
    assert {name: changed[name] for name in unchanged} == {name: event[name] for name in unchanged}
    assert accepted(host.get(path(event))) == changed


@pytest.mark.parametrize(
    "change",
    [
        {"titel": "Night"},
        {"orgId": "org_other"},
        {"title": ""},
        {"endsAt": soon(days=-1)},
        {"venue": {"latitude": 5}},
        {"tiers": [{"name": "x"}]},
        {"tiers": [tier_body() | {"price": {"amountMinor": 1, "currency": "NGN"}}]},
    ],
)
def test_a_bad_change_changes_nothing(host: Person, change: Json) -> None:
    event = draft_event(host)
    refused(host.call("PATCH", path(event), change), 422, "validation_failed")
    assert accepted(host.get(path(event))) == event


def test_of_changes_to_what_somebody_else_read_one_holds(gateway: GatewayThread, host: Person) -> None:
    event = draft_event(host)
    first, second = (gateway.run(store.stored(event["eventId"])) for _ in range(2))
    assert first is not None
    assert second is not None
    gateway.run(store.change(first, first.event.model_copy(update={"title": "First"})))
    with pytest.raises(EventStateConflict):
        gateway.run(store.change(second, second.event.model_copy(update={"title": "Second"})))
    assert accepted(host.get(path(event)))["title"] == "First"


# --- publishing and cancelling


def test_publication_opens_the_sale_and_tells_of_it(gateway: GatewayThread, host: Person) -> None:
    event = publish_event(host, tier_body("General", 50_000, 1_001), tier_body("Free", 0, 3))
    assert event["status"] == "published"
    shards = gateway.run(group("shards"))
    for tier, capacity in zip(event["tiers"], (1_001, 3), strict=True):
        assert sum(shard["size"] for shard in shards if shard["tierId"] == tier["tierId"]) == capacity
    available = accepted(host.client.get(path(event, "availability")))
    assert [(tier["capacity"], tier["available"], tier["soldOut"]) for tier in available["tiers"]] == [
        (1_001, 1_001, False),
        (3, 3, False),
    ]
    assert datetime.fromisoformat(available["asOf"]) <= datetime.now(UTC)
    (live,) = gateway.run(group("live"))
    assert live["tiers"] == available["tiers"]
    assert news(gateway) == [("event.published", {"eventId": event["eventId"], "orgId": event["orgId"]})]


def test_a_published_event_cannot_be_published_again(gateway: GatewayThread, host: Person) -> None:
    event = publish_event(host)
    refused(host.post(path(event, "publish")), 409, "already_published")
    assert len(news(gateway)) == 1


def test_of_publications_at_once_one_holds(gateway: GatewayThread, host: Person) -> None:
    event = draft_event(host)
    with ThreadPoolExecutor(6) as pool:
        replies = [*pool.map(lambda _: host.post(path(event, "publish")), range(6))]
    assert sorted(reply.status_code for reply in replies) == [200] + [409] * 5
    assert len(news(gateway)) == 1


@pytest.mark.parametrize(("lacking", "field"), [({"genres": []}, "genres"), ({"tiers": []}, "tiers")])
def test_an_incomplete_draft_is_not_published(gateway: GatewayThread, host: Person, lacking: Json, field: str) -> None:
    event = draft_event(host, **lacking)
    problem = refused(host.post(path(event, "publish")), 409, "event_incomplete")
    assert [error["field"] for error in problem["errors"]] == [field]
    assert accepted(host.get(path(event)))["status"] == "draft"
    assert gateway.run(group("shards")) == []


def test_a_published_event_changes_but_for_its_tiers(host: Person) -> None:
    event = publish_event(host)
    refused(host.call("PATCH", path(event), {"tiers": [tier_body(capacity=500)]}), 409, "tiers_fixed")
    refused(host.call("PATCH", path(event), {"genres": []}), 409, "event_incomplete")
    moved = {"startsAt": soon(days=9), "endsAt": soon(days=9, hours=5), "genres": ["house"]}
    changed = accepted(host.call("PATCH", path(event), moved))
    assert (changed["status"], changed["genres"], changed["tiers"]) == ("published", ["house"], event["tiers"])


def test_cancellation_closes_the_sale_in_the_same_commit(gateway: GatewayThread, host: Person) -> None:
    event = publish_event(host, tier_body(capacity=400))
    cancelled = accepted(host.post(path(event, "cancel")))
    assert cancelled["status"] == "cancelled"
    assert {shard["open"] for shard in gateway.run(group("shards"))} == {False}
    (tier,) = accepted(host.client.get(path(event, "availability")))["tiers"]
    assert (tier["capacity"], tier["available"], tier["soldOut"]) == (400, 0, False)
    assert [live["tiers"] for live in gateway.run(group("live"))] == [[tier]]
    assert sorted(type_ for type_, _ in news(gateway)) == ["event.cancelled", "event.published"]
    assert accepted(host.client.get(path(event))) == cancelled


def test_a_commit_that_the_library_repeats_is_known_again(gateway: GatewayThread, host: Person) -> None:
    """Its first answer was lost, and the repeat is refused by what the first one wrote: that is no conflict."""
    event = publish_event(host)

    async def cancel_twice() -> None:
        seen = await store.stored(event["eventId"])
        assert seen is not None
        after = rules.cancelled(seen.event, clock.now())
        await store.cancel(seen, after)
        await store.cancel(seen, after)
        with pytest.raises(EventStateConflict):
            await store.cancel(seen, after.model_copy(update={"updated_at": clock.now()}))

    gateway.run(cancel_twice())
    assert [type_ for type_, _ in news(gateway)].count("event.cancelled") == 1


def test_a_cancelled_event_stays_cancelled(host: Person) -> None:
    for event in (publish_event(host), draft_event(host)):
        accepted(host.post(path(event, "cancel")))
        refused(host.post(path(event, "cancel")), 409, "event_cancelled")
        refused(host.post(path(event, "publish")), 409, "event_cancelled")
        refused(host.call("PATCH", path(event), {"title": "Back again"}), 409, "event_cancelled")


def test_an_event_that_is_over_is_completed(gateway: GatewayThread, host: Person) -> None:
    event = publish_event(host)

    async def end_it() -> None:
        stored = await store.stored(event["eventId"])
        assert stored is not None
        now = datetime.now(UTC)
        times = {"starts_at": now - timedelta(hours=2), "ends_at": now - timedelta(seconds=1)}
        await store.change(stored, stored.event.model_copy(update=times))

    gateway.run(end_it())
    assert accepted(host.client.get(path(event)))["status"] == "completed"
    refused(host.post(path(event, "cancel")), 409, "event_completed")
    refused(host.post(path(event, "publish")), 409, "event_completed")
    refused(host.call("PATCH", path(event), {"endsAt": soon(days=1)}), 409, "event_completed")
    (tier,) = accepted(host.client.get(path(event, "availability")))["tiers"]
    assert (tier["available"], tier["soldOut"]) == (0, False)


# --- who sees it


def test_drafts_and_private_events_are_seen_by_members_only(
    anonymous: httpx.Client, host: Person, buyer: Person, sign_in: SignIn
) -> None:
    org_id = create_organization(host)
    doorman = sign_in("doorman")
    accepted(host.call("PUT", f"/v1/organizations/{org_id}/members/{doorman.user_id}", {"role": "door"}))
    draft = accepted(host.post("/v1/events", event_body(org_id)))
    private = publish_event(host, org_id=org_id, visibility="private")
    for event in (draft, private):
        assert accepted(doorman.get(path(event))) == event
        refused(buyer.get(path(event)), 404, "not_found")
        refused(anonymous.get(path(event)), 404, "not_found")
        refused(anonymous.get(path(event, "availability")), 404, "not_found")
    assert accepted(doorman.get(path(private, "availability")))["tiers"][0]["available"] == 100
    refused(doorman.get(path(draft, "availability")), 404, "not_found")


def test_public_events_are_seen_by_everybody_but_not_with_a_bad_token(anonymous: httpx.Client, host: Person) -> None:
    event = publish_event(host)
    assert accepted(anonymous.get(path(event))) == event
    refused(anonymous.get(path(event), headers={"Authorization": "Bearer nonsense"}), 401, "unauthenticated")
    refused(anonymous.get(path(event), headers={"Authorization": "Basic eDp5"}), 401, "unauthenticated")
    refused(anonymous.get(path(event) + "?verbose=1"), 422, "validation_failed")


@pytest.mark.parametrize("event_id", ["evt_unknown", "__reserved__", "..", "a b", "x" * 200, "%2e%2e%2forders"])
def test_what_is_no_event_is_not_found(anonymous: httpx.Client, event_id: str) -> None:
    refused(anonymous.get(f"/v1/events/{event_id}"), 404, "not_found")
    refused(anonymous.get(f"/v1/events/{event_id}/availability"), 404, "not_found")


def test_the_memory_of_an_event_is_short_and_forgets_own_changes(
    gateway: GatewayThread, host: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    event = publish_event(host)

    async def recent_title() -> str:
        return (await store.recent(event["eventId"])).title

    async def write_elsewhere(title: str) -> None:
        await clients.firestore().document(f"events/{event['eventId']}").update({"title": title})

    async def remembered() -> bool:
        return store.remembered(event["eventId"]) is not None

    assert not gateway.run(remembered())
    assert gateway.run(recent_title()) == event["title"]
    assert gateway.run(remembered())
    gateway.run(write_elsewhere("Changed by another instance"))
    assert gateway.run(recent_title()) == event["title"]
    monkeypatch.setattr(memory, "KEPT_FOR_S", 0.0)
    accepted(host.call("PATCH", path(event), {"title": "Changed by this one"}))
    assert gateway.run(recent_title()) == "Changed by this one"
    gateway.run(write_elsewhere("Changed elsewhere again"))
    assert gateway.run(recent_title()) == "Changed elsewhere again"


def test_the_memory_is_bounded(gateway: GatewayThread, host: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "MOST_KEPT", 2)
    org_id = create_organization(host)
    ids = [publish_event(host, org_id=org_id)["eventId"] for _ in range(3)]

    async def kept() -> list[bool]:
        for event_id in ids:
            await store.recent(event_id)
        return [store.remembered(event_id) is not None for event_id in ids]

    assert gateway.run(kept()) == [False, True, True]


def test_the_audit_meets_every_event_that_sells_or_sold(gateway: GatewayThread, host: Person) -> None:
    org_id = create_organization(host)
    on_sale, off, ended, long_over = (publish_event(host, org_id=org_id) for _ in range(4))
    accepted(host.post("/v1/events", event_body(org_id)))
    accepted(host.post(path(off, "cancel")))
    now = datetime.now(UTC)

    async def audited() -> set[str]:
        for event, days in ((ended, 6), (long_over, 8)):
            document = clients.firestore().document(f"events/{event['eventId']}")
            await document.update({"endsAt": now - timedelta(days=days)})
        return {event_id async for event_id in store.events_to_audit(now)}

    assert gateway.run(audited()) == {event["eventId"] for event in (on_sale, off, ended)}
