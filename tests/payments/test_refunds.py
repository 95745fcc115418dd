"""Refunds over HTTP: who may, how much, what dies, and the money's way back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from common.operations.audit import audit_event
from tests.payments.test_settlement import hold, succeeded_refunds
from tests.support.payments import checkout, control, order_in, pay_on_page
from tests.support.people import Json, Person, accepted, publish_event, refused, tier_body

if TYPE_CHECKING:
    from tests.conftest import SignIn
    from tests.support.server import GatewayThread


@pytest.fixture
def event(deployed: str, host: Person) -> Json:
    return publish_event(host, tier_body(price_minor=10_001, capacity=5))


@pytest.fixture
def order(buyer: Person, event: Json) -> Json:
    """Three paid tickets."""
    held = hold(buyer, event, 3)
    pay_on_page("stripe", checkout(buyer, held["orderId"])["gatewayReference"])
    return order_in(buyer, held["orderId"], "ticketed")


def refund(by: Person, order: Json, key: str | None = None, **body: object) -> Json:
    reason = {"reason": "cannot come"}
    return accepted(by.post(f"/v1/orders/{order['orderId']}/refunds", reason | body, key=key))


def test_the_whole_order(gateway: GatewayThread, host: Person, buyer: Person, event: Json, order: Json) -> None:
    first = refund(host, order, key="all")
    assert first["amount"] == order["amounts"]["total"]
    assert refund(host, order, key="all") == first
    refused(
        host.post(f"/v1/orders/{order['orderId']}/refunds", {"reason": "other"}, key="all"),
        422,
        "idempotency_key_reused",
    )
    succeeded_refunds(gateway, order["orderId"])
    assert accepted(buyer.get(f"/v1/orders/{order['orderId']}"))["status"] == "refunded"
    lists = accepted(buyer.get("/v1/tickets"))
    assert (len(lists["upcoming"]), len(lists["cancelled"])) == (0, 3)
    left = accepted(host.get(f"/v1/events/{event['eventId']}/availability"))["tiers"][0]
    assert left["available"] == 5
    refused(host.post(f"/v1/orders/{order['orderId']}/refunds", {"reason": "again"}), 409, "not_refundable")
    assert gateway.run(audit_event(event["eventId"])) == ()


def test_ticket_by_ticket_adds_up_to_the_whole(
    gateway: GatewayThread, host: Person, buyer: Person, event: Json, order: Json
) -> None:
    amounts = [refund(buyer, order, ticketIds=[ticket])["amount"]["amountMinor"] for ticket in order["ticketIds"]]
    assert sum(amounts) == order["amounts"]["total"]["amountMinor"]
    succeeded_refunds(gateway, order["orderId"], count=3)
    now = accepted(buyer.get(f"/v1/orders/{order['orderId']}"))
    assert (now["status"], now["refunded"]) == ("refunded", order["amounts"]["total"])
    assert gateway.run(audit_event(event["eventId"])) == ()


def test_an_amount_leaves_the_tickets_alone(
    gateway: GatewayThread, host: Person, buyer: Person, event: Json, order: Json
) -> None:
    refund(host, order, amount={"amountMinor": 500, "currency": "INR"})
    assert accepted(buyer.get(f"/v1/orders/{order['orderId']}"))["status"] == "partially_refunded"
    assert len(accepted(buyer.get("/v1/tickets"))["upcoming"]) == 3
    succeeded_refunds(gateway, order["orderId"])
    assert gateway.run(audit_event(event["eventId"])) == ()


def test_the_code_of_a_refunded_ticket_is_dead(host: Person, buyer: Person, event: Json, order: Json) -> None:
    ticket = order["ticketIds"][0]
    code = accepted(buyer.get(f"/v1/tickets/{ticket}"))["qr"]
    refund(buyer, order, ticketIds=[ticket])
    door = accepted(host.post(f"/v1/events/{event['eventId']}/check-ins", {"qr": code}))
    assert door["result"] == "revoked"


def test_who_may_not_and_what_cannot(host: Person, buyer: Person, sign_in: SignIn, event: Json, order: Json) -> None:
    path, why = f"/v1/orders/{order['orderId']}/refunds", {"reason": "x"}
    rupee = {"amountMinor": 100, "currency": "INR"}
    refused(sign_in("stranger").post(path, why), 404, "not_found")
    refused(buyer.post(path, why | {"amount": rupee}), 403, "organizer_only")
    refused(host.post(path, why | {"amount": rupee | {"amountMinor": 10**9}}), 422, "amount_too_large")
    refused(host.post(path, why | {"amount": rupee | {"currency": "NGN"}}), 422, "amount_too_large")
    refused(host.post(path, why | {"amount": rupee | {"amountMinor": -1}}), 422, "validation_failed")
    refused(host.post(path, why | {"ticketIds": ["tkt_unknown"]}), 422, "unknown_ticket")
    refused(host.post(path, {}), 422, "validation_failed")
    assert accepted(buyer.get(f"/v1/orders/{order['orderId']}"))["status"] == "ticketed"


def test_buyers_may_not_on_the_last_day(deployed: str, host: Person, buyer: Person) -> None:
    soon = datetime.now(UTC) + timedelta(hours=20)
    times = {"startsAt": soon.isoformat(), "endsAt": (soon + timedelta(hours=3)).isoformat()}
    event = publish_event(host, tier_body(price_minor=0), **times)
    held = hold(buyer, event)
    checkout(buyer, held["orderId"])
    path = f"/v1/orders/{held['orderId']}/refunds"
    refused(buyer.post(path, {"reason": "ill"}), 409, "refund_window_closed")
    assert accepted(host.post(path, {"reason": "ill"}))["status"] == "succeeded"


def test_a_provider_that_fails_is_asked_again(
    gateway: GatewayThread, host: Person, buyer: Person, event: Json, order: Json
) -> None:
    """The first call takes effect but its answer is lost: the repeat meets the same refund."""
    control("stripe", "faults", method="POST", path="/v1/refunds", mode="after", times=1)
    refund(host, order)
    [done] = succeeded_refunds(gateway, order["orderId"])
    assert done["amount"] == order["amounts"]["total"]
    assert gateway.run(audit_event(event["eventId"])) == ()
