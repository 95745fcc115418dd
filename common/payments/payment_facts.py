"""What is known of payments only grows: facts join to the same knowledge in any order, however often they are told.

Every field is joined by a maximum, a minimum or a union, so joining is commutative, associative and idempotent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

from common.payments.gateways import PaymentEventKind
from common.payments.schemas import Attempt, Outflow, Payment, PaymentStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from common.money import Money
    from common.payments.gateways import PaymentEvent

Facts = dict[str, Attempt]
ValueT = TypeVar("ValueT")

# Which of two words about the same thing is the later one in its life, whichever is heard first.
RANK: Final = {
    PaymentEventKind.FAILED: 0,
    PaymentEventKind.AUTHORIZED: 1,
    PaymentEventKind.CAPTURED: 2,
    PaymentEventKind.DISPUTED: 0,
    PaymentEventKind.DISPUTE_WON: 1,
    PaymentEventKind.DISPUTE_LOST: 2,
    PaymentEventKind.REFUNDED: 2,
    # A bank may hand a refund back days after it succeeded.
    PaymentEventKind.REFUND_FAILED: 3,
}
ABOUT_PAYMENT: Final = frozenset((PaymentEventKind.FAILED, PaymentEventKind.AUTHORIZED, PaymentEventKind.CAPTURED))
GONE: Final = frozenset((PaymentEventKind.REFUNDED, PaymentEventKind.DISPUTE_LOST))


def fact(event: PaymentEvent) -> Facts:
    """What one event tells."""
    if event.kind not in ABOUT_PAYMENT:
        outflow = Outflow(kind=event.kind, amount_minor=event.amount.amount_minor, refund_key=event.refund_key)
        named = event.refund_id or f"dispute_of_{event.payment_id}"
        return {event.payment_id: Attempt(reference=event.reference, outflows={named: outflow})}
    told = Attempt(reference=event.reference, kind=event.kind)
    if event.kind is PaymentEventKind.CAPTURED:
        taken = {"captured": event.amount, "captured_at": event.occurred_at}
        told = told.model_copy(update=taken | {"fee_minor": event.fee_minor, "split_minor": event.split_minor})
    return {event.payment_id: told}


def join(one: Mapping[str, Attempt], other: Mapping[str, Attempt]) -> Facts:
    """All that either knows."""
    return _union(one, other, _join_attempts)


def _join_attempts(one: Attempt, other: Attempt) -> Attempt:
    return Attempt(
        reference=max(one.reference, other.reference),
        kind=_known(one.kind, other.kind, _later),
        captured=_known(one.captured, other.captured, _larger),
        captured_at=_known(one.captured_at, other.captured_at, min),
        fee_minor=_known(one.fee_minor, other.fee_minor, max),
        split_minor=max(one.split_minor, other.split_minor),
        outflows=_union(one.outflows, other.outflows, _join_outflows),
    )


def _join_outflows(one: Outflow, other: Outflow) -> Outflow:
    return Outflow(
        kind=_later(one.kind, other.kind),
        amount_minor=max(one.amount_minor, other.amount_minor),
        refund_key=_known(one.refund_key, other.refund_key, max),
    )


def _later(one: PaymentEventKind, other: PaymentEventKind) -> PaymentEventKind:
    return max(one, other, key=lambda kind: (RANK[kind], kind))


def _larger(one: Money, other: Money) -> Money:
    return max(one, other, key=lambda money: (money.amount_minor, money.currency))


def _known(one: ValueT | None, other: ValueT | None, pick: Callable[[ValueT, ValueT], ValueT]) -> ValueT | None:
    if one is None or other is None:
        return one if other is None else other
    return pick(one, other)


def _union(
    one: Mapping[str, ValueT], other: Mapping[str, ValueT], pick: Callable[[ValueT, ValueT], ValueT]
) -> dict[str, ValueT]:
    both = {name: pick(one[name], other[name]) for name in one.keys() & other.keys()}
    return dict(sorted(({**one, **other} | both).items()))


def gone_minor(attempts: Mapping[str, Attempt]) -> int:
    """How much left the gateway again."""
    outflows = [outflow for attempt in attempts.values() for outflow in attempt.outflows.values()]
    return sum(outflow.amount_minor for outflow in outflows if outflow.kind in GONE)


def status_of(payment: Payment) -> PaymentStatus:
    """One word for what is known, for whoever reads the record."""
    attempts = payment.attempts.values()
    if any(outflow.kind is PaymentEventKind.DISPUTED for each in attempts for outflow in each.outflows.values()):
        return PaymentStatus.DISPUTED
    captured = [each.captured.amount_minor for each in attempts if each.captured is not None]
    if captured:
        returned = gone_minor({name: each for name, each in payment.attempts.items() if each.captured is not None})
        return PaymentStatus.REFUNDED if returned >= sum(captured) else PaymentStatus.CAPTURED
    kinds = {each.kind for each in attempts}
    if PaymentEventKind.AUTHORIZED in kinds:
        return PaymentStatus.AUTHORIZED
    return PaymentStatus.FAILED if PaymentEventKind.FAILED in kinds else PaymentStatus.CREATED
