"""What the adapters make of the providers' documented events, and of what the providers answer when they are asked."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from common.config import Config
from common.payments.gateways import PaymentEventKind as Kind
from common.payments.razorpay_gateway import RazorpayGateway
from common.payments.stripe_gateway import StripeGateway
from tests.payments.payloads import razorpay, stripe
from tests.payments.test_gateways import BOTH, HOOK_SECRET, INR_500, Shop, providers, shop
from tests.support.provider_mishaps import dispute, end_refund, next_refunds

if TYPE_CHECKING:
    from common.payments.gateways import PaymentEvent
    from tests.support.people import Json

__all__ = ["providers", "shop"]
CONFIG = Config(project="demo-payloads", stripe_webhook_secret=HOOK_SECRET, razorpay_webhook_secret=HOOK_SECRET)
STRIPE: list[tuple[Json, tuple[Kind, int, str | None, str | None] | None]] = [
    (stripe.created(), None),
    (stripe.requires_action(), None),
    (stripe.processing(), None),
    (stripe.authorized(), (Kind.AUTHORIZED, 111_800, None, None)),
    (stripe.succeeded(), (Kind.CAPTURED, 111_800, None, None)),
    (stripe.declined(), (Kind.FAILED, 111_800, None, None)),
    (stripe.charge_refunded(), None),
    (stripe.refund("refund.created", "pending"), None),
    (stripe.refund("refund.updated", "requires_action"), None),
    (stripe.refund("refund.created", "succeeded", 7), (Kind.REFUNDED, 7, "re_3QDashboard", None)),
    (stripe.refund("refund.updated", "succeeded", 7, key="ref_1"), (Kind.REFUNDED, 7, "re_3QDashboard", "ref_1")),
    (stripe.refund("refund.failed", "failed", 7, key="ref_1"), (Kind.REFUND_FAILED, 7, "re_3QDashboard", "ref_1")),
    (stripe.refund("refund.updated", "canceled", 7), (Kind.REFUND_FAILED, 7, "re_3QDashboard", None)),
    (stripe.dispute("charge.dispute.created", "needs_response"), (Kind.DISPUTED, 111_800, "du_1QStripe", None)),
    (stripe.dispute("charge.dispute.created", "warning_needs_response"), (Kind.DISPUTED, 111_800, "du_1QStripe", None)),
    (stripe.dispute("charge.dispute.funds_withdrawn", "under_review"), (Kind.DISPUTED, 111_800, "du_1QStripe", None)),
    (stripe.dispute("charge.dispute.closed", "won"), (Kind.DISPUTE_WON, 111_800, "du_1QStripe", None)),
    (stripe.dispute("charge.dispute.closed", "warning_closed"), (Kind.DISPUTE_WON, 111_800, "du_1QStripe", None)),
    (stripe.dispute("charge.dispute.closed", "lost", 7), (Kind.DISPUTE_LOST, 7, "du_1QStripe", None)),
]
RAZORPAY: list[tuple[Json, tuple[Kind, int, str | None, str | None] | None]] = [
    (razorpay.authorized(), (Kind.AUTHORIZED, 111_800, None, None)),
    (razorpay.captured(), (Kind.CAPTURED, 111_800, None, None)),
    (razorpay.failed(), (Kind.FAILED, 111_800, None, None)),
    (razorpay.order_paid(), None),
    (razorpay.refund("refund.created"), None),
    (razorpay.refund("refund.processed", 7), (Kind.REFUNDED, 7, "rfnd_QRazorpay0001", None)),
    (razorpay.refund("refund.processed", 7, key="r.2"), (Kind.REFUNDED, 7, "rfnd_QRazorpay0001", "r.2")),
    (razorpay.refund("refund.failed", 7, key="r"), (Kind.REFUND_FAILED, 7, "rfnd_QRazorpay0001", "r")),
    (razorpay.dispute("created"), (Kind.DISPUTED, 111_800, "disp_QRazorpay0001", None)),
    (razorpay.dispute("under_review"), (Kind.DISPUTED, 111_800, "disp_QRazorpay0001", None)),
    (razorpay.dispute("won"), (Kind.DISPUTE_WON, 111_800, "disp_QRazorpay0001", None)),
    (razorpay.dispute("closed"), (Kind.DISPUTE_WON, 111_800, "disp_QRazorpay0001", None)),
    (razorpay.dispute("lost", 7), (Kind.DISPUTE_LOST, 7, "disp_QRazorpay0001", None)),
]


def told(event: PaymentEvent | None) -> tuple[Kind, int, str | None, str | None] | None:
    if event is None:
        return None
    return event.kind, event.amount.amount_minor, event.refund_id, event.refund_key


@pytest.mark.parametrize(
    ("payload", "expected"), STRIPE, ids=[f"{p['type']} {p['data']['object']['status']}" for p, _ in STRIPE]
)
def test_what_stripe_s_events_tell(payload: Json, expected: Any) -> None:
    parsed = StripeGateway(CONFIG).parse({}, json.dumps(payload).encode())
    assert (parsed.event_id, parsed.type) == (payload["id"], payload["type"])
    assert told(parsed.event) == expected
    if parsed.event is not None:
        assert (parsed.event.reference, parsed.event.payment_id) == ("pi_3QStripe", "pi_3QStripe")
        assert (parsed.event.amount.currency, parsed.event.fee_minor) == ("INR", None)


@pytest.mark.parametrize(("payload", "expected"), RAZORPAY, ids=[p["event"] for p, _ in RAZORPAY])
def test_what_razorpay_s_events_tell(payload: Json, expected: Any) -> None:
    parsed = RazorpayGateway(CONFIG).parse({"X-Razorpay-Event-Id": "e1"}, json.dumps(payload).encode())
    assert (parsed.event_id, parsed.type) == ("e1", payload["event"])
    assert told(parsed.event) == expected
    if parsed.event is not None:
        names = (parsed.event.reference, parsed.event.payment_id)
        assert names == ("order_QRazorpay0001", "pay_QRazorpay00001")
        # The fee with its tax, and of a capture only.
        assert parsed.event.fee_minor == (razorpay.FEE if parsed.event.kind is Kind.CAPTURED else None)


def facts(shop: Shop, reference: str) -> list[tuple[Kind, int, str | None, str | None]]:
    found = shop.run(lambda gateway: gateway.facts_of(reference))
    assert len({fact.event_id for fact in found}) == len(found)
    assert {fact.reference for fact in found} <= {reference}
    return sorted(fact for each in found if (fact := told(each)) is not None)


@BOTH
def test_what_stands_at_the_provider_is_what_its_events_told(shop: Shop) -> None:
    checkout = shop.checkout()
    assert facts(shop, checkout.reference) == []
    shop.decide(checkout.reference, "decline")
    assert [kind for kind, *_ in facts(shop, checkout.reference)] == [Kind.FAILED]
    shop.decide(checkout.reference, "pay")
    event = shop.heard(Kind.CAPTURED)[0]
    captured = (Kind.CAPTURED, INR_500.amount_minor, None, None)
    assert captured in facts(shop, checkout.reference)
    ours = shop.refund(event, 20_000, "refund-1").refund_id
    next_refunds(shop.url, shop.key, "failed", "pending")
    failed = shop.refund(event, 10_000, "refund-2").refund_id
    pending = shop.refund(event, 10_000, "refund-2.2").refund_id
    standing = [fact for fact in facts(shop, checkout.reference) if fact[0] is not Kind.FAILED]
    expected = [
        captured,
        (Kind.REFUND_FAILED, 10_000, failed, "refund-2"),
        (Kind.REFUNDED, 20_000, ours, "refund-1"),
    ]
    assert standing == expected
    end_refund(shop.url, shop.key, pending, "succeeded")
    shop.heard(Kind.REFUNDED, 2)
    assert (Kind.REFUNDED, 10_000, pending, "refund-2.2") in facts(shop, checkout.reference)


@BOTH
def test_a_capture_that_is_asked_about_has_its_fee(shop: Shop) -> None:
    event = shop.paid()
    [capture] = [
        fact for fact in shop.run(lambda gateway: gateway.facts_of(event.reference)) if fact.kind is Kind.CAPTURED
    ]
    assert capture.fee_minor
    assert (capture.payment_id, capture.amount) == (event.payment_id, event.amount)


@BOTH
def test_a_dispute_is_heard_of_to_its_end(shop: Shop) -> None:
    event = shop.paid()
    lost = "lost"
    dispute(shop.url, shop.key, event.payment_id, "needs_response" if shop.name == "stripe" else "open")
    dispute(shop.url, shop.key, event.payment_id, lost)
    [opened], [closed] = shop.heard(Kind.DISPUTED), shop.heard(Kind.DISPUTE_LOST)
    assert opened.refund_id == closed.refund_id
    assert (closed.payment_id, closed.amount) == (event.payment_id, event.amount)
    if shop.name == "stripe":
        assert Kind.DISPUTE_LOST in {kind for kind, *_ in facts(shop, event.reference)}
