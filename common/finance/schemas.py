"""The shapes of commission, statements and payouts."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field, StringConstraints

from common.money import Currency
from common.paging import CursorText, Page, PageSize
from common.wire import Name, Opaque, Record, UtcDatetime, Wire

LOWEST_RATE = 500
HIGHEST_RATE = 1_500
BankReference = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100)]


class Balance(Wire):
    """A sum of money: unlike a price it may be negative, and as large as a season's sales."""

    amount_minor: int
    currency: Currency


class CommissionTerms(Wire):
    """PUT /v1/organizations/{orgId}/commission: the agreed rate in basis points; null: by volume again."""

    basis_points: Annotated[int, Field(ge=LOWEST_RATE, le=HIGHEST_RATE, strict=True)] | None


class CommissionTermsReply(Wire):
    """An organization's agreed rate of commission; without `basisPoints`: by volume."""

    org_id: str
    basis_points: int | None = None


class EventSettlement(Record):
    """settlements/{eventId}: the event is over, its rate is fixed and its money may be paid out.

    `revision` counts the commission entries, `open` ends when nothing is owed and nothing can be expected.
    """

    event_id: Opaque
    org_id: Opaque
    event_title: str
    currency: str
    country: str
    basis_points: int
    cancelled: bool
    settled_at: UtcDatetime
    revision: int = 0
    open: bool = True
    last_payout_id: str | None = None


class CommissionReply(Wire):
    """The platform's commission on the net sales of an event; `estimated` until the event is settled."""

    basis_points: int
    amount: Balance
    tax: Balance
    estimated: bool


class StatementReply(Wire):
    """What an event sold, what was taken off, and what its organizer is owed.

    Sales, discounts and refunds (chargebacks among them) are ticket prices: the organizer's money. Booking fee and its
    tax came on top from the buyers; gateway fees are the platform's cost. Tickets are those of paid orders.
    payable = gross sales - discounts - refunds - commission - its tax; balance = payable - paid out.
    """

    event_id: str
    currency: str
    tickets_sold: int
    gross_sales: Balance
    discounts: Balance
    refunds: Balance
    net_sales: Balance
    commission: CommissionReply
    payable: Balance
    paid_out: Balance
    balance: Balance
    booking_fees: Balance
    booking_fee_tax: Balance
    gateway_fees: Balance
    as_of: UtcDatetime
    settled_at: UtcDatetime | None = None


class PayoutStatus(StrEnum):
    """PENDING waits for the bank, SENT is with it, FAILED came back and joins the next batch."""

    PENDING = "pending"
    SENT = "sent"
    FAILED = "failed"


class PayoutLine(Wire):
    """An event's share of a payout; negative where its refunds came after it was paid out."""

    event_id: str
    event_title: str
    amount: Balance


class FailedTransfer(Wire):
    """A transfer that the bank gave back."""

    bank_reference: str
    reason: str
    failed_at: UtcDatetime


class Payout(Record):
    """payouts/{payoutId}: what one organization gets in one currency on one day.

    The ledger is booked with its creation; `batch_date` says which day's file for the bank it is in.
    """

    payout_id: Opaque
    org_id: Opaque
    amount: Balance
    lines: tuple[PayoutLine, ...]
    status: PayoutStatus
    batch_date: str
    created_at: UtcDatetime
    bank_reference: str | None = None
    sent_at: UtcDatetime | None = None
    failures: tuple[FailedTransfer, ...] = ()


class PayoutReply(Wire):
    """A payout as its organization and the admins see it."""

    payout_id: str
    org_id: str
    amount: Balance
    lines: tuple[PayoutLine, ...]
    status: PayoutStatus
    batch_date: str
    created_at: UtcDatetime
    failures: tuple[FailedTransfer, ...]
    bank_reference: str | None = None
    sent_at: UtcDatetime | None = None


class PayoutPage(Page[PayoutReply]):
    """Payouts of an organization, or of a day's batch."""


class PayoutsQuery(Wire):
    """Which payouts."""

    limit: PageSize = 20
    cursor: CursorText | None = None


class SentRequest(Wire):
    """POST /v1/payouts/{payoutId}/sent: the bank's reference of the transfer."""

    bank_reference: BankReference


class FailedRequest(Wire):
    """POST /v1/payouts/{payoutId}/failed: which transfer came back, and why."""

    bank_reference: BankReference
    reason: Name
