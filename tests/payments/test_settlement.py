"""From webhook to tickets on the whole chain: outbox, Eventarc, Cloud Tasks, providers."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from common import clients, clock
from common.operations.audit import audit_event
from tests.support.payments import (
    checkout,
    control,
    order_in,
    pay_on_page,
    provider_events,
    send_stripe,
    stripe_event,
)
from tests.support.people import Json, Person, accepted, eventually, order_body, publish_event, refused, tier_body

if TYPE_CHECKING:
    import httpx

    from tests.support.server import GatewayThread

PROVIDERS = pytest.mark.parametrize("provider", ["stripe", "razorpay"])


@pytest.fixture
def event(deployed: str, host: Person) -> Json:
    return publish_event(host, tier_body(capacity=4), tier_body("Free", price_minor=0, capacity=10))


def hold(buyer: Person, event: Json, quantity: int = 1, tier: int = 0) -> Json:
    return accepted(buyer.post("/v1/orders", order_body(event, quantity, tier)))


def assert_clean(gateway: GatewayThread, event: Json) -> None:
    assert gateway.run(audit_event(event["eventId"])) == ()


def refunds_of(gateway: GatewayThread, order_id: str) -> list[Json]:
    async def look() -> list[Json]:
        found = clients.firestore().collection("refunds").stream()
        return [refund for each in [each async for each in found] if (refund := each.to_dict() or {})]

    return [refund for refund in gateway.run(look()) if refund["orderId"] == order_id]


def succeeded_refunds(gateway: GatewayThread, order_id: str, count: int = 1) -> list[Json]:
    def look() -> list[Json] | None:
        done = [refund for refund in refunds_of(gateway, order_id) if refund["status"] == "succeeded"]
        return done if len(done) == count else None

    return eventually(look)


@PROVIDERS
def test_a_paid_order_gets_its_tickets(provider: str, gateway: GatewayThread, buyer: Person, event: Json) -> None:
    order = hold(buyer, event, 2)
    started = checkout(buyer, order["orderId"], provider)
    assert started["orderStatus"] == "held"
    assert checkout(buyer, order["orderId"], provider)["gatewayReference"] == started["gatewayReference"]
    pay_on_page(provider, started["gatewayReference"])
    paid = order_in(buyer, order["orderId"], "ticketed")
    lists = accepted(buyer.get("/v1/tickets"))
    assert sorted(ticket["ticketId"] for ticket in lists["upcoming"]) == sorted(paid["ticketIds"])
    assert_clean(gateway, event)


@PROVIDERS
def test_the_same_webhook_five_times_makes_one_set_of_tickets(
    provider: str, gateway: GatewayThread, buyer: Person, event: Json
) -> None:
    control(provider, "delivery", copies=5)
    order = hold(buyer, event, 2)
    pay_on_page(provider, checkout(buyer, order["orderId"], provider)["gatewayReference"])
    paid = order_in(buyer, order["orderId"], "ticketed")
    kind = "payment_intent.succeeded" if provider == "stripe" else "payment.captured"

    def all_delivered() -> bool | None:
        events = provider_events(provider, kind)
        return (len(events) == 1 and events[0]["delivered"]) or None

    eventually(all_delivered)
    control(provider, "resend", eventId=provider_events(provider, kind)[0]["id"], copies=5)
    assert accepted(buyer.get(f"/v1/orders/{order['orderId']}"))["ticketIds"] == paid["ticketIds"]
    assert len(accepted(buyer.get("/v1/tickets"))["upcoming"]) == 2
    assert refunds_of(gateway, order["orderId"]) == []
    assert_clean(gateway, event)


def test_a_webhook_that_comes_before_the_checkout_returned(
    gateway: GatewayThread, buyer: Person, event: Json, anonymous: httpx.Client
) -> None:
    """The order is in the event's metadata; no payment of ours is written down yet."""
    order = hold(buyer, event, 1)
    early = stripe_event("pi_early", order["amounts"]["total"]["amountMinor"], metadata={"orderId": order["orderId"]})
    for _ in range(5):
        assert send_stripe(anonymous, early).status_code == 204
    paid = order_in(buyer, order["orderId"], "ticketed")
    assert len(paid["ticketIds"]) == 1
    assert_clean(gateway, event)


