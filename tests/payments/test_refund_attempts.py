"""Refunds that fail: tried again under new keys, visible, never paid twice; and what people do in the dashboard."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from common import clients
from common.operations.audit import audit_event
from common.payments import refund_rules
from common.payments.gateways import GatewayRefused
from common.payments.schemas import Refund
from common.payments.stripe_gateway import StripeGateway
from tests.payments.test_settlement import hold
from tests.support.payments import checkout, control, order_in, pay_on_page, provider_events
from tests.support.people import Json, Person, accepted, eventually, publish_event, refused, tier_body
from tests.support.provider_mishaps import (
    address_of,
    dispute,
    end_refund,
    gone,
    next_refunds,
    refund_in_dashboard,
    refunds_at,
)

if TYPE_CHECKING:
    from tests.conftest import SignIn
    from tests.support.server import GatewayThread

PROVIDERS = pytest.mark.parametrize("provider", ["stripe", "razorpay"])


@pytest.fixture
def event(deployed: str, host: Person) -> Json:
    return publish_event(host, tier_body(price_minor=10_001, capacity=9))


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three attempts, without the hours between them."""
    monkeypatch.setattr(refund_rules, "RETRY_AFTER", (timedelta(0), timedelta(0)))


@pytest.fixture
def provider() -> str:
    return "stripe"


@pytest.fixture
def order(provider: str, buyer: Person, event: Json) -> Json:
    """Two paid tickets."""
    held = hold(buyer, event, 2)
    pay_on_page(provider, checkout(buyer, held["orderId"], provider)["gatewayReference"])
    return order_in(buyer, held["orderId"], "ticketed")


def payment_of(gateway: GatewayThread, order: Json, provider: str) -> str:
    async def read() -> str:
        found = await clients.firestore().document(f"payments/{order['orderId']}_{provider}").get()
        return str((found.to_dict() or {})["providerPaymentId"])

    return gateway.run(read())


def listed(by: Person, order: Json) -> list[Json]:
    return list(accepted(by.get(f"/v1/orders/{order['orderId']}/refunds"))["items"])


def refund_in(by: Person, order: Json, status: str, attempts: int | None = None) -> Json:
    """The order's only refund, once it is in this status."""

    def look() -> Json | None:
        found = listed(by, order)
        fits = len(found) == 1 and found[0]["status"] == status and attempts in (None, found[0]["attempts"])
        return found[0] if fits else None

    return eventually(look)


def ask(host: Person, order: Json, **body: object) -> Json:
    return accepted(host.post(f"/v1/orders/{order['orderId']}/refunds", {"reason": "cannot come"} | body))


def findings(gateway: GatewayThread, event: Json) -> list[str]:
    return [each.invariant for each in gateway.run(audit_event(event["eventId"]))]


@PROVIDERS
def test_a_refund_that_fails_is_tried_again_under_a_new_key(
    provider: str, gateway: GatewayThread, host: Person, buyer: Person, event: Json, order: Json
) -> None:
    next_refunds(*address_of(provider), "failed")
    ask(host, order)
    done = refund_in(buyer, order, "succeeded", attempts=2)
    at_provider = refunds_at(provider, payment_of(gateway, order, provider))
    assert gone(at_provider) == done["amount"]["amountMinor"] == order["amounts"]["total"]["amountMinor"]
    assert len(at_provider) == 2
    assert findings(gateway, event) == []


def test_control_under_the_same_key_the_failed_refund_is_met_for_ever(
    gateway: GatewayThread, host: Person, buyer: Person, event: Json, order: Json, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Refund, "key", property(lambda refund: refund.refund_id))
    next_refunds(*address_of("stripe"), "failed")
    ask(host, order)
    refund_in(buyer, order, "failed", attempts=3)
    assert gone(refunds_at("stripe", payment_of(gateway, order, "stripe"))) == 0


