"""What the platform charges an organizer, what it owes them, and how a payout goes: pure decisions."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from common.errors import Problem
from common.finance.schemas import (
    HIGHEST_RATE,
    LOWEST_RATE,
    Balance,
    EventSettlement,
    FailedTransfer,
    Payout,
    PayoutLine,
    PayoutStatus,
)
from common.ids import derived_id
from common.money import share
from common.orders.pricing import FEE_TAX
from common.payments.schemas import EntryKind, Totals

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from common.organizations.schemas import Organization

DEFAULT_RATE: Final = 1_000
# How far back sales count towards the rate. A younger organization has no full history: it pays the default.
TRAILING: Final = timedelta(days=90)
RATES: Final = (HIGHEST_RATE, 1_200, DEFAULT_RATE, 800, LOWEST_RATE)
# The trailing gross sales from which each rate but the first applies, in major units; all of these have two decimals.
BANDS: Final[dict[str, tuple[int, ...]]] = {
    "INR": (500_000, 2_000_000, 10_000_000, 50_000_000),
    "NGN": (10_000_000, 40_000_000, 200_000_000, 1_000_000_000),
    "USD": (6_000, 24_000, 120_000, 600_000),
    "EUR": (6_000, 24_000, 120_000, 600_000),
    "GBP": (5_000, 20_000, 100_000, 500_000),
}
MINOR_PER_MAJOR: Final = 100
# Two writes a line and one for the payout: a commit far below what Firestore takes.
MOST_LINES: Final = 200
# Cards can be charged back for 120 days; after this an event that owes and is owed nothing is not looked at again.
WATCHED: Final = timedelta(days=180)


class PayoutStateConflict(Problem):
    status, code, title = 409, "payout_state_conflict", "The payout's state does not allow this"


class UnknownTransfer(Problem):
    status, code, title = 409, "unknown_transfer", "The payout is not with the bank under this reference"


@dataclass(frozen=True)
class Charge:
    """Commission and the tax on it."""

    amount_minor: int = 0
    tax_minor: int = 0

    @property
    def total_minor(self) -> int:
        return self.amount_minor + self.tax_minor

    def __sub__(self, other: Charge) -> Charge:
        return Charge(self.amount_minor - other.amount_minor, self.tax_minor - other.tax_minor)


@dataclass(frozen=True)
class EventSums:
    """What an event's ledger entries add up to, some by their kind. Credits are negative, as in the ledger."""

    kinds: Mapping[EntryKind, Totals] = field(default_factory=dict)
    organizer_minor: int = 0
    gateway_fees_minor: int = 0
    discount_minor: int = 0
    tickets: int = 0

    def of(self, kind: EntryKind) -> Totals:
        """The totals of one kind of entry."""
        return self.kinds.get(kind, Totals())

    @property
    def net_sales_minor(self) -> int:
        """The ticket prices that stay after discounts and refunds."""
        return -self.of(EntryKind.SALE).organizer - self.of(EntryKind.REFUND_OWED).organizer

    @property
    def charged(self) -> Charge:
        """The commission that is booked."""
        booked = self.of(EntryKind.COMMISSION)
        return Charge(-booked.commission, -booked.tax)

    @property
    def owed_minor(self) -> int:
        """What the ledger owes the organizer, whatever was booked: negative where more was paid than is left."""
        return -self.organizer_minor

    @property
    def paid_out_minor(self) -> int:
        """What the organizer has got of what they earned."""
        return self.net_sales_minor - self.charged.total_minor - self.owed_minor


