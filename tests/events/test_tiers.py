"""A tier over HTTP while it is drafted and while it sells: terms, pause, prices; what each bad change gets."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from common import clients, clock
from common.events import store
from common.operations.audit import audit_event
from tests.support.people import (
    accepted,
    create_organization,
    event_body,
    eventually,
    order_body,
    publish_event,
    refused,
    tier_body,
)

if TYPE_CHECKING:
    import httpx

    from tests.conftest import SignIn
    from tests.support.people import Json, Person
    from tests.support.server import GatewayThread


def inr(minor: int) -> Json:
    return {"amountMinor": minor, "currency": "INR"}


def soon(**delta: float) -> str:
    return (datetime.now(UTC) + timedelta(**delta)).isoformat()


def path(event: Json, tier: int = 0) -> str:
    return f"/v1/events/{event['eventId']}/tiers/{event['tiers'][tier]['tierId']}"


def change(by: Person, event: Json, tier: int = 0, **fields: Any) -> httpx.Response:
    return by.call("PATCH", path(event, tier), fields)


def availability(anyone: Person, event: Json, tier: int = 0) -> Json:
    tiers: list[Json] = accepted(anyone.get(f"/v1/events/{event['eventId']}/availability"))["tiers"]
    return tiers[tier]


def later(monkeypatch: pytest.MonkeyPatch, **by: float) -> None:
    real = clock.now
    monkeypatch.setattr(clock, "now", lambda: real() + timedelta(**by))


def assert_clean(gateway: GatewayThread, event: Json) -> None:
    assert gateway.run(audit_event(event["eventId"])) == ()


CHANGE: Json = {
    "name": "Late",
    "price": inr(70_000),
    "originalPrice": inr(90_000),
    "saleStartsAt": "2031-01-01T00:00:00Z",
    "saleEndsAt": "2031-01-02T00:00:00Z",
    "maxPerOrder": 3,
    "maxPerPerson": 5,
    "benefits": ["a drink"],
    "priceSteps": [{"price": inr(60_000), "until": "2030-12-31T00:00:00Z", "untilSold": 10}],
    "groupDiscount": {"minQuantity": 2, "basisPoints": 500},
    "capacity": 40,
}


@pytest.mark.parametrize("published", [False, True])
def test_what_is_given_changes_and_the_rest_stays(host: Person, published: bool) -> None:
    starts = datetime(2031, 1, 2, 12, tzinfo=UTC)
    times = {"startsAt": starts.isoformat(), "endsAt": (starts + timedelta(hours=6)).isoformat()}
    body = event_body(create_organization(host), tier_body(), tier_body("Other"), **times)
    event = accepted(host.post("/v1/events", body))
    if published:
        event = accepted(host.post(f"/v1/events/{event['eventId']}/publish"))
    after = accepted(change(host, event, **CHANGE))
    assert after["tiers"][1] == event["tiers"][1]
    assert {name: after["tiers"][0][name] for name in CHANGE} == CHANGE
    assert "currentPrice" not in after["tiers"][0]  # the stock decides: the availability says it
    assert accepted(host.get(f"/v1/events/{event['eventId']}")) == after
    lacking = dict.fromkeys(("originalPrice", "saleStartsAt", "saleEndsAt", "maxPerPerson", "groupDiscount"))
    cleared = accepted(host.call("PATCH", path(event), lacking | {"name": None, "priceSteps": []}))["tiers"][0]
    kept = {"name": "Late", "maxPerOrder": 3, "currentPrice": inr(70_000), "priceSteps": []}
    assert {name: cleared.get(name) for name in lacking | kept} == lacking | kept
    assert "shards" not in cleared


BAD: list[tuple[Json, str]] = [
    ({"capcity": 5}, "capcity"),
    ({"tierId": "tier_x"}, "tierId"),
    ({"shards": 3}, "shards"),
    ({"capacity": 0}, "capacity"),
    ({"capacity": 100_001}, "capacity"),
    ({"capacity": 1.5}, "capacity"),
    ({"price": inr(-1)}, "price.amountMinor"),
    ({"price": {"amountMinor": 5, "currency": "NGN"}}, "price.currency"),
    ({"originalPrice": {"amountMinor": 5, "currency": "NGN"}}, "originalPrice.currency"),
    ({"paused": "yes"}, "paused"),
    ({"maxPerOrder": 51}, "maxPerOrder"),
    ({"maxPerPerson": 0}, "maxPerPerson"),
    ({"priceSteps": [{"price": inr(5)}]}, "priceSteps.0"),
    ({"priceSteps": [{"price": inr(5), "untilSold": 0}]}, "priceSteps.0.untilSold"),
    ({"priceSteps": [{"price": {"amountMinor": 5, "currency": "NGN"}, "untilSold": 1}]}, "priceSteps.0.price.currency"),
    ({"priceSteps": [{"price": inr(5), "untilSold": 1}] * 11}, "priceSteps"),
    ({"groupDiscount": {"minQuantity": 1, "basisPoints": 100}}, "groupDiscount.minQuantity"),
    ({"groupDiscount": {"minQuantity": 2, "basisPoints": 10_001}}, "groupDiscount.basisPoints"),
    ({"saleStartsAt": "2041-01-01T00:00:00Z"}, "saleStartsAt"),
]


def test_what_no_tier_can_be_changes_nothing(host: Person) -> None:
    event = publish_event(host)
    for fields, field in BAD:
        problem = refused(change(host, event, **fields), 422, "validation_failed")
        assert problem["errors"][0]["field"] == field, problem
    assert accepted(host.get(f"/v1/events/{event['eventId']}")) == event


def test_who_may_and_of_which_event(host: Person, buyer: Person, sign_in: SignIn) -> None:
    event = publish_event(host)
    refused(change(buyer, event, paused=True), 403, "forbidden")
    org = f"/v1/organizations/{event['orgId']}/members"
    for role, status in (("door", 403), ("coordinator", 403), ("manager", 200)):
        member = sign_in(role)
        accepted(host.call("PUT", f"{org}/{member.user_id}", {"role": role}))
        assert change(member, event, benefits=[role]).status_code == status
    unknown = f"/v1/events/{event['eventId']}/tiers/tier_unknown"
    refused(host.call("PATCH", unknown, {"paused": True}), 404, "not_found")
    refused(host.call("PATCH", f"/v1/events/evt_unknown/tiers/{event['tiers'][0]['tierId']}", {}), 404, "not_found")
    accepted(host.post(f"/v1/events/{event['eventId']}/cancel"))
    refused(change(host, event, paused=True), 409, "event_cancelled")


def test_all_tiers_at_once_are_fixed_and_the_refusal_says_where_one_changes(host: Person) -> None:
    event = publish_event(host)
    problem = refused(
        host.call("PATCH", f"/v1/events/{event['eventId']}", {"tiers": [tier_body()]}), 409, "tiers_fixed"
    )
    assert "/tiers/{tierId}" in problem["detail"]


# --- pause


def test_a_paused_tier_sells_nothing_and_is_not_sold_out(gateway: GatewayThread, host: Person, buyer: Person) -> None:
    event = publish_event(host, tier_body(capacity=5), tier_body("Other", capacity=5))
    order = accepted(buyer.post("/v1/orders", order_body(event, 2)))
    assert accepted(change(host, event, paused=True))["tiers"][0]["paused"]
    refused(buyer.post("/v1/orders", order_body(event)), 409, "sales_closed")
    accepted(buyer.post("/v1/orders", order_body(event, tier=1)))
    seen = availability(buyer, event)
    assert (seen["available"], seen["soldOut"], seen["paused"], seen["capacity"]) == (0, False, True, 5)
    # A raise does not open it, a hold can still be given up.
    accepted(change(host, event, capacity=400))
    refused(buyer.post("/v1/orders", order_body(event)), 409, "sales_closed")
    accepted(buyer.post(f"/v1/orders/{order['orderId']}/cancel"))
    accepted(change(host, event, paused=False))
    seen = availability(buyer, event)
    assert (seen["available"], seen["soldOut"], seen["paused"]) == (400, False, False)
    accepted(buyer.post("/v1/orders", order_body(event)))
    assert_clean(gateway, event)


def test_an_instance_that_remembers_the_tier_cannot_sell_it_once_it_is_paused(
    host: Person, buyer: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    event = publish_event(host, tier_body(capacity=5))
    accepted(buyer.post("/v1/orders", order_body(event)))
    monkeypatch.setattr(store.memory, "forget", lambda _: None)
    accepted(change(host, event, paused=True))
    refused(buyer.post("/v1/orders", order_body(event)), 409, "sales_closed")
    accepted(change(host, event, paused=False))
    accepted(buyer.post("/v1/orders", order_body(event)))


def test_control_a_pause_of_the_event_document_alone_stops_no_such_instance(
    host: Person, buyer: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    event = publish_event(host, tier_body(capacity=5))
    accepted(buyer.post("/v1/orders", order_body(event)))

    async def nothing(*_: object, **__: object) -> int:
        return 1

    monkeypatch.setattr(store.memory, "forget", lambda _: None)
    monkeypatch.setattr(store, "resize", nothing)
    accepted(change(host, event, paused=True))
    accepted(buyer.post("/v1/orders", order_body(event)))


def test_a_tier_that_is_paused_in_the_draft_is_published_closed(host: Person, buyer: Person) -> None:
    event = accepted(host.post("/v1/events", event_body(create_organization(host))))
    accepted(change(host, event, paused=True))
    accepted(host.post(f"/v1/events/{event['eventId']}/publish"))
    refused(buyer.post("/v1/orders", order_body(event)), 409, "sales_closed")
    accepted(change(host, event, paused=False))
    accepted(buyer.post("/v1/orders", order_body(event)))


def test_the_live_document_follows(gateway: GatewayThread, deployed: str, host: Person) -> None:
    event = publish_event(host, tier_body(capacity=5))

    async def live() -> Json:
        found = await clients.firestore().document(f"events/{event['eventId']}/live/availability").get()
        return ((found.to_dict() or {})["tiers"])[0]

    assert gateway.run(live())["capacity"] == 5
    accepted(change(host, event, capacity=8, price=inr(100)))
    seen = eventually(lambda: tier if (tier := gateway.run(live()))["capacity"] == 8 else None)
    assert (seen["available"], seen["price"], seen["paused"]) == (8, inr(100), False)


# --- prices


def test_cards_and_pages_show_the_price_of_the_moment(
    anonymous: httpx.Client, host: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    early = [{"price": inr(20_000), "until": soon(hours=1)}, {"price": inr(10_000), "untilSold": 5}]
    event = publish_event(host, tier_body(price_minor=50_000, priceSteps=early[:1]), tier_body(priceSteps=early[1:]))
    near = {"latitude": "18.99", "longitude": "72.83", "radiusKm": "5"}

    def card() -> Json:
        items: list[Json] = accepted(anonymous.get("/v1/events/nearby", params=near))["items"]
        return items[0]["minPrice"]

    def shown() -> list[Json | None]:
        tiers = accepted(anonymous.get(f"/v1/events/{event['eventId']}"))["tiers"]
        return [tier.get("currentPrice") for tier in tiers]

    assert card() == inr(20_000)
    assert accepted(anonymous.get("/v1/events/nearby", params=near | {"maxPriceMinor": "20000"}))["items"]
    assert shown() == [inr(20_000), None]
    assert [availability(host, event, tier)["price"] for tier in (0, 1)] == [inr(20_000), inr(10_000)]
    later(monkeypatch, hours=1)
    assert card() == inr(50_000)
    assert shown() == [inr(50_000), None]


def test_changes_at_once_all_take_effect(gateway: GatewayThread, host: Person) -> None:
    event = publish_event(host, tier_body(), tier_body("Other"))
    changes: list[Json] = [{"capacity": 7}, {"name": "B"}, {"paused": True}]
    with ThreadPoolExecutor(3) as pool:
        replies = list(pool.map(lambda fields: change(host, event, **fields), changes))
    assert {reply.status_code for reply in replies} == {200}
    tier = accepted(host.get(f"/v1/events/{event['eventId']}"))["tiers"][0]
    assert (tier["name"], tier["capacity"], tier["paused"]) == ("B", 7, True)
    assert_clean(gateway, event)