@PROVIDERS
def test_a_refund_that_fails_for_good_stays_visible_and_can_be_retried(
    provider: str,
    gateway: GatewayThread,
    host: Person,
    buyer: Person,
    sign_in: SignIn,
    event: Json,
    order: Json,
    capfd: pytest.CaptureFixture[str],
) -> None:
    next_refunds(*address_of(provider), "failed", "failed", "failed")
    ask(host, order)
    failed = refund_in(host, order, "failed", attempts=3)
    assert failed["failure"]
    alerts_when(capfd, "refund failed for good")
    assert findings(gateway, event) == ["refunds finish"]
    path = f"/v1/refunds/{failed['refundId']}/retry"
    refused(buyer.post(path), 404, "not_found")
    refused(sign_in("stranger").get(f"/v1/orders/{order['orderId']}/refunds"), 404, "not_found")
    assert accepted(host.post(path))["status"] == "pending"
    done = refund_in(buyer, order, "succeeded", attempts=4)
    assert "failure" not in done
    refused(host.post(path), 409, "refund_not_failed")
    refused(host.post("/v1/refunds/ref_unknown/retry"), 404, "not_found")
    assert gone(refunds_at(provider, payment_of(gateway, order, provider))) == done["amount"]["amountMinor"]
    assert findings(gateway, event) == []