def commission_rate(organization: Organization, volume_minor: int, at: datetime) -> int:
    """The rate in basis points: as agreed, or by the trailing volume, or the default where there is no measure."""
    if organization.commission_basis_points is not None:
        return organization.commission_basis_points
    bands = BANDS.get(organization.currency)
    if bands is None or at - organization.created_at < TRAILING:
        return DEFAULT_RATE
    return RATES[bisect_right(bands, volume_minor // MINOR_PER_MAJOR)]


def commission(net_sales_minor: int, basis_points: int, country: str) -> Charge:
    """The commission on net sales. It is our service to the organizer, taxed as the booking fee is."""
    amount = share(max(net_sales_minor, 0), basis_points)
    return Charge(amount, share(amount, FEE_TAX.get(country, 0)))


def due_commission(settlement: EventSettlement, sums: EventSums) -> Charge:
    """What is to be booked so that the booked commission is that of the net sales: negative after a refund.

    For an event that was cancelled there is no commission, whatever still waits to be refunded.
    """
    net_sales = 0 if settlement.cancelled else sums.net_sales_minor
    return commission(net_sales, settlement.basis_points, settlement.country) - sums.charged


def is_withheld(settlement: EventSettlement, owed_minor: int) -> bool:
    """Whether this money is the buyers': a cancelled event is refunded, not paid out."""
    return settlement.cancelled and owed_minor > 0


def may_close(settlement: EventSettlement, owed_minor: int, now: datetime) -> bool:
    """Whether nothing is owed, and nothing is to be expected any more."""
    return owed_minor == 0 and now - settlement.settled_at >= WATCHED


def payout_lines(owed: Iterable[tuple[EventSettlement, int]]) -> tuple[PayoutLine, ...]:
    """What one payout holds: debts first, so that they are netted before anything is paid. Nothing unless above 0."""
    payable = ((minor, each) for each, minor in owed if minor and not is_withheld(each, minor))
    chosen = sorted(payable, key=lambda pair: (pair[0], pair[1].event_id))
    lines = tuple(
        PayoutLine(
            event_id=each.event_id,
            event_title=each.event_title,
            amount=Balance(amount_minor=minor, currency=each.currency),
        )
        for minor, each in chosen[:MOST_LINES]
    )
    return lines if sum(line.amount.amount_minor for line in lines) > 0 else ()


def new_payout(org_id: str, lines: Sequence[PayoutLine], now: datetime) -> Payout:
    """The payout of these lines: one an organization, a currency and a day."""
    currency, day = lines[0].amount.currency, now.date().isoformat()
    return Payout(
        payout_id=derived_id("payout", org_id, currency, day),
        org_id=org_id,
        amount=Balance(amount_minor=sum(line.amount.amount_minor for line in lines), currency=currency),
        lines=tuple(lines),
        status=PayoutStatus.PENDING,
        batch_date=day,
        created_at=now,
    )


def sent(payout: Payout, bank_reference: str, now: datetime) -> Payout:
    """The payout after it was handed to the bank; saying so twice is saying it once."""
    if payout.status is PayoutStatus.SENT and payout.bank_reference == bank_reference:
        return payout
    used = any(failure.bank_reference == bank_reference for failure in payout.failures)
    if payout.status is not PayoutStatus.PENDING or used:
        raise PayoutStateConflict(f"The payout is {payout.status}.", payoutStatus=payout.status)
    changed = {"status": PayoutStatus.SENT, "bank_reference": bank_reference, "sent_at": now}
    return payout.model_copy(update=changed)


def failed(payout: Payout, bank_reference: str, reason: str, now: datetime) -> Payout:
    """The payout after the bank gave this transfer back; a late repeat does not touch the transfer after it."""
    if any(failure.bank_reference == bank_reference for failure in payout.failures):
        return payout
    if payout.status is not PayoutStatus.SENT or payout.bank_reference != bank_reference:
        raise UnknownTransfer
    failure = FailedTransfer(bank_reference=bank_reference, reason=reason, failed_at=now)
    changed = {
        "status": PayoutStatus.FAILED,
        "bank_reference": None,
        "sent_at": None,
        "failures": (*payout.failures, failure),
    }
    return payout.model_copy(update=changed)


def retried(payout: Payout, now: datetime) -> Payout:
    """A failed payout in the batch of today; any other as it is."""
    if payout.status is not PayoutStatus.FAILED:
        return payout
    return payout.model_copy(update={"status": PayoutStatus.PENDING, "batch_date": now.date().isoformat()})