def test_declined_then_paid_with_another_provider(gateway: GatewayThread, buyer: Person, event: Json) -> None:
    order = hold(buyer, event)
    pay_on_page("stripe", checkout(buyer, order["orderId"], "stripe")["gatewayReference"], "decline")
    eventually(lambda: provider_events("stripe", "payment_intent.payment_failed"))
    assert accepted(buyer.get(f"/v1/orders/{order['orderId']}"))["status"] == "held"
    pay_on_page("razorpay", checkout(buyer, order["orderId"], "razorpay")["gatewayReference"])
    order_in(buyer, order["orderId"], "ticketed")
    assert_clean(gateway, event)


def test_paid_twice_the_second_payment_goes_back_and_the_tickets_stay(
    gateway: GatewayThread, buyer: Person, event: Json
) -> None:
    order = hold(buyer, event)
    first = checkout(buyer, order["orderId"], "stripe")
    second = checkout(buyer, order["orderId"], "razorpay")
    pay_on_page("stripe", first["gatewayReference"])
    paid = order_in(buyer, order["orderId"], "ticketed")
    pay_on_page("razorpay", second["gatewayReference"])
    [refund] = succeeded_refunds(gateway, order["orderId"])
    assert (refund["gateway"], refund["reason"]) == ("razorpay", "paid_twice")
    assert accepted(buyer.get(f"/v1/orders/{order['orderId']}"))["ticketIds"] == paid["ticketIds"]
    assert_clean(gateway, event)


def test_a_wrong_amount_goes_back(
    gateway: GatewayThread, buyer: Person, event: Json, anonymous: httpx.Client, capfd: pytest.CaptureFixture[str]
) -> None:
    order = hold(buyer, event)
    short = stripe_event("pi_short", 1, metadata={"orderId": order["orderId"]})
    assert send_stripe(anonymous, short).status_code == 204

    def returned() -> list[Json] | None:
        return refunds_of(gateway, order["orderId"]) or None

    [refund] = eventually(returned)
    assert (refund["reason"], refund["amount"]["amountMinor"]) == ("amount_mismatch", 1)
    assert accepted(buyer.get(f"/v1/orders/{order['orderId']}"))["status"] == "held"
    assert "captured amount differs" in capfd.readouterr().out


def later(monkeypatch: pytest.MonkeyPatch, by: timedelta) -> None:
    real = clock.now
    monkeypatch.setattr(clock, "now", lambda: real() + by)


