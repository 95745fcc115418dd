"""Where a provider's books and ours differ about a payment, and what makes them agree: pure decisions."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from common.payments.schemas import Discrepancy, Finding

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping
    from datetime import datetime

    from common.money import Money
    from common.payments.gateways import PaymentEvent, ProviderPayment


@dataclass(frozen=True)
class OurRefund:
    """A refund of ours; `provider_refund_id` once we know it."""

    refund_id: str
    provider_refund_id: str | None
    amount: Money
    succeeded: bool
    created_at: datetime

    def is_told_by(self, fact: PaymentEvent) -> bool:
        """Whether the provider's refund is this one. Its key may have the number of an attempt after a dot."""
        named = (fact.refund_key or "").partition(".")[0]
        return fact.refund_id == self.provider_refund_id or named == self.refund_id


@dataclass(frozen=True)
class OurPayment:
    """What our books say of one payment at the provider; `captured` is None before we heard of that."""

    payment_id: str
    order_id: str
    captured: Money | None
    captured_at: datetime
    fee_booked: bool
    refunds: tuple[OurRefund, ...]


@dataclass(frozen=True)
class Repair:
    """A finding, and the facts that mend it when they are acted on. None: a person must look."""

    finding: Finding
    facts: tuple[PaymentEvent, ...] = ()

    @property
    def is_safe(self) -> bool:
        """Whether there is something to do about it that may be done by a machine."""
        return bool(self.facts)


@dataclass(frozen=True)
class Comparison:
    """All that differs, and the sums on both sides by currency without what is foreign or in motion."""

    repairs: tuple[Repair, ...]
    sum_theirs: Mapping[str, int]
    sum_ours: Mapping[str, int]
    in_motion: int

    @property
    def difference(self) -> dict[str, int]:
        """Theirs less ours, for every currency on either side."""
        currencies = sorted({*self.sum_theirs, *self.sum_ours})
        return {each: self.sum_theirs.get(each, 0) - self.sum_ours.get(each, 0) for each in currencies}


def compare(
    theirs: Mapping[str, ProviderPayment], ours: Mapping[str, OurPayment], foreign: Collection[str], until: datetime
) -> Comparison:
    """Compare payment by payment. What moved after `until` on either side is not compared: the rest is to come."""
    repairs: list[Repair] = []
    sum_theirs: Counter[str] = Counter()
    sum_ours: Counter[str] = Counter()
    in_motion = 0
    for payment_id in theirs.keys() | ours.keys():
        their, our = theirs.get(payment_id), ours.get(payment_id)
        if max(_moments(their, our)) > until:
            in_motion += 1
            continue
        if payment_id in foreign:
            continue
        if their is not None:
            sum_theirs[their.amount.currency] += their.amount.amount_minor - their.refunded_minor
        if our is not None:
            if our.captured is not None:
                sum_ours[our.captured.currency] += our.captured.amount_minor
            for money in (refund.amount for refund in our.refunds if refund.succeeded):
                sum_ours[money.currency] -= money.amount_minor
        repairs += _differences(their, our)
    repairs.sort(key=lambda repair: repair.finding.payment_id)
    return Comparison(tuple(repairs), dict(sum_theirs), dict(sum_ours), in_motion)


def _moments(theirs: ProviderPayment | None, ours: OurPayment | None) -> Iterator[datetime]:
    if theirs is not None:
        yield theirs.captured_at
        yield from (fact.occurred_at for fact in theirs.facts)
    if ours is not None:
        yield ours.captured_at
        yield from (refund.created_at for refund in ours.refunds)


def _differences(theirs: ProviderPayment | None, ours: OurPayment | None) -> Iterable[Repair]:
    if theirs is not None and ours is not None and ours.captured is not None:
        yield from _payment_differences(theirs, ours)
        yield from _refund_differences(theirs, ours)
    elif theirs is not None:
        detail = f"they captured {_text(theirs.amount)}"
        missing = Discrepancy.CAPTURE_MISSING_HERE if theirs.facts else Discrepancy.FOREIGN
        yield _repair(missing, theirs, detail, theirs.facts)
    elif ours is not None:
        yield _repair(Discrepancy.CAPTURE_MISSING_THERE, ours, f"we have {_text(ours.captured)}")


def _payment_differences(theirs: ProviderPayment, ours: OurPayment) -> Iterable[Repair]:
    if ours.captured != theirs.amount:
        detail = f"they captured {_text(theirs.amount)}, we have {_text(ours.captured)}"
        yield _repair(Discrepancy.AMOUNT_DIFFERS, ours, detail)
    if theirs.fee_minor and not ours.fee_booked:
        finding = _finding(Discrepancy.FEE_NOT_BOOKED, ours, f"{theirs.fee_minor} {theirs.amount.currency}")
        yield Repair(finding, theirs.facts[:1])


def _refund_differences(theirs: ProviderPayment, ours: OurPayment) -> Iterable[Repair]:
    told: set[str] = set()
    for fact in theirs.refunds:
        detail = f"they refunded {_text(fact.amount)} as {fact.refund_id}"
        known = next((refund for refund in ours.refunds if refund.is_told_by(fact)), None)
        if known is None:
            yield _repair(Discrepancy.REFUND_MISSING_HERE, ours, detail, (fact,))
            continue
        told.add(known.refund_id)
        if not known.succeeded:
            yield _repair(Discrepancy.REFUND_UNFINISHED_HERE, ours, f"{detail}, our {known.refund_id}", (fact,))
        elif known.amount != fact.amount:
            yield _repair(Discrepancy.AMOUNT_DIFFERS, ours, f"{detail}, we {_text(known.amount)}")
    for refund in ours.refunds:
        if refund.succeeded and refund.refund_id not in told:
            detail = f"we have {_text(refund.amount)} as {refund.refund_id}"
            yield _repair(Discrepancy.REFUND_MISSING_THERE, ours, detail)


def _finding(discrepancy: Discrepancy, about: ProviderPayment | OurPayment, detail: str) -> Finding:
    return Finding(discrepancy=discrepancy, payment_id=about.payment_id, order_id=about.order_id, detail=detail)


def _repair(
    discrepancy: Discrepancy, about: ProviderPayment | OurPayment, detail: str, facts: tuple[PaymentEvent, ...] = ()
) -> Repair:
    return Repair(_finding(discrepancy, about, detail), facts)


def _text(money: Money | None) -> str:
    return f"{money.amount_minor} {money.currency}" if money is not None else "nothing"
