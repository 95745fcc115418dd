"""Confirmation without the webhook: the provider is asked, and whoever is first issues the tickets."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from common import clients
from common.money import Money
from common.operations.audit import audit_event
from common.payments import settlement
from tests.payments.test_settlement import hold, refunds_of
from tests.support.money_world import fact
from tests.support.payments import checkout, control, order_in, pay_on_page, provider_events
from tests.support.people import Json, Person, accepted, eventually, order_body, publish_event, refused, tier_body

if TYPE_CHECKING:
    from tests.conftest import SignIn
    from tests.support.server import GatewayThread

PROVIDERS = pytest.mark.parametrize("provider", ["stripe", "razorpay"])


@pytest.fixture
def event(deployed: str, host: Person) -> Json:
    return publish_event(host, tier_body(capacity=10))


def path_of(order: Json) -> str:
    return f"/v1/orders/{order['orderId']}/confirm"


@PROVIDERS
def test_a_payment_is_confirmed_before_its_webhook_comes(
    provider: str, gateway: GatewayThread, buyer: Person, event: Json
) -> None:
    control(provider, "delivery", paused=True)
    order = hold(buyer, event, 2)
    pay_on_page(provider, checkout(buyer, order["orderId"], provider)["gatewayReference"])
    confirmed = accepted(buyer.post(path_of(order), {"gateway": provider}))
    assert (confirmed["status"], len(confirmed["ticketIds"])) == ("ticketed", 2)
    assert accepted(buyer.post(path_of(order), {"gateway": provider})) == confirmed
    control(provider, "delivery")
    kind = "payment_intent.succeeded" if provider == "stripe" else "payment.captured"
    eventually(lambda: provider_events(provider, kind)[0]["delivered"])
    gateway.wait_idle()
    assert accepted(buyer.get(f"/v1/orders/{order['orderId']}"))["ticketIds"] == confirmed["ticketIds"]
    assert len(accepted(buyer.get("/v1/tickets"))["upcoming"]) == 2
    assert refunds_of(gateway, order["orderId"]) == []
    assert gateway.run(audit_event(event["eventId"])) == ()


@PROVIDERS
def test_webhook_and_confirmations_at_once_issue_one_set_of_tickets(
    provider: str, gateway: GatewayThread, buyer: Person, event: Json
) -> None:
    control(provider, "delivery", copies=3)
    order = hold(buyer, event, 2)
    pay_on_page(provider, checkout(buyer, order["orderId"], provider)["gatewayReference"])
    with ThreadPoolExecutor(5) as together:
        asked = [together.submit(buyer.post, path_of(order), {"gateway": provider}) for _ in range(5)]
        replies = [accepted(each.result()) for each in asked]
    assert {reply["status"] for reply in replies} == {"ticketed"}
    assert len({tuple(reply["ticketIds"]) for reply in replies}) == 1
    assert len(accepted(buyer.get("/v1/tickets"))["upcoming"]) == 2
    assert refunds_of(gateway, order["orderId"]) == []
    assert gateway.run(audit_event(event["eventId"])) == ()


def settle_at_once(gateway: GatewayThread, order: Json) -> int:
    """Ten hear of one capture at the same moment; how many of them told the world of an order's tickets."""
    told = replace(fact("captured"), order_id=order["orderId"], amount=Money(**snake(order["amounts"]["total"])))

    async def settle() -> int:
        await asyncio.gather(*(settlement.act_on(told) for _ in range(10)))
        entries = [each.to_dict() or {} async for each in clients.firestore().collection("outbox").stream()]
        events = [entry["event"] or {} for entry in entries]
        return sum(event.get("type") == "order.ticketed" for event in events)

    return gateway.run(settle())


def snake(money: Json) -> dict[str, Any]:
    return {"amount_minor": money["amountMinor"], "currency": money["currency"]}


def test_ten_at_once_issue_tickets_once(gateway: GatewayThread, project: str, host: Person, buyer: Person) -> None:
    event = publish_event(host, tier_body(capacity=10))
    order = accepted(buyer.post("/v1/orders", order_body(event, 2)))
    assert settle_at_once(gateway, order) == 1
    assert gateway.run(audit_event(event["eventId"])) == ()


def test_control_without_the_guards_ten_at_once_issue_them_more_than_once(
    gateway: GatewayThread, project: str, host: Person, buyer: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    from google.cloud.firestore import AsyncWriteBatch

    event = publish_event(host, tier_body(capacity=10))
    order = accepted(buyer.post("/v1/orders", order_body(event, 2)))
    update = AsyncWriteBatch.update
    monkeypatch.setattr(AsyncWriteBatch, "update", lambda batch, ref, fields, option=None: update(batch, ref, fields))
    monkeypatch.setattr(AsyncWriteBatch, "create", AsyncWriteBatch.set)
    assert settle_at_once(gateway, order) > 1


def test_what_is_not_paid_cannot_be_confirmed(buyer: Person, sign_in: SignIn, event: Json) -> None:
    order = hold(buyer, event)
    refused(buyer.post(path_of(order), {"gateway": "stripe"}), 409, "payment_not_captured")
    reference = checkout(buyer, order["orderId"])["gatewayReference"]
    refused(buyer.post(path_of(order), {"gateway": "stripe"}), 409, "payment_not_captured")
    pay_on_page("stripe", reference, "decline")
    refused(buyer.post(path_of(order), {"gateway": "stripe"}), 409, "payment_not_captured")
    refused(buyer.post(path_of(order), {"gateway": "cash"}), 422, "validation_failed")
    refused(sign_in("stranger").post(path_of(order), {"gateway": "stripe"}), 404, "not_found")
    assert accepted(buyer.get(f"/v1/orders/{order['orderId']}"))["status"] == "held"


def test_a_provider_that_cannot_be_asked_leaves_it_to_the_webhook(buyer: Person, event: Json) -> None:
    control("stripe", "delivery", paused=True)
    order = hold(buyer, event)
    pay_on_page("stripe", checkout(buyer, order["orderId"])["gatewayReference"])
    control("stripe", "faults", method="GET", path="/v1/*", mode="before", times=20)
    refused(buyer.post(path_of(order), {"gateway": "stripe"}), 503, "gateway_unavailable")
    control("stripe", "delivery")
    order_in(buyer, order["orderId"], "ticketed")


def test_a_cancelled_order_that_was_paid_is_confirmed_as_returned(
    gateway: GatewayThread, buyer: Person, event: Json
) -> None:
    control("stripe", "delivery", paused=True)
    order = hold(buyer, event)
    reference = checkout(buyer, order["orderId"])["gatewayReference"]
    accepted(buyer.post(f"/v1/orders/{order['orderId']}/cancel"))
    pay_on_page("stripe", reference)
    assert accepted(buyer.post(path_of(order), {"gateway": "stripe"}))["status"] == "cancelled"
