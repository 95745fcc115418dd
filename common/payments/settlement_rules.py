"""What follows from all that is known of an order's payments, in whatever order it was heard: pure decisions.

`settle` reads the facts and what was done about them so far, and does the rest. Told everything again it does nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from common.orders.schemas import Order, OrderStatus
from common.payments import ledger, payment_facts, refund_rules
from common.payments.outflow_rules import Outflows, Reclaim, VoidOrder
from common.payments.schemas import Payment, PaymentStatus, Refund
from common.tickets import rules as tickets

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from common.money import Money
    from common.payments.schemas import Attempt, LedgerEntry


class Meaning(StrEnum):
    """What to do about a capture that nothing was done about."""

    TICKET = "ticket"  # the order is paid
    RECLAIM = "reclaim"  # the hold expired: units must be found again first
    RETURN = "return"  # the money bought nothing and goes back


@dataclass(frozen=True)
class Verdict:
    """The meaning, and for RETURN why."""

    meaning: Meaning
    reason: str = ""


def judge(order: Order, captured: Money) -> Verdict:
    """A capture buys its order once, at its exact price; every other capture goes back."""
    if captured != order.amounts.total:
        return Verdict(Meaning.RETURN, "amount_mismatch")
    match order.status:
        case OrderStatus.HELD:
            return Verdict(Meaning.TICKET)
        case OrderStatus.EXPIRED:
            return Verdict(Meaning.RECLAIM)
        case OrderStatus.CANCELLED:
            return Verdict(Meaning.RETURN, "order_cancelled")
        case _:
            return Verdict(Meaning.RETURN, "paid_twice")


@dataclass(frozen=True)
class Books:
    """What is stored of an order's money at one gateway: the facts, and what was done about them."""

    order: Order
    payment: Payment
    refunds: Mapping[str, Refund]


@dataclass(frozen=True)
class Settled:
    """The books after everything that one commit can do. `first` is what the event's inventory must do before more."""

    books: Books
    entries: tuple[LedgerEntry, ...]
    alerts: tuple[str, ...]
    first: Reclaim | VoidOrder | None


def settle(books: Books, now: datetime, nothing_left: str | None = None) -> Settled:
    """Do what the facts ask for. `nothing_left` says that a reclaim was tried, and why it failed."""
    work = _Settlement(books.order, books.payment, dict(books.refunds), now)
    for payment_id, attempt in books.payment.attempts.items():
        if attempt.captured is None or work.first is not None:
            continue
        work.place(payment_id, attempt, attempt.captured, nothing_left)
        if work.first is None:
            work.book_fee(payment_id, attempt, attempt.captured)
            work.book_split(payment_id, attempt)
            work.follow_all(payment_id, attempt, attempt.captured)
    known = {
        "status": payment_facts.status_of(work.payment),
        "refunded_minor": payment_facts.gone_minor(work.payment.attempts),
    }
    payment = work.payment.model_copy(update=known)
    if payment.status is PaymentStatus.DISPUTED is not books.payment.status:
        work.alerts.append("payment disputed")
    after = Books(work.order, payment, work.refunds)
    return Settled(after, tuple(work.entries), tuple(work.alerts), work.first)


class _Settlement(Outflows):
    """One run of `settle`: the books as they change."""

    def place(self, payment_id: str, attempt: Attempt, captured: Money, nothing_left: str | None) -> None:
        """A capture either buys the order or goes back, once."""
        if self.bought(payment_id) or self.stray_id(payment_id) in self.refunds:
            return
        verdict = judge(self.order, captured)
        if verdict.meaning is Meaning.TICKET:
            self._ticket(payment_id, attempt)
        elif verdict.meaning is Meaning.RECLAIM and nothing_left is None:
            self.first = Reclaim()
        else:
            self._return(payment_id, captured, verdict.reason or nothing_left or "")

    def _ticket(self, payment_id: str, attempt: Attempt) -> None:
        paid = {"provider_payment_id": payment_id, "captured_at": attempt.captured_at, "reference": attempt.reference}
        self.payment = self.payment.model_copy(update=paid)
        self.entries.append(ledger.sale(self.order, self.payment, self.now))
        self.order = ticketed(self.order, self.payment.payment_id, self.now)

    def _return(self, payment_id: str, captured: Money, reason: str) -> None:
        if reason == "amount_mismatch":
            self.alerts.append("captured amount differs from the order")
        refund = refund_rules.stray_refund(self.order, self.payment.gateway, payment_id, captured, reason, self.now)
        self.refunds[refund.refund_id] = refund
        self.entries.append(ledger.stray_capture(refund, self.now))

    def book_fee(self, payment_id: str, attempt: Attempt, captured: Money) -> None:
        """What the provider keeps of a capture, of one that goes back too, as soon as it is known."""
        if not attempt.fee_minor or payment_id in self.payment.fees_booked:
            return
        entry = ledger.gateway_fee(self.payment.model_copy(update={"amount": captured}), attempt.fee_minor, self.now)
        if not self.bought(payment_id):
            entry = entry.model_copy(update={"entry_id": f"{self.stray_id(payment_id)}_fee"})
        self.entries.append(entry)
        booked = (*self.payment.fees_booked, payment_id)
        self.payment = self.payment.model_copy(update={"fees_booked": booked})

    def book_split(self, payment_id: str, attempt: Attempt) -> None:
        """What the provider pays the organizer directly, of a capture that goes back too."""
        if not attempt.split_minor or payment_id in self.payment.splits_booked:
            return
        self.entries.append(ledger.split(self.order, self.payment, payment_id, attempt.split_minor, self.now))
        booked = (*self.payment.splits_booked, payment_id)
        self.payment = self.payment.model_copy(update={"splits_booked": booked})


def ticketed(order: Order, payment_id: str | None, now: datetime) -> Order:
    """The order with its tickets."""
    issued = tuple(ticket.ticket_id for ticket in tickets.new_tickets(order, now))
    return order.model_copy(
        update={"status": OrderStatus.TICKETED, "payment_id": payment_id, "ticket_ids": issued, "ticketed_at": now}
    )
