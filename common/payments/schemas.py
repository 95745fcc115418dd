"""The shapes of payments, webhooks, refunds and the ledger."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field, StringConstraints

from common.money import Money
from common.orders.schemas import OrderStatus
from common.paging import Page
from common.payments.gateways import GatewayName, PaymentEventKind, RefundStatus
from common.wire import Opaque, Record, UtcDatetime, Wire


class PaymentStatus(StrEnum):
    CREATED = "created"
    AUTHORIZED = "authorized"
    CAPTURED = "captured"
    FAILED = "failed"
    REFUNDED = "refunded"
    DISPUTED = "disputed"


class CheckoutBody(Wire):
    """POST /v1/orders/{orderId}/checkout and …/confirm."""

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


class Outflow(Record):
    """A refund or a dispute at the provider: money that went back, or may. `refund_key` where it carries ours."""

    kind: PaymentEventKind
    amount_minor: int
    refund_key: str | None = None


class Attempt(Record):
    """All that is known of one payment at the provider; an order may have several, such as a declined one before."""

    reference: str
    kind: PaymentEventKind | None = None
    captured: Money | None = None
    captured_at: UtcDatetime | None = None
    fee_minor: int | None = None
    split_minor: int = 0
    outflows: dict[str, Outflow] = Field(default_factory=dict)


class Payment(Record):
    """payments/{orderId}_{gateway}: what one gateway was asked to collect for one order, and how that went.

    `reference` is the Stripe PaymentIntent, Razorpay order or Paystack transaction. `attempts` are the facts, by the
    provider's payment id; everything below them follows from them. `provider_payment_id` is the attempt that bought
    the order.
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
    attempts: dict[str, Attempt] = Field(default_factory=dict)
    heard_at: UtcDatetime | None = None
    provider_payment_id: str | None = None
    captured_at: UtcDatetime | None = None
    # What left the gateway again of all that it captured for this order.
    refunded_minor: int = 0
    # Attempts whose gateway fee is in the ledger.
    fees_booked: tuple[str, ...] = ()
    splits_booked: tuple[str, ...] = ()


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
    """refunds/{refundId}: money on its way back, in as many attempts as the provider needs.

    `attempt` 0 is a refund that somebody made at the provider; ours begin with 1. Each has a key of its own there.
    """

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
    attempt: int = 1
    # When the present attempt begins; None at once.
    due_at: UtcDatetime | None = None
    provider_refund_id: str | None = None
    # Refunds at the provider that stood for this one and failed.
    failed_refund_ids: tuple[str, ...] = ()
    failure: str | None = None
    succeeded_at: UtcDatetime | None = None

    @property
    def key(self) -> str:
        """The provider's idempotency key of the present attempt."""
        return self.refund_id if self.attempt == 1 else f"{self.refund_id}.{self.attempt}"


def refund_id_of(key: str) -> str:
    """The refund that a provider's key stands for, whichever attempt it is."""
    return key.partition(".")[0]


class RefundReply(Wire):
    """A refund; `pending` until the provider has confirmed it, `failed` once its attempts are used up."""

    refund_id: str
    order_id: str
    amount: Money
    reason: str
    ticket_ids: tuple[str, ...]
    status: RefundStatus
    attempts: int
    failure: str | None = None
    created_at: UtcDatetime
    succeeded_at: UtcDatetime | None = None


class RefundPage(Page[RefundReply]):
    """GET /v1/orders/{orderId}/refunds."""


class RunStatus(StrEnum):
    RUNNING = "running"
    DONE = "done"


class RefundRun(Record):
    """refundRuns/{eventId}: how far the orders of a cancelled event are given back. `cursor` is the last order done."""

    event_id: Opaque
    status: RunStatus
    orders: int = 0
    refunded: int = 0
    failed: int = 0
    amount_minor: int = 0
    currency: str
    page: int = 0
    cursor: str | None = None
    started_at: UtcDatetime
    updated_at: UtcDatetime


class RefundRunReply(Wire):
    """GET /v1/events/{eventId}/refund-run: orders seen so far, and what was done about them."""

    event_id: str
    status: RunStatus
    orders: int
    refunded: int
    failed: int
    amount_minor: int
    currency: str
    started_at: UtcDatetime
    updated_at: UtcDatetime


class RefundRunRef(Record):
    """The payload of refund_event."""

    event_id: Opaque
    page: int = 0


class RefundRef(Record):
    """The payload of execute_refund: each attempt has a task of its own."""

    refund_id: Opaque
    attempt: int = 1


class Posting(Record):
    """One side of a ledger entry: debits are positive, credits negative."""

    account: str
    amount_minor: int


class EntryKind(StrEnum):
    """What a ledger entry books."""

    SALE = "sale"
    GATEWAY_FEE = "gateway_fee"
    SPLIT = "split"
    STRAY_CAPTURE = "stray_capture"
    REFUND_OWED = "refund_owed"
    REFUND_PAID = "refund_paid"
    REFUND_BOUNCED = "refund_bounced"
    COMMISSION = "commission"
    PAYOUT = "payout"


class Totals(Record):
    """The postings of an entry by kind of account: what balances are summed from.

    Every field is stored in every entry: Firestore leaves a document out of a sum when it lacks any summed field.
    """

    gateway: int = 0
    gateway_fees: int = 0
    organizer: int = 0
    platform_fee: int = 0
    commission: int = 0
    tax: int = 0
    buyer: int = 0
    bank: int = 0


class LedgerEntry(Record):
    """ledger/{entryId}: append-only; the postings of an entry add up to zero, in one currency.

    `discount_minor` and `tickets` say what stands behind the money; nothing is posted for them.
    """

    entry_id: str
    kind: EntryKind
    event_id: Opaque
    org_id: Opaque | None
    order_id: Opaque | None
    currency: str
    postings: tuple[Posting, ...]
    totals: Totals
    discount_minor: int = 0
    tickets: int = 0
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
