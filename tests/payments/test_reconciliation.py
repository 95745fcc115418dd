"""Webhooks that never came, refunds made in the dashboard, strangers' payments: our books end as the provider's."""

from __future__ import annotations

import os
import sys
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from common import clients, clock
from common.operations.audit import audit_event
from common.payments import reconciliation, settlement
from common.payments.gateways import GatewayName, GatewayUnavailable, PaymentEventKind
from common.payments.providers import gateway as provider_of
from common.payments.reconciliation import reconcile
from common.payments.schemas import Discrepancy, WebhookStatus
from tests.operations.jobs import Jobs
from tests.support.payments import ACCOUNTS, checkout, control, order_in, pay_on_page
from tests.support.people import (
    Json,
    Person,
    accepted,
    create_organization,
    eventually,
    order_body,
    publish_event,
    tier_body,
)
from tests.support.provider_mishaps import dispute
from triggers.payments.reconcile_payments import SETTLING

if TYPE_CHECKING:
    from common.payments.gateways import PaymentEvent
    from common.payments.schemas import Reconciliation
    from tests.support.people import SigningKeys
    from tests.support.server import GatewayThread

PROVIDERS = pytest.mark.parametrize("provider", list(GatewayName))


@pytest.fixture
def jobs(anonymous: httpx.Client, signing_keys: SigningKeys) -> Jobs:
    return Jobs(anonymous, signing_keys)


@pytest.fixture
def event(provider: GatewayName, deployed: str, host: Person) -> Json:
    """In the currency that this provider is used for."""
    if provider is not GatewayName.PAYSTACK:
        return publish_event(host, tier_body(capacity=20))
    org_id = create_organization(host, country="NG", currency="NGN")
    return publish_event(host, tier_body(capacity=20, price={"amountMinor": 500_000, "currency": "NGN"}), org_id=org_id)


def hold(buyer: Person, event: Json) -> Json:
    return accepted(buyer.post("/v1/orders", order_body(event)))


def pay(buyer: Person, event: Json, provider: str) -> tuple[Json, str]:
    """A held order that its buyer has paid, and what the provider knows it by."""
    order = hold(buyer, event)
    reference = checkout(buyer, order["orderId"], provider)["gatewayReference"]
    assert pay_on_page(provider, reference).status_code == 200
    return order, reference


def run(gateway: GatewayThread, provider: GatewayName) -> Reconciliation:
    """As after a fault run: nothing is too young."""
    now = clock.now()
    return gateway.run(reconcile(provider, now - timedelta(days=1), now + timedelta(seconds=1)))


def found(report: Reconciliation) -> list[str]:
    return sorted(each.discrepancy for each in report.repaired)


def fees_of(gateway: GatewayThread, order_id: str) -> list[Json]:
    async def look() -> list[Json]:
        entries = [each.to_dict() or {} async for each in clients.firestore().collection("ledger").stream()]
        return [each for each in entries if each["orderId"] == order_id and each["entryId"].endswith("_fee")]

    return gateway.run(look())


@PROVIDERS
def test_payments_whose_webhooks_were_lost_are_settled(
    provider: GatewayName, gateway: GatewayThread, buyer: Person, event: Json
) -> None:
    control(provider, "delivery", lost=True)
    orders = [pay(buyer, event, provider)[0] for _ in range(2)]
    report = run(gateway, provider)
    for order in orders:
        assert len(order_in(buyer, order["orderId"], "ticketed")["ticketIds"]) == 1
    assert found(report).count(Discrepancy.CAPTURE_MISSING_HERE) == 2
    assert (report.unexplained, report.foreign) == ((), ())
    total = orders[0]["amounts"]["total"]
    assert report.sum_theirs == report.sum_ours == {total["currency"]: 2 * total["amountMinor"]}
    assert report.difference == {total["currency"]: 0}
    [fee] = fees_of(gateway, orders[0]["orderId"])
    assert {posting["account"] for posting in fee["postings"]} == {f"gateway_fees:{provider}", f"gateway:{provider}"}
    assert gateway.run(audit_event(event["eventId"])) == ()


@PROVIDERS
def test_a_second_run_finds_nothing(provider: GatewayName, gateway: GatewayThread, buyer: Person, event: Json) -> None:
    control(provider, "delivery", lost=True)
    order, _ = pay(buyer, event, provider)
    run(gateway, provider)
    again = run(gateway, provider)
    assert (again.repaired, again.unexplained) == ((), ())
    assert again.counts["theirs"] == again.counts["ours"] == 1
    assert len(fees_of(gateway, order["orderId"])) == 1

    async def stored() -> Json:
        path = f"reconciliations/{again.until:%Y-%m-%d}_{provider}"
        return (await clients.firestore().document(path).get()).to_dict() or {}

    assert gateway.run(stored())["difference"] == again.difference


