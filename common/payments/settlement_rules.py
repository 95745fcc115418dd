"""What follows from all that is known of an order's payments, in whatever order it was heard: pure decisions.

`settle` reads the facts and what was done about them so far, and does the rest. Told everything again it does nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from common.ids import derived_id
from common.money import Money
from common.orders.schemas import Order, OrderStatus
from common.payments import ledger, payment_facts, refund_rules
from common.payments.gateways import PaymentEventKind, RefundStatus
from common.payments.schemas import Payment, PaymentStatus, Refund, refund_id_of
from common.tickets import rules as tickets

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from common.payments.schemas import Attempt, LedgerEntry, Outflow

UNDECIDED: Final = frozenset((PaymentEventKind.DISPUTED, PaymentEventKind.DISPUTE_WON))
PAID_BACK: Final = frozenset((OrderStatus.TICKETED, OrderStatus.PARTIALLY_REFUNDED))


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
class Reclaim:
    """Units must be found for an order whose hold expired."""


@dataclass(frozen=True)
class VoidOrder:
    """The whole price went back at the provider: tickets die, units return, this refund is booked."""

    refund: Refund
    owed: Money


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
            work.book_fee(payment_id, attempt)
            work.book_split(payment_id, attempt)
            for outflow_id, outflow in attempt.outflows.items():
                if outflow.kind not in UNDECIDED and work.first is None:
                    work.follow(payment_id, attempt.captured, outflow_id, outflow)
                    work.relieve(payment_id, attempt.captured)
    known = {
        "status": payment_facts.status_of(work.payment),
        "refunded_minor": payment_facts.gone_minor(work.payment.attempts),
    }
    payment = work.payment.model_copy(update=known)
    if payment.status is PaymentStatus.DISPUTED is not books.payment.status:
        work.alerts.append("payment disputed")
    after = Books(work.order, payment, work.refunds)
    return Settled(after, tuple(work.entries), tuple(work.alerts), work.first)


@dataclass
class _Settlement:
    """One run of `settle`: the books as they change."""

    order: Order
    payment: Payment
    refunds: dict[str, Refund]
    now: datetime
    entries: list[LedgerEntry] = field(default_factory=list)
    alerts: list[str] = field(default_factory=list)
    first: Reclaim | VoidOrder | None = None

    def place(self, payment_id: str, attempt: Attempt, captured: Money, nothing_left: str | None) -> None:
        """A capture either buys the order or goes back, once."""
        if self._bought(payment_id) or self._stray_id(payment_id) in self.refunds:
            return
        verdict = judge(self.order, captured)
        if verdict.meaning is Meaning.TICKET:
            self._ticket(payment_id, attempt)
        elif verdict.meaning is Meaning.RECLAIM and nothing_left is None:
            self.first = Reclaim()
        else:
            self._return(payment_id, captured, verdict.reason or nothing_left or "")

    def _bought(self, payment_id: str) -> bool:
        paid_here = self.order.payment_id == self.payment.payment_id
        return paid_here and self.payment.provider_payment_id == payment_id

    def _stray_id(self, payment_id: str) -> str:
        return refund_rules.stray_refund_id(self.payment.gateway, payment_id)

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

    def book_fee(self, payment_id: str, attempt: Attempt) -> None:
        """What the provider keeps of a capture, of one that goes back too, as soon as it is known."""
        if not attempt.fee_minor or payment_id in self.payment.fees_booked:
            return
        entry = ledger.gateway_fee(self.payment, attempt.fee_minor, self.now)
        if not self._bought(payment_id):
            entry = entry.model_copy(update={"entry_id": f"{self._stray_id(payment_id)}_fee"})
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

    def follow(self, payment_id: str, captured: Money, outflow_id: str, outflow: Outflow) -> None:
        """Money that left the provider, or failed to, is a refund of ours, or becomes one."""
        failed = outflow.kind is PaymentEventKind.REFUND_FAILED
        refund = self._refund_of(payment_id, outflow_id, outflow)
        if refund is None:
            refund = self._book(payment_id, captured, outflow_id, outflow)
        if refund is None:
            return
        if not failed and refund.status is not RefundStatus.SUCCEEDED:
            self._complete(refund, outflow_id)
        elif failed and refund.status is not RefundStatus.FAILED and self._is_present(refund, outflow_id, outflow):
            self._fail(refund)

    def _refund_of(self, payment_id: str, outflow_id: str, outflow: Outflow) -> Refund | None:
        if outflow.refund_key is not None and refund_id_of(outflow.refund_key) in self.refunds:
            return self.refunds[refund_id_of(outflow.refund_key)]
        known = (each for each in self._refunds_of(payment_id) if outflow_id in _stood_for(each))
        return next(known, None)

    def _refunds_of(self, payment_id: str) -> list[Refund]:
        found = (each for each in self.refunds.values() if each.provider_payment_id == payment_id)
        return sorted(found, key=lambda each: (each.created_at, each.refund_id))

    @staticmethod
    def _is_present(refund: Refund, outflow_id: str, outflow: Outflow) -> bool:
        """Whether it is what stands for the refund now that failed, and not an attempt before."""
        if refund.provider_refund_id is not None:
            return refund.provider_refund_id == outflow_id
        return refund.key == outflow.refund_key

    def _complete(self, refund: Refund, outflow_id: str) -> None:
        done = {"status": RefundStatus.SUCCEEDED, "provider_refund_id": outflow_id, "succeeded_at": self.now}
        refund = refund.model_copy(update=done | {"failure": None, "due_at": None})
        self.refunds[refund.refund_id] = refund
        self.entries.append(_of_attempt(ledger.refund_paid(refund, self.now), refund))

    def _fail(self, refund: Refund) -> None:
        if refund.status is RefundStatus.SUCCEEDED:
            self.entries.append(_of_attempt(ledger.refund_bounced(refund, self.now), refund))
        after = refund_rules.after_failure(refund, "The provider could not pay it out.", self.now)
        self.refunds[refund.refund_id] = after
        if after.status is RefundStatus.FAILED:
            self.alerts.append("refund failed for good")

    def _book(self, payment_id: str, captured: Money, outflow_id: str, outflow: Outflow) -> Refund | None:
        """Book what somebody did at the provider: it pays what we owe, or else it is a new refund."""
        failed = outflow.kind is PaymentEventKind.REFUND_FAILED
        known = self._refunds_of(payment_id)
        room = captured.amount_minor - sum(each.amount.amount_minor for each in known)
        fits = outflow.amount_minor <= room
        unpaid = [each for each in known if _is_unpaid(each)]
        for each in unpaid:
            if each.amount.amount_minor == outflow.amount_minor and (each.status is RefundStatus.FAILED or not fits):
                return None if failed else each
        if failed and not fits:
            return None
        amount = min(outflow.amount_minor, room + sum(each.amount.amount_minor for each in unpaid))
        if amount < outflow.amount_minor:
            self.alerts.append("more went back than was captured")
        if not amount:
            return None
        reason = "refunded_at_provider"
        if outflow.kind is PaymentEventKind.DISPUTE_LOST:
            reason = "chargeback"
            self.alerts.append("dispute lost")
        return self._add(payment_id, outflow_id, reason, amount, min(amount, room))

    def relieve(self, payment_id: str, captured: Money) -> None:
        """Of what we still owe, take off what was paid by others: no more goes back than was captured."""
        known = self._refunds_of(payment_id)
        excess = sum(each.amount.amount_minor for each in known) - captured.amount_minor
        for each in filter(_is_unpaid, known):
            taken = min(max(excess, 0), each.amount.amount_minor)
            if taken:
                less = Money(amount_minor=each.amount.amount_minor - taken, currency=each.amount.currency)
                changed = refund_rules.next_attempt(each.model_copy(update={"amount": less}), None)
                none_left = {"status": RefundStatus.SUCCEEDED, "succeeded_at": self.now}
                self.refunds[each.refund_id] = changed if less.amount_minor else changed.model_copy(update=none_left)
            excess -= taken

    def _add(self, payment_id: str, outflow_id: str, reason: str, amount: int, owed_minor: int) -> Refund | None:
        currency, gateway = self.order.amounts.total.currency, self.payment.gateway
        refund = refund_rules.new_refund(
            derived_id("ref", gateway, outflow_id),
            self.order,
            Money(amount_minor=amount, currency=currency),
            reason,
            (),
            refund_rules.PROVIDER,
            self.now,
            (gateway, payment_id),
        ).model_copy(update={"attempt": 0, "provider_refund_id": outflow_id, "stray": not self._bought(payment_id)})
        owed = Money(amount_minor=owed_minor, currency=currency)
        if owed_minor and refund_rules.left_of(self.order) == owed and self.order.status in PAID_BACK:
            self.first = VoidOrder(refund, owed)
            return None
        if owed_minor:
            self.entries.append(ledger.refund_owed(self.order, refund.model_copy(update={"amount": owed}), self.now))
            given_back = self.order.refunded_minor + owed_minor
            self.order = self.order.model_copy(
                update={"refunded_minor": given_back, "status": OrderStatus.PARTIALLY_REFUNDED}
            )
        self.refunds[refund.refund_id] = refund
        return refund


def ticketed(order: Order, payment_id: str | None, now: datetime) -> Order:
    """The order with its tickets."""
    issued = tuple(ticket.ticket_id for ticket in tickets.new_tickets(order, now))
    return order.model_copy(
        update={"status": OrderStatus.TICKETED, "payment_id": payment_id, "ticket_ids": issued, "ticketed_at": now}
    )


def _is_unpaid(refund: Refund) -> bool:
    """Whether we owe it, and no refund at the provider stands for it."""
    return refund.status is not RefundStatus.SUCCEEDED and refund.provider_refund_id is None


def _stood_for(refund: Refund) -> tuple[str | None, ...]:
    return (refund.provider_refund_id, *refund.failed_refund_ids)


def _of_attempt(entry: LedgerEntry, refund: Refund) -> LedgerEntry:
    """Each attempt that paid has an entry of its own: a bank may hand one back."""
    return entry.model_copy(update={"entry_id": entry.entry_id.replace(refund.refund_id, refund.key, 1)})
