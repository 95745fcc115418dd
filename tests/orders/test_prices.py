"""Prices over HTTP: what was seen, what was held, what is paid, and what a ticket gives back."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from common import clients, clock
from common.events import store as events
from common.operations.audit import audit_event
from common.orders import inventory, store
from tests.support.payments import checkout, order_in, pay_on_page
from tests.support.people import accepted, order_body, publish_event, refused, tier_body

if TYPE_CHECKING:
    import httpx
    import pytest

    from tests.conftest import SignIn
    from tests.support.people import Json, Person
    from tests.support.server import GatewayThread


def inr(minor: int) -> Json:
    return {"amountMinor": minor, "currency": "INR"}


def book(buyer: Person, event: Json, quantity: int = 1, tier: int = 0, **line: Any) -> httpx.Response:
    body = order_body(event, quantity, tier)
    return buyer.post("/v1/orders", body | {"lines": [body["lines"][0] | line]})


def paid(order: Json) -> int:
    return int(order["lines"][0]["unitPrice"]["amountMinor"])


def change(host: Person, event: Json, **fields: Any) -> None:
    tier = event["tiers"][0]["tierId"]
    accepted(host.call("PATCH", f"/v1/events/{event['eventId']}/tiers/{tier}", fields))


def later(monkeypatch: pytest.MonkeyPatch, **by: float) -> None:
    real = clock.now
    monkeypatch.setattr(clock, "now", lambda: real() + timedelta(**by))


def orders_stored(gateway: GatewayThread) -> int:
    async def count() -> int:
        return len([each async for each in clients.firestore().collection("orders").stream()])

    return gateway.run(count())


def test_a_held_order_keeps_its_price_to_the_end(
    gateway: GatewayThread, deployed: str, host: Person, buyer: Person, sign_in: SignIn
) -> None:
    event = publish_event(host, tier_body(price_minor=50_000))
    order = accepted(book(buyer, event, 2, unitPrice=inr(50_000)))
    change(host, event, price=inr(80_000))
    other = sign_in("other")
    problem = refused(book(other, event, 1, unitPrice=inr(50_000)), 409, "price_changed")
    assert (problem["tierId"], problem["price"]) == (event["tiers"][0]["tierId"], inr(80_000))
    assert orders_stored(gateway) == 1
    assert paid(accepted(book(other, event, unitPrice=inr(80_000)))) == paid(accepted(book(other, event))) == 80_000
    started = checkout(buyer, order["orderId"])
    change(host, event, price=inr(10))
    assert started["amount"] == order["amounts"]["total"] == inr(111_800)
    pay_on_page("stripe", started["gatewayReference"])
    done = order_in(buyer, order["orderId"], "ticketed")
    assert (done["amounts"], done["lines"]) == (order["amounts"], order["lines"])
    assert gateway.run(audit_event(event["eventId"])) == ()


def test_an_instance_with_an_older_price_looks_again_before_it_refuses(
    host: Person, buyer: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    event = publish_event(host, tier_body(price_minor=50_000))
    accepted(book(buyer, event))
    forget = events.memory.forget
    monkeypatch.setattr(events.memory, "forget", lambda _: None)
    change(host, event, price=inr(80_000))
    monkeypatch.setattr(events.memory, "forget", forget)
    assert paid(accepted(book(buyer, event, unitPrice=inr(80_000)))) == 80_000


def test_a_repeat_after_a_price_change_gets_its_first_reply(host: Person, buyer: Person) -> None:
    event = publish_event(host, tier_body(price_minor=50_000))
    body = order_body(event)
    body["lines"][0]["unitPrice"] = inr(50_000)
    first = accepted(buyer.post("/v1/orders", body, key="k"))
    change(host, event, price=inr(1))
    assert accepted(buyer.post("/v1/orders", body, key="k")) == first


def test_early_bird_until_a_time(host: Person, buyer: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    until = (clock.now() + timedelta(hours=1)).isoformat()
    event = publish_event(host, tier_body(price_minor=500, priceSteps=[{"price": inr(300), "until": until}]))
    assert paid(accepted(book(buyer, event))) == 300
    later(monkeypatch, hours=1)
    refused(book(buyer, event, unitPrice=inr(300)), 409, "price_changed")
    assert paid(accepted(book(buyer, event))) == 500


def test_the_stock_drives_the_price_and_a_return_drives_it_back(host: Person, buyer: Person) -> None:
    steps = [{"price": inr(100), "untilSold": 3}, {"price": inr(200), "untilSold": 5}]
    event = publish_event(host, tier_body(price_minor=300, capacity=20, priceSteps=steps))
    orders = [accepted(book(buyer, event)) for _ in range(6)]
    assert [paid(order) for order in orders] == [100, 100, 100, 200, 200, 300]
    for order in orders[:2]:
        accepted(buyer.post(f"/v1/orders/{order['orderId']}/cancel"))
    assert paid(accepted(book(buyer, event, 2))) == 200
    refused(book(buyer, event, unitPrice=inr(100)), 409, "price_changed")
    tiers = accepted(buyer.get(f"/v1/events/{event['eventId']}/availability"))["tiers"]
    assert tiers[0]["price"] == inr(300)


def test_what_another_instance_sold_counts_within_the_bound(
    gateway: GatewayThread, host: Person, buyer: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    event = publish_event(host, tier_body(capacity=300))
    tier_id = event["tiers"][0]["tierId"]

    async def elsewhere() -> inventory.EventInventory:
        return inventory.EventInventory(clients.firestore(), event["eventId"], store.release_expired)

    other = gateway.run(elsewhere())
    monkeypatch.setattr(inventory, "TAKEN_KNOWN_FOR_S", 60.0)
    assert gateway.run(other.taken(tier_id)) == 0
    accepted(book(buyer, event, 3))
    assert gateway.run(other.taken(tier_id)) == 0
    monkeypatch.setattr(inventory, "TAKEN_KNOWN_FOR_S", 0.0)
    assert gateway.run(other.taken(tier_id)) == 3
    assert gateway.run(store.event_inventory(event["eventId"]).taken(tier_id)) == 3


def test_a_group_pays_less_and_a_ticket_gives_back_what_was_paid_for_it(
    gateway: GatewayThread, deployed: str, host: Person, buyer: Person
) -> None:
    group = {"minQuantity": 3, "basisPoints": 1_000}
    event = publish_event(host, tier_body(price_minor=333, groupDiscount=group), tier_body("Full", price_minor=1_000))
    assert accepted(book(buyer, event, 2))["amounts"]["discount"] == inr(0)
    body = order_body(event, 3)
    body["lines"].append(order_body(event, 1, 1)["lines"][0])
    order = accepted(buyer.post("/v1/orders", body))
    # 999 - 100 of the group + 1 000; 10 % fee, 18 % of it tax
    assert {name: money["amountMinor"] for name, money in order["amounts"].items()} == {
        "subtotal": 1_999,
        "discount": 100,
        "fee": 190,
        "tax": 34,
        "total": 2_123,
    }
    assert [line["discount"]["amountMinor"] for line in order["lines"]] == [100, 0]
    pay_on_page("stripe", checkout(buyer, order["orderId"])["gatewayReference"])
    done = order_in(buyer, order["orderId"], "ticketed")

    def back(ticket: str) -> int:
        asked = {"ticketIds": [ticket], "reason": "cannot come"}
        return int(accepted(buyer.post(f"/v1/orders/{order['orderId']}/refunds", asked))["amount"]["amountMinor"])

    # 300, 300 and 299 were paid for the three, 1 000 for the other: each gives back its share of 2 123 for 1 899.
    assert [back(ticket) for ticket in done["ticketIds"]] == [335, 335, 334, 1_119]
    assert gateway.run(audit_event(event["eventId"])) == ()


def test_free_tiers_have_limits_as_others(host: Person, buyer: Person, sign_in: SignIn) -> None:
    event = publish_event(host, tier_body(price_minor=0, capacity=5, maxPerOrder=2, maxPerPerson=3))
    order = accepted(book(buyer, event, 2, unitPrice=inr(0)))
    assert {money["amountMinor"] for money in order["amounts"].values()} == {0}
    assert checkout(buyer, order["orderId"])["orderStatus"] == "ticketed"
    refused(book(buyer, event, 2), 409, "limit_reached")
    refused(book(sign_in("other"), event, 3), 409, "limit_reached")
    accepted(book(buyer, event))
    accepted(book(sign_in("third"), event, 2))
    refused(book(sign_in("fourth"), event), 409, "sold_out")
