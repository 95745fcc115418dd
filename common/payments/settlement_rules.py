"""What a captured payment means for its order, in whatever order the facts arrive: pure decisions."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from common.orders.schemas import OrderStatus
from common.payments.schemas import PaymentStatus

if TYPE_CHECKING:
    from common.orders.schemas import Order
    from common.payments.gateways import PaymentEvent
    from common.payments.schemas import Payment


class Meaning(StrEnum):
    """What to do about a capture."""

    KNOWN = "known"  # settled before: a repeat
    TICKET = "ticket"  # the order is paid
    RECLAIM = "reclaim"  # the hold expired: units must be found again first
    RETURN = "return"  # the money bought nothing and goes back


@dataclass(frozen=True)
class Verdict:
    """The meaning, and for RETURN why."""

    meaning: Meaning
    reason: str = ""


def judge_capture(order: Order, payment: Payment | None, event: PaymentEvent) -> Verdict:
    """A capture buys its order once, at its exact price; every other capture goes back."""
    settled = payment is not None and payment.status in {PaymentStatus.CAPTURED, PaymentStatus.REFUNDED}
    if settled and payment is not None and payment.provider_payment_id == event.payment_id:
        return Verdict(Meaning.KNOWN)
    if event.amount != order.amounts.total:
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


# A later fact wins over an earlier one; facts arrive in any order.
RANK = {
    PaymentStatus.CREATED: 0,
    PaymentStatus.FAILED: 1,
    PaymentStatus.AUTHORIZED: 2,
    PaymentStatus.CAPTURED: 3,
    PaymentStatus.REFUNDED: 4,
    PaymentStatus.DISPUTED: 5,
}


def advance(current: PaymentStatus, heard: PaymentStatus) -> PaymentStatus:
    """The status after hearing of another one, late or not."""
    return heard if RANK[heard] > RANK[current] else current