@pytest.mark.parametrize("provider", [GatewayName.STRIPE])
def test_control_without_repairs_the_difference_stays(
    provider: GatewayName, gateway: GatewayThread, buyer: Person, event: Json, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def nothing(_: PaymentEvent) -> WebhookStatus:
        return WebhookStatus.IGNORED

    monkeypatch.setattr(settlement, "act_on", nothing)
    control(provider, "delivery", lost=True)
    order, _ = pay(buyer, event, provider)
    report = run(gateway, provider)
    assert [each.discrepancy for each in report.unexplained] == [Discrepancy.CAPTURE_MISSING_HERE]
    assert report.difference == {"INR": order["amounts"]["total"]["amountMinor"]}
    assert accepted(buyer.get(f"/v1/orders/{order['orderId']}"))["status"] == "held"


@PROVIDERS
def test_a_webhook_that_comes_after_all_changes_nothing(
    provider: GatewayName, gateway: GatewayThread, buyer: Person, event: Json
) -> None:
    control(provider, "delivery", paused=True)
    order, _ = pay(buyer, event, provider)
    run(gateway, provider)
    tickets = order_in(buyer, order["orderId"], "ticketed")["ticketIds"]
    control(provider, "delivery")
    eventually(lambda: True if settled_webhooks(gateway) else None)
    assert accepted(buyer.get(f"/v1/orders/{order['orderId']}"))["ticketIds"] == tickets
    assert run(gateway, provider).difference == {order["amounts"]["total"]["currency"]: 0}
    assert gateway.run(audit_event(event["eventId"])) == ()


def settled_webhooks(gateway: GatewayThread) -> list[str]:
    async def look() -> list[str]:
        kept = [each.to_dict() or {} async for each in clients.firestore().collection("webhooks").stream()]
        return [each["status"] for each in kept if each["status"] == WebhookStatus.SETTLED]

    return gateway.run(look())


@PROVIDERS
def test_a_payment_that_went_back_is_even(
    provider: GatewayName, gateway: GatewayThread, buyer: Person, event: Json
) -> None:
    """The order was cancelled before its payment was heard of: settling it sends the money back."""
    control(provider, "delivery", lost=True)
    order = hold(buyer, event)
    reference = checkout(buyer, order["orderId"], provider)["gatewayReference"]
    accepted(buyer.post(f"/v1/orders/{order['orderId']}/cancel"))
    pay_on_page(provider, reference)
    first = run(gateway, provider)
    assert found(first) == [Discrepancy.CAPTURE_MISSING_HERE]
    assert first.unexplained == ()

    currency = order["amounts"]["total"]["currency"]

    def gone() -> Reconciliation | None:
        report = run(gateway, provider)
        assert (report.unexplained, set(report.difference.values()) - {0}) == ((), set())
        return report if report.sum_theirs == {currency: 0} else None

    eventually(gone)
    assert gateway.run(audit_event(event["eventId"])) == ()


def refund_in_dashboard(provider: GatewayName, gateway: GatewayThread, payment_id: str, amount: int) -> None:
    """Somebody presses the provider's own button."""
    base, key = os.environ[f"{provider.upper()}_API_BASE"], os.environ[ACCOUNTS[provider]]
    more: dict[GatewayName, dict[str, Any]] = {
        GatewayName.STRIPE: {"data": {"payment_intent": payment_id, "amount": amount}, "auth": (key, "")},
        GatewayName.RAZORPAY: {"json": {"amount": amount}, "auth": (key, os.environ["RAZORPAY_KEY_SECRET"])},
        GatewayName.PAYSTACK: {
            "json": {"transaction": payment_id, "amount": amount},
            "headers": {"Authorization": f"Bearer {key}"},
        },
    }
    paths = {
        GatewayName.STRIPE: "/v1/refunds",
        GatewayName.RAZORPAY: f"/v1/payments/{payment_id}/refund",
        GatewayName.PAYSTACK: "/refund",
    }
    accepted(httpx.post(base + paths[provider], trust_env=False, **more[provider]))


@PROVIDERS
def test_a_refund_made_in_the_dashboard_is_found(
    provider: GatewayName, gateway: GatewayThread, buyer: Person, event: Json
) -> None:
    """And booked, as if it had been heard of."""
    order, _ = pay(buyer, event, provider)
    paid = order_in(buyer, order["orderId"], "ticketed")
    payment_id = payment_of(gateway, paid["orderId"], provider)["providerPaymentId"]
    control(provider, "delivery", lost=True)
    refund_in_dashboard(provider, gateway, payment_id, 10_000)
    report = run(gateway, provider)
    told = [each for each in report.repaired if each.discrepancy != Discrepancy.FEE_NOT_BOOKED]
    assert [(each.discrepancy, each.payment_id) for each in told] == [(Discrepancy.REFUND_MISSING_HERE, payment_id)]
    assert (report.unexplained, report.difference) == ((), {order["amounts"]["total"]["currency"]: 0})
    assert accepted(buyer.get(f"/v1/orders/{order['orderId']}"))["status"] == "partially_refunded"
    assert gateway.run(audit_event(event["eventId"])) == ()


def payment_of(gateway: GatewayThread, order_id: str, provider: GatewayName) -> Json:
    async def look() -> Json:
        return (await clients.firestore().document(f"payments/{order_id}_{provider}").get()).to_dict() or {}

    return gateway.run(look())


@PROVIDERS
def test_a_refund_whose_end_was_not_heard_of_is_finished(
    provider: GatewayName, gateway: GatewayThread, host: Person, buyer: Person, event: Json
) -> None:
    """Our call made it, and we died before we wrote that down."""
    order, _ = pay(buyer, event, provider)
    order_in(buyer, order["orderId"], "ticketed")
    control(provider, "delivery", lost=True)
    asked = accepted(host.post(f"/v1/orders/{order['orderId']}/refunds", {"reason": "Rained off"}))

    def done() -> Json | None:
        refund = document(gateway, f"refunds/{asked['refundId']}")
        return refund if refund["status"] == "succeeded" else None

    eventually(done, 30)

    async def forget() -> None:
        # All that complete_refund wrote.
        await clients.firestore().document(f"refunds/{asked['refundId']}").update({"status": "pending"})
        await clients.firestore().document(f"ledger/{asked['refundId']}_paid").delete()

    gateway.run(forget())
    report = run(gateway, provider)
    assert Discrepancy.REFUND_UNFINISHED_HERE in found(report)
    assert report.unexplained == ()
    assert set(report.difference.values()) == {0}
    assert document(gateway, f"ledger/{asked['refundId']}_paid")["postings"]


@pytest.mark.parametrize("provider", [GatewayName.STRIPE, GatewayName.RAZORPAY])
def test_a_lost_dispute_is_no_refund_on_either_side(
    provider: GatewayName, gateway: GatewayThread, buyer: Person, event: Json
) -> None:
    order, _ = pay(buyer, event, provider)
    paid = order_in(buyer, order["orderId"], "ticketed")
    payment_id = payment_of(gateway, paid["orderId"], provider)["providerPaymentId"]
    base, key = os.environ[f"{provider.upper()}_API_BASE"], os.environ[ACCOUNTS[provider]]
    dispute(base, key, payment_id, "needs_response" if provider is GatewayName.STRIPE else "open")
    dispute(base, key, payment_id, "lost")
    order_in(buyer, order["orderId"], "refunded")
    report = run(gateway, provider)
    assert (report.unexplained, set(report.difference.values())) == ((), {0})
    assert report.counts["inMotion"] == 0


def document(gateway: GatewayThread, path: str) -> Json:
    async def look() -> Json:
        return (await clients.firestore().document(path).get()).to_dict() or {}

    return gateway.run(look())


@pytest.mark.parametrize("provider", [GatewayName.STRIPE])
def test_a_stranger_s_payment_is_reported_and_left_alone(
    provider: GatewayName, gateway: GatewayThread, buyer: Person, event: Json
) -> None:
    """The account may serve others, too."""
    order, _ = pay(buyer, event, provider)
    order_in(buyer, order["orderId"], "ticketed")
    base, key = os.environ["STRIPE_API_BASE"], os.environ["STRIPE_SECRET_KEY"]
    asked = {"amount": "777", "currency": "inr", "payment_method": "pm_card_visa", "confirm": "true"}
    strange = accepted(httpx.post(f"{base}/v1/payment_intents", data=asked, auth=(key, ""), trust_env=False))
    report = run(gateway, provider)
    assert [each.payment_id for each in report.foreign] == [strange["id"]]
    assert (report.unexplained, report.difference) == ((), {"INR": 0})
    assert report.sum_theirs == {"INR": order["amounts"]["total"]["amountMinor"]}
    refunds = httpx.get(f"{base}/v1/refunds", auth=(key, ""), trust_env=False).json()
    assert refunds["data"] == []


@pytest.mark.parametrize("provider", [GatewayName.STRIPE])
def test_a_payment_that_the_provider_does_not_know_is_reported(
    provider: GatewayName, gateway: GatewayThread, buyer: Person, event: Json
) -> None:
    order, _ = pay(buyer, event, provider)
    order_in(buyer, order["orderId"], "ticketed")

    async def forge() -> None:
        document = clients.firestore().document(f"payments/{order['orderId']}_stripe")
        attempts = ((await document.get()).to_dict() or {})["attempts"]
        forged = {"providerPaymentId": "pi_forged", "attempts": {"pi_forged": attempts.popitem()[1]}}
        await document.update(forged)

    gateway.run(forge())
    report = run(gateway, provider)
    missing = [each for each in report.unexplained if each.discrepancy is Discrepancy.CAPTURE_MISSING_THERE]
    assert [each.payment_id for each in missing] == ["pi_forged"]
    assert report.difference["INR"] != 0


@PROVIDERS
def test_books_of_many_pages_and_a_provider_that_fails_between_them(
    provider: GatewayName, gateway: GatewayThread, buyer: Person, event: Json, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.modules[type(provider_of(provider)).__module__], "PAGE", 1)
    monkeypatch.setattr(reconciliation, "VALUES_IN_A_QUERY", 2)
    control(provider, "delivery", lost=True)
    orders = [pay(buyer, event, provider)[0] for _ in range(3)]
    lists = {"stripe": "/v1/payment_intents", "razorpay": "/v1/payments", "paystack": "/transaction"}
    real = type(provider_of(provider)).payments_between

    async def failing(self: Any, *span: Any) -> Any:
        async for payment in real(self, *span):
            yield payment
            control(provider, "faults", method="GET", path=lists[provider], mode="before", times=2)

    with monkeypatch.context() as patch:
        patch.setattr(type(provider_of(provider)), "payments_between", failing)
        with pytest.raises(GatewayUnavailable):
            run(gateway, provider)
    assert [accepted(buyer.get(f"/v1/orders/{each['orderId']}"))["status"] for each in orders] == ["held"] * 3
    report = eventually(lambda: attempt(gateway, provider))
    assert report.counts["theirs"] == 3
    assert set(report.difference.values()) == {0}
    for order in orders:
        order_in(buyer, order["orderId"], "ticketed")


def attempt(gateway: GatewayThread, provider: GatewayName) -> Reconciliation | None:
    """A run, once the faults are used up."""
    try:
        return run(gateway, provider)
    except GatewayUnavailable:
        return None


@pytest.mark.parametrize("provider", [GatewayName.STRIPE])
def test_the_nightly_job_lets_the_young_be_and_settles_the_rest(
    provider: GatewayName,
    gateway: GatewayThread,
    buyer: Person,
    event: Json,
    jobs: Jobs,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    control(provider, "delivery", lost=True)
    order, _ = pay(buyer, event, provider)
    assert jobs.call("reconcile_payments").status_code == 204
    assert accepted(buyer.get(f"/v1/orders/{order['orderId']}"))["status"] == "held"
    real = clock.now
    monkeypatch.setattr(clock, "now", lambda: real() + SETTLING + timedelta(minutes=1))
    assert jobs.call("reconcile_payments").status_code == 204
    order_in(buyer, order["orderId"], "ticketed")


@pytest.mark.parametrize("provider", [GatewayName.STRIPE])
def test_one_provider_that_fails_fails_the_run_after_the_others(
    provider: GatewayName,
    gateway: GatewayThread,
    buyer: Person,
    event: Json,
    jobs: Jobs,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    control("stripe", "delivery", lost=True)
    order, _ = pay(buyer, event, "stripe")
    for path in ("/v1/payments", "/v1/refunds"):
        control("razorpay", "faults", method="GET", path=path, mode="before", times=1)
    real = clock.now
    monkeypatch.setattr(clock, "now", lambda: real() + SETTLING + timedelta(minutes=1))
    assert jobs.call("reconcile_payments").status_code == 503
    order_in(buyer, order["orderId"], "ticketed")
    day = clock.now() - SETTLING
    assert document(gateway, f"reconciliations/{day:%Y-%m-%d}_stripe")["difference"] == {"INR": 0}
    assert document(gateway, f"reconciliations/{day:%Y-%m-%d}_razorpay") == {}


@pytest.mark.parametrize("provider", [GatewayName.STRIPE])
def test_a_repair_that_fails_keeps_no_other_from_being_made(
    provider: GatewayName, gateway: GatewayThread, buyer: Person, event: Json, monkeypatch: pytest.MonkeyPatch
) -> None:
    control(provider, "delivery", lost=True)
    (poisoned, reference), (order, _) = pay(buyer, event, provider), pay(buyer, event, provider)
    real = settlement.act_on

    async def failing(fact: PaymentEvent) -> WebhookStatus:
        if fact.reference == reference and fact.kind is PaymentEventKind.CAPTURED:
            raise RuntimeError("it cannot be settled")
        return await real(fact)

    with monkeypatch.context() as patch:
        patch.setattr(settlement, "act_on", failing)
        report = run(gateway, provider)
    order_in(buyer, order["orderId"], "ticketed")
    assert [each.payment_id for each in report.unexplained] == [reference]
    assert report.difference == {"INR": poisoned["amounts"]["total"]["amountMinor"]}
    assert run(gateway, provider).difference == {"INR": 0}
