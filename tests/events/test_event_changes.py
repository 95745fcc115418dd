"""What may change of an event, and when: as a draft, published, sold, begun, and over."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from common import clients
from common.events import store
from common.orders import store as orders
from common.orders.schemas import OrderRequest
from common.orders.shards import shard
from common.tokens import Caller
from tests.support.people import accepted, create_organization, event_body, order_body, publish_event, refused

if TYPE_CHECKING:
    import httpx

    from tests.support.people import Json, Person
    from tests.support.server import GatewayThread

ELSEWHERE = {"name": "Fort", "address": "Bastion Road", "city": "Mumbai", "latitude": 18.93, "longitude": 72.83}


def at(**delta: float) -> str:
    return (datetime.now(UTC).replace(microsecond=0) + timedelta(days=2) + timedelta(**delta)).isoformat()


def change(by: Person, event: Json, **fields: Any) -> httpx.Response:
    return by.call("PATCH", f"/v1/events/{event['eventId']}", fields)


def fields_of(problem: Json) -> list[str]:
    return [error["field"] for error in problem["errors"]]


def begin(gateway: GatewayThread, event: Json) -> None:
    async def begun() -> None:
        document = clients.firestore().document(f"events/{event['eventId']}")
        await document.update({"startsAt": datetime.now(UTC) - timedelta(minutes=1)})

    gateway.run(begun())


def updates(by: Person, event: Json) -> list[Json]:
    return list(accepted(by.get(f"/v1/events/{event['eventId']}/updates"))["items"])


# --- once something is sold


RAISED: Json = {"ageRestriction": 21}
HIDDEN: Json = {"visibility": "private"}


@pytest.mark.parametrize("fields", [RAISED, HIDDEN, RAISED | HIDDEN], ids=["age", "visibility", "both"])
def test_nobody_loses_by_a_change_what_they_hold(host: Person, buyer: Person, fields: Json) -> None:
    event = publish_event(host)
    order = accepted(buyer.post("/v1/orders", order_body(event)))
    problem = refused(change(host, event, **fields, title="Another night"), 409, "fixed_after_sales")
    assert sorted(fields_of(problem)) == sorted(fields)
    assert {error["code"] for error in problem["errors"]} == {"fixed_after_sales"}
    assert accepted(host.get(f"/v1/events/{event['eventId']}")) == event
    accepted(buyer.post(f"/v1/orders/{order['orderId']}/cancel"))
    assert accepted(change(host, event, **fields)).items() >= fields.items()


def tour_of(host: Person, org_id: str) -> str:
    tour = {"orgId": org_id, "title": "Monsoon Tour", "description": "Five cities in ten days."}
    return str(accepted(host.post("/v1/tours", tour))["tourId"])


def test_what_costs_no_holder_anything_may_change_while_it_sells(host: Person, buyer: Person) -> None:
    event = publish_event(host)
    accepted(buyer.post("/v1/orders", order_body(event)))
    tour_id = tour_of(host, event["orgId"])
    allowed: Json = {
        "ageRestriction": 16,
        "visibility": "public",
        "title": "Another night",
        "description": "Five rooms and a garden.",
        "genres": ["house"],
        "venue": ELSEWHERE,
        "startsAt": at(hours=1),
        "endsAt": at(hours=8),
        "timezone": "Asia/Dubai",
        "doorsAt": at(),
        "dressCode": "black",
        "tourId": tour_id,
        "lineup": [{"artist": "Anyasa"}],
    }
    after = accepted(change(host, event, **allowed))
    same = {name: value for name, value in allowed.items() if not name.endswith("At") and name != "lineup"}
    assert after.items() >= same.items()
    refused(change(host, event, ageRestriction=18), 409, "fixed_after_sales")


def test_a_private_event_that_sells_may_become_public(host: Person) -> None:
    event = publish_event(host, visibility="private")
    accepted(host.post("/v1/orders", order_body(event)))
    assert accepted(change(host, event, visibility="public"))["visibility"] == "public"
    refused(change(host, event, visibility="private"), 409, "fixed_after_sales")


def sold_meanwhile(monkeypatch: pytest.MonkeyPatch, event: Json) -> None:
    """Somebody books after the shards were looked at and before the change is committed."""
    write = store._write
    request = OrderRequest.model_validate(order_body(event))

    async def late(*given: Any) -> None:
        await orders.hold(request, Caller("quick"), "ord_quick", "f", may_repeat=False)
        await write(*given)

    monkeypatch.setattr(store, "_write", late)


def test_a_sale_at_the_same_moment_is_seen(host: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    event = publish_event(host)
    sold_meanwhile(monkeypatch, event)
    assert fields_of(refused(change(host, event, **RAISED), 409, "fixed_after_sales")) == ["ageRestriction"]
    assert accepted(host.get(f"/v1/events/{event['eventId']}"))["ageRestriction"] == 18


def test_control_without_the_shards_in_the_commit_it_is_not(host: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    event = publish_event(host)
    look = store._require_unsold

    async def only_look(event: Any, fixed: Any, _: Any) -> None:
        await look(event, fixed, clients.firestore().batch())

    monkeypatch.setattr(store, "_require_unsold", only_look)
    sold_meanwhile(monkeypatch, event)
    assert accepted(change(host, event, **RAISED))["ageRestriction"] == 21


def test_looking_for_sales_disturbs_no_seller(gateway: GatewayThread, host: Person, buyer: Person) -> None:
    event = publish_event(host)
    order = accepted(buyer.post("/v1/orders", order_body(event)))
    accepted(buyer.post(f"/v1/orders/{order['orderId']}/cancel"))
    accepted(change(host, event, **RAISED))
    assert accepted(buyer.post("/v1/orders", order_body(event)))["status"] == "held"

    async def taken() -> int:
        found = [shard(each.reference.path, each.to_dict() or {}) async for each in shards()]
        return sum(item.taken for item in found)

    def shards() -> Any:
        return clients.firestore().collection_group("shards").stream()

    assert gateway.run(taken()) == 1


# --- once it has begun


@pytest.mark.parametrize(
    ("field", "value"),
    [("startsAt", at()), ("venue", ELSEWHERE), ("timezone", "Asia/Dubai"), ("doorsAt", at())],
    ids=["startsAt", "venue", "timezone", "doorsAt"],
)
def test_what_has_begun_stays_when_and_where_it_is(
    gateway: GatewayThread, host: Person, field: str, value: object
) -> None:
    event = publish_event(host)
    begin(gateway, event)
    problem = refused(change(host, event, **{field: value}), 409, "fixed_after_start")
    assert fields_of(problem) == [field]


def test_what_has_begun_may_still_end_later_and_be_described(gateway: GatewayThread, host: Person) -> None:
    event = publish_event(host)
    begin(gateway, event)
    after = accepted(
        change(host, event, endsAt=at(hours=9), description="Now with a second room.", venue=event["venue"])
    )
    assert after["description"] == "Now with a second room."
    refused(change(host, event, endsAt=at(days=-3)), 422, "validation_failed")


def test_a_published_event_does_not_move_into_the_past(host: Person) -> None:
    event = publish_event(host)
    problem = refused(change(host, event, startsAt=at(days=-3)), 422, "validation_failed")
    assert [(error["field"], error["code"]) for error in problem["errors"]] == [("startsAt", "starts_in_past")]


# --- doors, and what can be taken away


@pytest.mark.parametrize(("hours", "fits"), [(0, True), (-24, True), (-25, False), (1, False)])
def test_doors_open_before_the_start(host: Person, hours: int, fits: bool) -> None:
    org_id = create_organization(host)
    starts = datetime.now(UTC) + timedelta(days=3)
    times = {"startsAt": starts.isoformat(), "endsAt": (starts + timedelta(hours=4)).isoformat()}
    doors = {"doorsAt": (starts + timedelta(hours=hours)).isoformat()}
    reply = host.post("/v1/events", event_body(org_id, **times, **doors))
    if fits:
        assert datetime.fromisoformat(accepted(reply)["doorsAt"]) == starts + timedelta(hours=hours)
    else:
        problem = refused(reply, 422, "validation_failed")
        assert [(error["field"], error["code"]) for error in problem["errors"]] == [("doorsAt", "doors_out_of_range")]


def test_doors_do_not_stay_behind_when_the_start_moves(host: Person) -> None:
    event = publish_event(host, doorsAt=at(hours=-2))
    later = {"startsAt": at(days=3), "endsAt": at(days=3, hours=5)}
    assert fields_of(refused(change(host, event, **later), 422, "validation_failed")) == ["doorsAt"]
    assert accepted(change(host, event, **later, doorsAt=None)).get("doorsAt") is None
    assert accepted(host.get(f"/v1/events/{event['eventId']}")).get("doorsAt") is None


@pytest.mark.parametrize("published", [False, True])
def test_null_takes_away_only_what_an_event_can_be_without(host: Person, published: bool) -> None:
    org_id = create_organization(host)
    more = {"doorsAt": at(hours=-1), "dressCode": "black", "tourId": tour_of(host, org_id)}
    event = accepted(host.post("/v1/events", event_body(org_id, **more)))
    if published:
        event = accepted(host.post(f"/v1/events/{event['eventId']}/publish"))
    nothing = dict.fromkeys(["title", "description", "venue", "genres", "ageRestriction", "visibility", "images"])
    kept = accepted(change(host, event, **nothing, tiers=None, lineup=None, timezone=None))
    assert kept | {"updatedAt": event["updatedAt"]} == event
    cleared = accepted(change(host, event, doorsAt=None, dressCode=None, tourId=None))
    assert [cleared.get(name) for name in more] == [None] * 3


# --- what holders are told


@pytest.mark.parametrize(
    ("fields", "title"),
    [
        ({"startsAt": at(hours=1)}, "New time"),
        ({"endsAt": at(hours=9)}, "New time"),
        ({"timezone": "Asia/Dubai"}, "New time"),
        ({"venue": ELSEWHERE}, "New venue"),
        ({"title": "Another night"}, "New name"),
        ({"endsAt": at(hours=9), "venue": ELSEWHERE}, "New time and venue"),
        ({"description": "Five rooms and a garden."}, None),
        ({"timezone": "Asia/Calcutta"}, None),
        ({"ageRestriction": 21}, None),
    ],
    ids=["start", "end", "timezone", "venue", "title", "time and venue", "description", "same time", "age"],
)
def test_what_stands_on_tickets_changes_with_a_word(host: Person, fields: Json, title: str | None) -> None:
    event = publish_event(host)
    accepted(change(host, event, **fields))
    assert [update["title"] for update in updates(host, event)] == ([title] if title else [])


def test_a_draft_changes_silently(host: Person) -> None:
    event = accepted(host.post("/v1/events", event_body(create_organization(host))))
    accepted(change(host, event, startsAt=at(hours=2), visibility="private", ageRestriction=30, title="Another"))
    accepted(host.post(f"/v1/events/{event['eventId']}/cancel"))
    assert updates(host, event) == []
