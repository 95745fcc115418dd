"""Limits per order and per person when one buyer asks for much at once, of two instances, under many keys."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from common.operations.audit import audit_event
from common.orders import store
from tests.support.people import Json, Person, accepted, order_body, publish_event, refused, tier_body

if TYPE_CHECKING:
    from tests.support.server import GatewayThread

pytestmark = pytest.mark.usefixtures("two_instances")


def many_orders(buyer: Person, event: Json) -> list[Json]:
    """Those of twelve orders at once that hold: one or two units of a tier or both, each under a key of its own."""

    def one(number: int) -> Json | None:
        lines = [order_body(event, 1 + number % 2, tier)["lines"][0] for tier in (0, 1) if number % 3 != tier]
        body = {"eventId": event["eventId"], "lines": lines}
        reply = buyer.post("/v1/orders", body, key=f"key-{number}")
        if reply.status_code == 201:
            return accepted(reply)
        refused(reply, 409, "limit_reached")
        return None

    with ThreadPoolExecutor(12) as pool:
        return [order for order in pool.map(one, range(12)) if order is not None]


def units(orders: list[Json]) -> Counter[str]:
    held = Counter[str]()
    for order in orders:
        for line in order["lines"]:
            held[line["tierName"]] += line["quantity"]
    return held


@pytest.fixture
def event(host: Person) -> Json:
    return publish_event(
        host, tier_body("Floor", capacity=100, maxPerPerson=5), tier_body("Balcony", capacity=100, maxPerPerson=3)
    )


def test_no_tier_gives_one_person_more_than_its_limit(gateway: GatewayThread, buyer: Person, event: Json) -> None:
    orders = many_orders(buyer, event)
    held = units(orders)
    assert 0 < held["Floor"] <= 5
    assert 0 < held["Balcony"] <= 3
    for tier, (name, limit) in enumerate((("Floor", 5), ("Balcony", 3))):
        more = limit - held[name]
        if more:
            accepted(buyer.post("/v1/orders", order_body(event, more, tier)))
        refused(buyer.post("/v1/orders", order_body(event, 1, tier)), 409, "limit_reached")
    accepted(buyer.post(f"/v1/orders/{orders[0]['orderId']}/cancel"))
    again = [{"tierId": line["tierId"], "quantity": line["quantity"]} for line in orders[0]["lines"]]
    accepted(buyer.post("/v1/orders", {"eventId": event["eventId"], "lines": again}))
    assert gateway.run(audit_event(event["eventId"])) == ()


def test_control_without_the_guarded_count_the_limit_is_passed(
    buyer: Person, event: Json, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "_count", lambda batch, order, bought: None)
    assert units(many_orders(buyer, event))["Floor"] > 5


def test_the_limit_per_order_is_that_of_each_tier(host: Person, buyer: Person) -> None:
    event = publish_event(host, tier_body("Two", maxPerOrder=2), tier_body("Ten"), tier_body("Fifty", maxPerOrder=50))
    for tier, most in enumerate((2, 10, 50)):
        body = order_body(event, most, tier)
        accepted(buyer.post("/v1/orders", body))
        if most < 50:
            body["lines"][0]["quantity"] = most + 1
            assert refused(buyer.post("/v1/orders", body), 409, "limit_reached")["limit"] == most
    together = order_body(event, 50, 2)
    together["lines"] += order_body(event, 1, 1)["lines"]
    assert refused(buyer.post("/v1/orders", together), 409, "limit_reached")["limit"] == 50


def test_a_limit_that_is_set_while_it_sells_counts_from_then_on(host: Person, buyer: Person) -> None:
    event = publish_event(host)
    accepted(buyer.post("/v1/orders", order_body(event, 3)))
    tier = event["tiers"][0]["tierId"]
    path = f"/v1/events/{event['eventId']}/tiers/{tier}"
    accepted(host.call("PATCH", path, {"maxPerPerson": 2}))
    accepted(buyer.post("/v1/orders", order_body(event, 2)))
    refused(buyer.post("/v1/orders", order_body(event)), 409, "limit_reached")
    accepted(host.call("PATCH", path, {"maxPerPerson": None}))
    accepted(buyer.post("/v1/orders", order_body(event)))