def test_a_payment_for_an_expired_hold_takes_units_again(
    gateway: GatewayThread, buyer: Person, event: Json, sign_in: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = hold(buyer, event, 2)
    reference = checkout(buyer, order["orderId"])["gatewayReference"]
    later(monkeypatch, timedelta(minutes=11))
    hold(buyer, event, 4)  # reclaims the expired hold: it needs all four units
    assert accepted(buyer.get(f"/v1/orders/{order['orderId']}"))["status"] == "expired"
    orders = accepted(buyer.get("/v1/orders"))["items"]
    assert [item["status"] for item in orders] == ["held", "expired"]
    accepted(buyer.post(f"/v1/orders/{orders[0]['orderId']}/cancel"))
    pay_on_page("stripe", reference)
    assert len(order_in(buyer, order["orderId"], "ticketed")["ticketIds"]) == 2
    assert_clean(gateway, event)


def test_a_payment_for_an_expired_hold_goes_back_when_nothing_is_left(
    gateway: GatewayThread, buyer: Person, event: Json, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = hold(buyer, event, 2)
    reference = checkout(buyer, order["orderId"])["gatewayReference"]
    later(monkeypatch, timedelta(minutes=11))
    hold(buyer, event, 4)
    pay_on_page("stripe", reference)
    [refund] = succeeded_refunds(gateway, order["orderId"])
    assert refund["reason"] == "sold_out"
    assert accepted(buyer.get(f"/v1/orders/{order['orderId']}"))["status"] == "expired"
    assert_clean(gateway, event)


def test_a_payment_for_a_cancelled_order_goes_back(gateway: GatewayThread, buyer: Person, event: Json) -> None:
    order = hold(buyer, event)
    reference = checkout(buyer, order["orderId"])["gatewayReference"]
    accepted(buyer.post(f"/v1/orders/{order['orderId']}/cancel"))
    pay_on_page("stripe", reference)
    [refund] = succeeded_refunds(gateway, order["orderId"])
    assert refund["reason"] == "order_cancelled"
    assert_clean(gateway, event)


def test_a_free_order_is_ticketed_at_once(gateway: GatewayThread, buyer: Person, event: Json) -> None:
    order = hold(buyer, event, 3, tier=1)
    assert order["amounts"]["total"] == {"amountMinor": 0, "currency": "INR"}
    reply = checkout(buyer, order["orderId"])
    assert (reply["orderStatus"], "gatewayReference" in reply) == ("ticketed", False)
    assert checkout(buyer, order["orderId"])["orderStatus"] == "ticketed"
    assert len(accepted(buyer.get(f"/v1/orders/{order['orderId']}"))["ticketIds"]) == 3
    assert_clean(gateway, event)


def test_checkout_of_others_and_of_what_is_no_hold(buyer: Person, sign_in: object, event: Json) -> None:
    order = hold(buyer, event)
    stranger = sign_in("stranger")  # type: ignore[operator]
    refused(stranger.post(f"/v1/orders/{order['orderId']}/checkout", {"gateway": "stripe"}), 404, "not_found")
    refused(buyer.post(f"/v1/orders/{order['orderId']}/checkout", {"gateway": "cash"}), 422, "validation_failed")
    accepted(buyer.post(f"/v1/orders/{order['orderId']}/cancel"))
    refused(buyer.post(f"/v1/orders/{order['orderId']}/checkout", {"gateway": "stripe"}), 409, "order_state_conflict")


def test_checkout_when_the_provider_fails_can_be_repeated(gateway: GatewayThread, buyer: Person, event: Json) -> None:
    order = hold(buyer, event)
    control("stripe", "faults", method="POST", path="/v1/payment_intents", mode="after", times=1)
    refused(buyer.post(f"/v1/orders/{order['orderId']}/checkout", {"gateway": "stripe"}), 503, "gateway_unavailable")
    reference = checkout(buyer, order["orderId"])["gatewayReference"]
    assert len(provider_events("stripe", "payment_intent.created")) == 1
    pay_on_page("stripe", reference)
    order_in(buyer, order["orderId"], "ticketed")


def test_webhooks_that_nobody_signed_change_nothing(
    gateway: GatewayThread, buyer: Person, event: Json, anonymous: httpx.Client
) -> None:
    order = hold(buyer, event)
    forged = stripe_event("pi_forged", order["amounts"]["total"]["amountMinor"], metadata={"orderId": order["orderId"]})
    refused(send_stripe(anonymous, forged, secret="whsec_guess"), 400, "bad_signature")
    refused(send_stripe(anonymous, forged, at=int(clock.now().timestamp()) - 3600), 400, "bad_signature")
    refused(anonymous.post("/v1/webhooks/stripe", json=forged), 400, "bad_signature")
    refused(anonymous.post("/v1/webhooks/razorpay", json=forged), 400, "bad_signature")
    too_long = b"x" * (1024 * 1024 + 1)
    refused(anonymous.post("/v1/webhooks/stripe", content=too_long), 413, "body_too_large")

    async def kept() -> int:
        return len([each async for each in clients.firestore().collection("webhooks").stream()])

    assert gateway.run(kept()) == 0
    assert accepted(buyer.get(f"/v1/orders/{order['orderId']}"))["status"] == "held"