def test_a_refusal_is_a_failed_attempt_and_not_an_endless_retry(
    gateway: GatewayThread, host: Person, buyer: Person, event: Json, order: Json, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []

    async def refuse(*_: object, refund_key: str, **__: object) -> None:
        calls.append(refund_key)
        raise GatewayRefused("Your balance does not cover this.")

    with monkeypatch.context() as patch:
        patch.setattr(StripeGateway, "refund", refuse)
        refund = ask(host, order)
        assert refund_in(buyer, order, "failed", attempts=3)["failure"] == "Your balance does not cover this."
    key = refund["refundId"]
    assert calls == [key, f"{key}.2", f"{key}.3"]
    accepted(host.post(f"/v1/refunds/{key}/retry"))
    refund_in(buyer, order, "succeeded", attempts=4)
    assert findings(gateway, event) == []


@PROVIDERS
def test_a_refund_that_the_provider_takes_its_time_for_ends_by_its_word(
    provider: str, gateway: GatewayThread, host: Person, buyer: Person, event: Json, order: Json
) -> None:
    next_refunds(*address_of(provider), "pending")
    ask(host, order, ticketIds=order["ticketIds"][:1])
    payment_id = payment_of(gateway, order, provider)
    [pending] = eventually(lambda: refunds_at(provider, payment_id))
    end_refund(*address_of(provider), pending["id"], "failed")
    refund_in(buyer, order, "succeeded", attempts=2)
    assert len(refunds_at(provider, payment_id)) == 2
    assert findings(gateway, event) == []


def test_a_refund_that_the_bank_hands_back_is_owed_and_paid_again(
    gateway: GatewayThread, host: Person, buyer: Person, event: Json, order: Json
) -> None:
    ask(host, order)
    refund_in(buyer, order, "succeeded", attempts=1)
    payment_id = payment_of(gateway, order, "stripe")
    [paid] = refunds_at("stripe", payment_id)
    end_refund(*address_of("stripe"), paid["id"], "failed")
    done = refund_in(buyer, order, "succeeded", attempts=2)
    assert gone(refunds_at("stripe", payment_id)) == done["amount"]["amountMinor"]
    assert findings(gateway, event) == []


@PROVIDERS
def test_what_was_given_back_in_the_dashboard_is_not_paid_again(
    provider: str, gateway: GatewayThread, host: Person, buyer: Person, event: Json, order: Json
) -> None:
    """The provider refuses ours as it has nothing left; what stands there is taken for it. No webhook helps."""
    control(provider, "delivery", paused=True)
    payment_id = payment_of(gateway, order, provider)
    standing = refund_in_dashboard(provider, payment_id)
    ask(host, order)
    refund_in(buyer, order, "succeeded")
    assert [refund["id"] for refund in refunds_at(provider, payment_id)] == [standing]
    control(provider, "delivery")
    assert findings(gateway, event) == []


@PROVIDERS
def test_a_whole_refund_in_the_dashboard_ends_the_order(
    provider: str, gateway: GatewayThread, host: Person, buyer: Person, event: Json, order: Json
) -> None:
    refund_in_dashboard(provider, payment_of(gateway, order, provider))
    after = order_in(buyer, order["orderId"], "refunded")
    assert after["refunded"] == order["amounts"]["total"]
    lists = accepted(buyer.get("/v1/tickets"))
    assert (len(lists["upcoming"]), len(lists["cancelled"])) == (0, 2)
    left = accepted(host.get(f"/v1/events/{event['eventId']}/availability"))["tiers"][0]["available"]
    assert left == 9
    done = refund_in(buyer, order, "succeeded")
    assert (done["reason"], done["attempts"]) == ("refunded_at_provider", 0)
    assert findings(gateway, event) == []


@PROVIDERS
def test_a_part_refunded_in_the_dashboard_leaves_the_tickets_alone(
    provider: str, gateway: GatewayThread, host: Person, buyer: Person, event: Json, order: Json
) -> None:
    payment_id = payment_of(gateway, order, provider)
    refund_in_dashboard(provider, payment_id, 5_000)
    after = order_in(buyer, order["orderId"], "partially_refunded")
    assert after["refunded"]["amountMinor"] == 5_000
    assert len(accepted(buyer.get("/v1/tickets"))["upcoming"]) == 2
    ask(host, order)
    eventually(lambda: [each["status"] for each in listed(buyer, order)] == ["succeeded"] * 2)
    assert gone(refunds_at(provider, payment_id)) == order["amounts"]["total"]["amountMinor"]
    assert findings(gateway, event) == []


def test_a_duplicate_that_was_returned_in_the_dashboard_is_not_returned_twice(
    gateway: GatewayThread, buyer: Person, event: Json, order: Json
) -> None:
    """Paid at the other gateway too; its refund is heard of before its capture. The first tickets stay."""
    control("razorpay", "delivery", paused=True, order="reversed")
    second = hold(buyer, event)
    first = checkout(buyer, second["orderId"], "stripe")["gatewayReference"]
    double = checkout(buyer, second["orderId"], "razorpay")["gatewayReference"]
    pay_on_page("stripe", first)
    paid = order_in(buyer, second["orderId"], "ticketed")
    pay_on_page("razorpay", double)
    [captured] = provider_events("razorpay", "payment.captured")
    payment_id = captured["payload"]["payload"]["payment"]["entity"]["id"]
    standing = refund_in_dashboard("razorpay", payment_id)
    control("razorpay", "delivery", order="reversed")
    done = refund_in(buyer, second, "succeeded")
    assert done["reason"] == "paid_twice"
    assert [refund["id"] for refund in refunds_at("razorpay", payment_id)] == [standing]
    assert accepted(buyer.get(f"/v1/orders/{second['orderId']}"))["ticketIds"] == paid["ticketIds"]
    assert findings(gateway, event) == []


@PROVIDERS
def test_a_dispute_is_noted_and_alerted_and_a_lost_one_is_a_chargeback(
    provider: str,
    gateway: GatewayThread,
    buyer: Person,
    event: Json,
    order: Json,
    capfd: pytest.CaptureFixture[str],
) -> None:
    payment_id = payment_of(gateway, order, provider)
    dispute(*address_of(provider), payment_id, "needs_response" if provider == "stripe" else "open")
    assert payment_in(gateway, order, provider, "disputed")
    alerts_when(capfd, "payment disputed")
    assert accepted(buyer.get(f"/v1/orders/{order['orderId']}"))["status"] == "ticketed"
    dispute(*address_of(provider), payment_id, "lost")
    order_in(buyer, order["orderId"], "refunded")
    assert refund_in(buyer, order, "succeeded")["reason"] == "chargeback"
    assert refunds_at(provider, payment_id) == []
    assert findings(gateway, event) == []


def test_a_dispute_that_is_won_changes_nothing(gateway: GatewayThread, buyer: Person, event: Json, order: Json) -> None:
    payment_id = payment_of(gateway, order, "stripe")
    dispute(*address_of("stripe"), payment_id, "needs_response")
    assert payment_in(gateway, order, "stripe", "disputed")
    dispute(*address_of("stripe"), payment_id, "won")
    assert payment_in(gateway, order, "stripe", "captured")
    assert accepted(buyer.get(f"/v1/orders/{order['orderId']}"))["status"] == "ticketed"
    assert listed(buyer, order) == []
    assert findings(gateway, event) == []


def alerts_when(capfd: pytest.CaptureFixture[str], what: str) -> None:
    """A person is paged, right after it is written."""
    printed: list[str] = []

    def look() -> bool | None:
        printed.append(capfd.readouterr().out)
        return any(what in line and '"ALERT"' in line for line in "".join(printed).splitlines()) or None

    eventually(look)


def payment_in(gateway: GatewayThread, order: Json, provider: str, status: str) -> bool:
    async def read() -> bool | None:
        found = await clients.firestore().document(f"payments/{order['orderId']}_{provider}").get()
        return (found.to_dict() or {})["status"] == status or None

    return eventually(lambda: gateway.run(read()))
