"""The shapes of payments, webhooks, refunds and the ledger."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field, StringConstraints

from common.money import Money
from common.orders.schemas import OrderStatus
from common.payments.gateways import GatewayName, RefundStatus
from common.wire import Opaque, Record, UtcDatetime, Wire


class PaymentStatus(StrEnum):
    CREATED = "created"
    AUTHORIZED = "authorized"
    CAPTURED = "captured"
    FAILED = "failed"
    REFUNDED = "refunded"
    DISPUTED = "disputed"


class CheckoutBody(Wire):
    """POST /v1/orders/{orderId}/checkout."""

    gateway: GatewayName


class CheckoutReply(Wire):
    """What the provider's mobile SDK needs; a free order is ticketed at once and needs nothing."""

    order_id: str
    order_status: OrderStatus
    gateway: GatewayName
    gateway_reference: str | None = None
    client_secret: str | None = None
    publishable_key: str | None = None
    key_id: str | None = None
    authorization_url: str | None = None
    amount: Money


class Payment(Record):
    """payments/{orderId}_{gateway}: what one gateway was asked to collect for one order, and how that went.

    `reference` is the Stripe PaymentIntent, Razorpay order or Paystack transaction, `provider_payment_id` what a
    refund refers to.
    """

    payment_id: str
    order_id: Opaque
    event_id: Opaque
    gateway: GatewayName
    reference: str
    amount: Money
    client: dict[str, str]
    status: PaymentStatus
    created_at: UtcDatetime
    provider_payment_id: str | None = None
    captured_at: UtcDatetime | None = None
    refunded_minor: int = 0


class WebhookStatus(StrEnum):
    STORED = "stored"
    SETTLED = "settled"
    IGNORED = "ignored"
    UNMATCHED = "unmatched"


class Webhook(Record):
    """webhooks/{gateway}_{provider's event id}: the inbox, so that a repeat is known and nothing is lost."""

    webhook_id: str
    gateway: GatewayName
    body: str
    headers: dict[str, str]
    received_at: UtcDatetime
    status: WebhookStatus = WebhookStatus.STORED


class WebhookRef(Record):
    """The payload of settle_payment."""

    webhook_id: str


class RefundRequest(Wire):
    """POST /v1/orders/{orderId}/refunds. Neither tickets nor amount: all that is left of the order."""

    ticket_ids: Annotated[tuple[Opaque, ...], Field(min_length=1, max_length=50)] | None = None
    amount: Money | None = None
    reason: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]


class Refund(Record):
    """refunds/{refundId}: money on its way back. The id is the provider's idempotency key."""

    refund_id: Opaque
    order_id: Opaque
    event_id: Opaque
    org_id: Opaque
    buyer_id: str
    gateway: GatewayName | None
    provider_payment_id: str | None
    amount: Money
    reason: str
    ticket_ids: tuple[str, ...]
    status: RefundStatus
    requested_by: str
    # A capture that bought nothing and goes back whole; it is no part of what the order cost.
    stray: bool = False
    created_at: UtcDatetime
    provider_refund_id: str | None = None
    failure: str | None = None
    succeeded_at: UtcDatetime | None = None


class RefundReply(Wire):
    """A refund; `pending` until the provider has confirmed it."""

    refund_id: str
    order_id: str
    amount: Money
    reason: str
    ticket_ids: tuple[str, ...]
    status: RefundStatus
    created_at: UtcDatetime


class RefundRef(Record):
    """The payload of execute_refund."""

    refund_id: Opaque


class Posting(Record):
    """One side of a ledger entry: debits are positive, credits negative."""

    account: str
    amount_minor: int


class LedgerEntry(Record):
    """ledger/{entryId}: append-only; the postings of an entry add up to zero, in one currency."""

    entry_id: str
    order_id: Opaque
    event_id: Opaque
    currency: str
    postings: tuple[Posting, ...]
    occurred_at: UtcDatetime


class Discrepancy(StrEnum):
    """How a provider's books and ours may differ about one payment."""

    CAPTURE_MISSING_HERE = "capture_missing_here"
    CAPTURE_MISSING_THERE = "capture_missing_there"
    REFUND_MISSING_HERE = "refund_missing_here"
    REFUND_UNFINISHED_HERE = "refund_unfinished_here"
    REFUND_MISSING_THERE = "refund_missing_there"
    AMOUNT_DIFFERS = "amount_differs"
    FEE_NOT_BOOKED = "fee_not_booked"
    FOREIGN = "foreign"


class Finding(Record):
    """One discrepancy, as a person reads it."""

    discrepancy: Discrepancy
    payment_id: str
    order_id: str | None
    detail: str


class Reconciliation(Record):
    """reconciliations/{date}_{gateway}: what a comparison with one provider found, and what is left after repairs.

    Sums are captured less refunded, by currency, over the payments that are in no motion now; `foreign` are payments
    of no order of ours, which count for nothing. The lists are cut off, the counts are not.
    """

    gateway: GatewayName
    since: UtcDatetime
    until: UtcDatetime
    counts: dict[str, int]
    sum_theirs: dict[str, int]
    sum_ours: dict[str, int]
    difference: dict[str, int]
    repaired: tuple[Finding, ...]
    unexplained: tuple[Finding, ...]
    foreign: tuple[Finding, ...]
    finished_at: UtcDatetime
