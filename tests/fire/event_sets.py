"""The sets of events that providers realistically send about one payment, in their documented shapes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from common.config import Config
from common.payments.razorpay_gateway import RazorpayGateway
from common.payments.stripe_gateway import StripeGateway
from tests.payments.payloads import razorpay, stripe

if TYPE_CHECKING:
    from common.payments.gateways import PaymentEvent
    from tests.support.people import Json

CONFIG: Final = Config(project="demo-events")
WHOLE, PART, REST = 111_800, 40_000, 71_800


def told_by_stripe(*payloads: Json) -> tuple[PaymentEvent | None, ...]:
    """What the adapter makes of each; None for what changes nothing."""
    adapter = StripeGateway(CONFIG)
    return tuple(adapter.parse({}, json.dumps(each).encode()).event for each in payloads)


def told_by_razorpay(*payloads: Json) -> tuple[PaymentEvent | None, ...]:
    adapter = RazorpayGateway(CONFIG)
    headers = [{"X-Razorpay-Event-Id": f"event{number}"} for number in range(len(payloads))]
    pairs = zip(headers, payloads, strict=True)
    return tuple(adapter.parse(header, json.dumps(each).encode()).event for header, each in pairs)


STRIPE: Final[dict[str, tuple[Json, ...]]] = {
    "paid": (
        stripe.created(),
        stripe.requires_action(),
        stripe.processing(),
        stripe.authorized(),
        stripe.succeeded(),
    ),
    "declined, then paid": (stripe.created(), stripe.declined(), stripe.processing(), stripe.succeeded()),
    "declined": (stripe.created(), stripe.declined()),
    "wrong amount": (stripe.created(), stripe.authorized(amount=5), stripe.succeeded(amount=5)),
    "refunded in the dashboard": (
        stripe.succeeded(),
        stripe.refund("refund.created", "pending"),
        stripe.charge_refunded(),
        stripe.refund("refund.updated", "succeeded"),
    ),
    "refunded in part": (
        stripe.authorized(),
        stripe.succeeded(),
        stripe.refund("refund.created", "succeeded", PART),
        stripe.charge_refunded(refunded=PART),
    ),
    "refunded in two parts": (
        stripe.declined(),
        stripe.succeeded(),
        stripe.refund("refund.created", "succeeded", PART, "re_part"),
        stripe.refund("refund.created", "succeeded", REST, "re_rest"),
        stripe.charge_refunded(),
    ),
    "refund came back": (
        stripe.succeeded(),
        stripe.refund("refund.created", "succeeded"),
        stripe.refund("refund.updated", "failed"),
        stripe.refund("refund.failed", "failed"),
    ),
    "part came back": (
        stripe.succeeded(),
        stripe.refund("refund.created", "succeeded", PART),
        stripe.refund("refund.failed", "failed", PART),
    ),
    "wrong amount, refunded in the dashboard": (
        stripe.succeeded(amount=5),
        stripe.refund("refund.created", "pending", 5),
        stripe.refund("refund.updated", "succeeded", 5),
    ),
    "dispute lost": (
        stripe.succeeded(),
        stripe.dispute("charge.dispute.created", "needs_response"),
        stripe.dispute("charge.dispute.funds_withdrawn", "needs_response"),
        stripe.dispute("charge.dispute.updated", "under_review"),
        stripe.dispute("charge.dispute.closed", "lost"),
    ),
    "dispute won": (
        stripe.succeeded(),
        stripe.dispute("charge.dispute.created", "needs_response"),
        stripe.dispute("charge.dispute.funds_withdrawn", "needs_response"),
        stripe.dispute("charge.dispute.closed", "won"),
        stripe.dispute("charge.dispute.funds_reinstated", "won"),
    ),
    "refunded in part, the rest disputed": (
        stripe.succeeded(),
        stripe.refund("refund.created", "succeeded", PART),
        stripe.dispute("charge.dispute.created", "needs_response", REST),
        stripe.dispute("charge.dispute.closed", "lost", REST),
    ),
}
SECOND: Final[Json] = {"payment_id": "pay_QRazorpay00002"}
RAZORPAY: Final[dict[str, tuple[Json, ...]]] = {
    "paid": (razorpay.authorized(), razorpay.captured(), razorpay.order_paid()),
    "declined, then paid": (
        razorpay.failed(),
        razorpay.authorized(**SECOND),
        razorpay.captured(**SECOND),
        razorpay.order_paid(**SECOND),
    ),
    "failed, then late authorized": (
        razorpay.failed(),
        razorpay.authorized(),
        razorpay.captured(),
        razorpay.order_paid(),
    ),
    "two attempts both captured": (
        razorpay.failed(),
        razorpay.authorized(),
        razorpay.captured(),
        razorpay.authorized(**SECOND),
        razorpay.captured(**SECOND),
    ),
    "refunded in the dashboard": (
        razorpay.authorized(),
        razorpay.captured(),
        razorpay.refund("refund.created"),
        razorpay.refund("refund.processed"),
    ),
    "refund failed": (
        razorpay.captured(),
        razorpay.refund("refund.created"),
        razorpay.refund("refund.failed"),
    ),
    "part refunded, part failed": (
        razorpay.captured(),
        razorpay.refund("refund.created", PART),
        razorpay.refund("refund.processed", PART),
        razorpay.refund("refund.failed", REST, "rfnd_QRazorpay0002"),
    ),
    "dispute lost": (
        razorpay.captured(),
        razorpay.dispute("created"),
        razorpay.dispute("under_review"),
        razorpay.dispute("action_required"),
        razorpay.dispute("lost"),
    ),
    "dispute won": (razorpay.captured(), razorpay.dispute("created"), razorpay.dispute("won")),
    "inquiry closed": (razorpay.captured(), razorpay.dispute("created"), razorpay.dispute("closed")),
}
SETS: Final[dict[str, tuple[PaymentEvent | None, ...]]] = {
    **{f"stripe, {name}": told_by_stripe(*payloads) for name, payloads in STRIPE.items()},
    **{f"razorpay, {name}": told_by_razorpay(*payloads) for name, payloads in RAZORPAY.items()},
}
