"""Money that left a provider, or failed to, is matched with the refunds that we know of: pure decisions.

Whatever is heard first, in the end every refund at the provider stands for one of ours, what somebody gave back there
is booked, and we owe nobody more than was captured.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from common.ids import derived_id
from common.money import Money
from common.orders.schemas import OrderStatus
from common.payments import ledger, refund_rules
from common.payments.gateways import PaymentEventKind, RefundStatus
from common.payments.schemas import Refund, refund_id_of

if TYPE_CHECKING:
    from datetime import datetime

    from common.orders.schemas import Order
    from common.payments.schemas import Attempt, LedgerEntry, Outflow, Payment

UNDECIDED: Final = frozenset((PaymentEventKind.DISPUTED, PaymentEventKind.DISPUTE_WON))
PAID_BACK: Final = frozenset((OrderStatus.TICKETED, OrderStatus.PARTIALLY_REFUNDED))


@dataclass(frozen=True)
class Reclaim:
    """Units must be found for an order whose hold expired."""


@dataclass(frozen=True)
class VoidOrder:
    """The whole price went back at the provider: tickets die, units return, this refund is booked."""

    refund: Refund
    owed: Money


@dataclass
class Outflows:
    """The books of an order at one gateway, as they change while outflows are followed."""

    order: Order
    payment: Payment
    refunds: dict[str, Refund]
    now: datetime
    entries: list[LedgerEntry] = field(default_factory=list)
    alerts: list[str] = field(default_factory=list)
    first: Reclaim | VoidOrder | None = None

    def bought(self, payment_id: str) -> bool:
        """Whether it is this payment that bought the order."""
        paid_here = self.order.payment_id == self.payment.payment_id
        return paid_here and self.payment.provider_payment_id == payment_id

    def stray_id(self, payment_id: str) -> str:
        return refund_rules.stray_refund_id(self.payment.gateway, payment_id)

    def follow_all(self, payment_id: str, attempt: Attempt, captured: Money) -> None:
        """Everything that left one payment, until the event's inventory must do something first."""
        decided = [(name, each) for name, each in attempt.outflows.items() if each.kind not in UNDECIDED]
        # What is surely ours comes first: it is no debt that another's could pay.
        for name, _ in sorted(decided, key=lambda item: (item[1].refund_key is None, item[0])):
            if self.first is None:
                self.follow(payment_id, attempt, name)
                self.relieve(payment_id, captured)

    def follow(self, payment_id: str, attempt: Attempt, outflow_id: str) -> None:
        """Money that left the provider, or failed to, is a refund of ours, or becomes one."""
        outflow = attempt.outflows[outflow_id]
        failed = outflow.kind is PaymentEventKind.REFUND_FAILED
        refund = self._refund_of(payment_id, outflow_id, outflow) or self._book(payment_id, attempt, outflow_id)
        if refund is None:
            return
        if failed:
            if refund.status is not RefundStatus.FAILED and self._is_present(refund, outflow_id, outflow):
                self._fail(refund)
        elif refund.status is not RefundStatus.SUCCEEDED or refund.provider_refund_id is None:
            self._complete(refund, outflow_id, outflow)
        elif refund.provider_refund_id == outflow_id:
            self._grow(payment_id, refund, outflow)
        elif (other := attempt.outflows.get(refund.provider_refund_id)) and other.refund_key is None:
            # Somebody else's refund had been taken for this one: it stands for itself.
            self.refunds[refund.refund_id] = refund.model_copy(update={"provider_refund_id": outflow_id})
            self.follow(payment_id, attempt, refund.provider_refund_id)

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

    def _complete(self, refund: Refund, outflow_id: str, outflow: Outflow) -> None:
        done: dict[str, Any] = {"status": RefundStatus.SUCCEEDED, "provider_refund_id": outflow_id}
        if outflow.refund_key is not None:
            # It was paid before we learned that we owe less: others of ours are relieved instead.
            done["amount"] = _money(outflow.amount_minor, refund)
        refund = refund.model_copy(update=done | {"succeeded_at": self.now, "failure": None, "due_at": None})
        self.refunds[refund.refund_id] = refund
        self.entries.append(_again(ledger.refund_paid(refund, self.now), refund))

    def _fail(self, refund: Refund) -> None:
        if refund.status is RefundStatus.SUCCEEDED:
            self.entries.append(_again(ledger.refund_bounced(refund, self.now), refund))
        after = refund_rules.after_failure(refund, "The provider could not pay it out.", self.now)
        self.refunds[refund.refund_id] = after
        if after.status is RefundStatus.FAILED:
            self.alerts.append("refund failed for good")

    def _book(self, payment_id: str, attempt: Attempt, outflow_id: str) -> Refund | None:
        """Book what somebody did at the provider: it pays what we owe, or else it is a new refund."""
        outflow, captured = attempt.outflows[outflow_id], attempt.captured or self.payment.amount
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
        whole, owed = (Money(amount_minor=each, currency=captured.currency) for each in (amount, min(amount, room)))
        return self._add(payment_id, outflow_id, reason, whole, owed, failed=failed)

    def relieve(self, payment_id: str, captured: Money) -> None:
        """Of what we still owe, take off what was paid by others: no more goes back than was captured.

        The attempt keeps its key: it may have been made, and then it must be met again and not be made twice.
        """
        known = self._refunds_of(payment_id)
        excess = sum(each.amount.amount_minor for each in known) - captured.amount_minor
        for each in filter(_is_unpaid, known):
            taken = min(max(excess, 0), each.amount.amount_minor)
            less = each.model_copy(update={"amount": _money(each.amount.amount_minor - taken, each)})
            none_left = {"status": RefundStatus.SUCCEEDED, "succeeded_at": self.now}
            if taken:
                self.refunds[each.refund_id] = less if less.amount.amount_minor else less.model_copy(update=none_left)
            excess -= taken

    def _grow(self, payment_id: str, refund: Refund, outflow: Outflow) -> None:
        """More had gone than anybody was owed; since then a refund came back, which this has paid already."""
        owed = sum(each.amount.amount_minor for each in filter(_is_unpaid, self._refunds_of(payment_id)))
        more = min(outflow.amount_minor - refund.amount.amount_minor, owed)
        if refund.attempt == 0 and more > 0:
            whole = _money(refund.amount.amount_minor + more, refund)
            self.refunds[refund.refund_id] = refund.model_copy(update={"amount": whole})
            entry = ledger.refund_paid(refund.model_copy(update={"amount": _money(more, refund)}), self.now)
            self.entries.append(entry.model_copy(update={"entry_id": f"{entry.entry_id}_up_to_{whole.amount_minor}"}))

    def _add(
        self, payment_id: str, outflow_id: str, reason: str, amount: Money, owed: Money, *, failed: bool
    ) -> Refund | None:
        """A refund that we had not decided; `owed` of it nobody had been promised before."""
        name, gateway = refund_rules.PROVIDER, self.payment.gateway
        refund_id = derived_id("ref", gateway, outflow_id)
        refund = refund_rules.new_refund(
            refund_id, self.order, amount, reason, (), name, self.now, (gateway, payment_id)
        )
        made = {"attempt": 0, "provider_refund_id": outflow_id, "stray": not self.bought(payment_id)}
        refund = refund.model_copy(update=made)
        if owed.amount_minor and refund_rules.left_of(self.order) == owed and self.order.status in PAID_BACK:
            # What is gone is booked with the order's end: nothing is left to do in between.
            gone = {"status": RefundStatus.SUCCEEDED, "succeeded_at": self.now}
            self.first = VoidOrder(refund if failed else refund.model_copy(update=gone), owed)
            return None
        if owed.amount_minor:
            self.entries.append(ledger.refund_owed(self.order, refund.model_copy(update={"amount": owed}), self.now))
            given_back = self.order.refunded_minor + owed.amount_minor
            self.order = self.order.model_copy(
                update={"refunded_minor": given_back, "status": OrderStatus.PARTIALLY_REFUNDED}
            )
        self.refunds[refund.refund_id] = refund
        return refund


def _is_unpaid(refund: Refund) -> bool:
    """Whether we owe it, and no refund at the provider stands for it."""
    return refund.status is not RefundStatus.SUCCEEDED and refund.provider_refund_id is None


def _money(amount_minor: int, like: Refund) -> Money:
    return Money(amount_minor=amount_minor, currency=like.amount.currency)


def _stood_for(refund: Refund) -> tuple[str | None, ...]:
    return (refund.provider_refund_id, *refund.failed_refund_ids)


def _again(entry: LedgerEntry, refund: Refund) -> LedgerEntry:
    """A bank may hand back what was paid: what is booked after that has ids of its own."""
    times = len(refund.failed_refund_ids) + 1
    return entry if times == 1 else entry.model_copy(update={"entry_id": f"{entry.entry_id}_{times}"})
