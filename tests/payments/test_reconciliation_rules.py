"""What differs between a provider's books and ours: every kind of discrepancy, and what is not one."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.money import Money
from common.payments.gateways import GatewayName, PaymentEvent, PaymentEventKind, ProviderPayment
from common.payments.reconciliation_rules import Comparison, OurPayment, OurRefund, compare
from common.payments.schemas import Discrepancy
from tests.support.records import NOW

UNTIL = NOW + timedelta(hours=1)
CAPTURED = PaymentEventKind.CAPTURED


def ngn(amount_minor: int) -> Money:
    return Money(amount_minor=amount_minor, currency="NGN")


def fact(
    kind: PaymentEventKind = CAPTURED, amount: int = 1_000, refund: str | None = None, **more: Any
) -> PaymentEvent:
    event = PaymentEvent(
        gateway=GatewayName.PAYSTACK,
        event_id=f"{kind}:{refund or 'pay'}",
        kind=kind,
        reference="pay",
        payment_id="pay",
        order_id="ord_1",
        amount=ngn(amount),
        refund_id=refund,
        occurred_at=NOW,
    )
    return replace(event, **more)


def refunded(amount: int, refund: str, key: str | None = None) -> PaymentEvent:
    return fact(PaymentEventKind.REFUNDED, amount, refund, refund_key=key)


def theirs(*refunds: PaymentEvent, amount: int = 1_000, **more: Any) -> ProviderPayment:
    payment = ProviderPayment(
        gateway=GatewayName.PAYSTACK,
        reference="pay",
        payment_id="pay",
        order_id="ord_1",
        amount=ngn(amount),
        fee_minor=30,
        captured_at=NOW,
        facts=(fact(amount=amount), *refunds),
    )
    return replace(payment, **more)


def ours(*refunds: OurRefund, amount: int = 1_000, **more: Any) -> OurPayment:
    payment = OurPayment("pay", "ord_1", ngn(amount), NOW, fee_booked=True, refunds=refunds)
    return replace(payment, **more)


def our_refund(amount: int, refund_id: str = "ref_1", there: str | None = "re_1", succeeded: bool = True) -> OurRefund:
    return OurRefund(refund_id, there, ngn(amount), succeeded, NOW)


def compared(their: ProviderPayment | None, our: OurPayment | None, *foreign: str) -> Comparison:
    return compare({"pay": their} if their else {}, {"pay": our} if our else {}, foreign, UNTIL)


SAME = {
    "a capture": (theirs(), ours()),
    "a refund by its id": (theirs(refunded(400, "re_1")), ours(our_refund(400))),
    "a refund by our key": (theirs(refunded(400, "re_1", "ref_1")), ours(our_refund(400, there=None))),
    "a refund by the key of its second attempt": (
        theirs(refunded(400, "re_1", "ref_1.2")),
        ours(our_refund(400, there=None)),
    ),
    "a refund that both have not finished": (theirs(), ours(our_refund(400, there=None, succeeded=False))),
    "a refund that failed there": (
        theirs(fact(PaymentEventKind.REFUND_FAILED, 400, "re_1")),
        ours(our_refund(400, succeeded=False)),
    ),
    "a stray that went back": (
        theirs(refunded(1_000, "re_1", "ref_1")),
        ours(our_refund(1_000)),
    ),
    "a fee in another currency": (theirs(fee_minor=None), ours(fee_booked=False)),
}


@pytest.mark.parametrize("pair", SAME.values(), ids=SAME.keys())
def test_books_that_agree(pair: tuple[ProviderPayment, OurPayment]) -> None:
    result = compared(*pair)
    assert (result.repairs, result.in_motion) == ((), 0)
    assert result.difference == {"NGN": 0}


DIFFERENT: dict[Discrepancy, tuple[ProviderPayment | None, OurPayment | None, int, bool]] = {
    Discrepancy.CAPTURE_MISSING_HERE: (theirs(), None, 1_000, True),
    Discrepancy.CAPTURE_MISSING_THERE: (None, ours(), -1_000, False),
    Discrepancy.REFUND_MISSING_HERE: (theirs(refunded(400, "re_9")), ours(), -400, True),
    Discrepancy.REFUND_UNFINISHED_HERE: (
        theirs(refunded(400, "re_1")),
        ours(our_refund(400, succeeded=False)),
        -400,
        True,
    ),
    Discrepancy.REFUND_MISSING_THERE: (theirs(), ours(our_refund(400)), 400, False),
    Discrepancy.AMOUNT_DIFFERS: (theirs(amount=900), ours(), -100, False),
    Discrepancy.FEE_NOT_BOOKED: (theirs(), ours(fee_booked=False), 0, True),
    Discrepancy.FOREIGN: (theirs(facts=()), None, 1_000, False),
}


@pytest.mark.parametrize("discrepancy", DIFFERENT)
def test_books_that_differ(discrepancy: Discrepancy) -> None:
    their, our, difference, is_safe = DIFFERENT[discrepancy]
    result = compared(their, our)
    [repair] = result.repairs
    assert (repair.finding.discrepancy, repair.is_safe) == (discrepancy, is_safe)
    assert result.difference == {"NGN": difference}


def test_every_discrepancy_is_tried() -> None:
    assert set(DIFFERENT) == set(Discrepancy)


def test_a_refund_of_another_amount() -> None:
    result = compared(theirs(refunded(400, "re_1")), ours(our_refund(500)))
    [repair] = result.repairs
    assert (repair.finding.discrepancy, result.difference) == (Discrepancy.AMOUNT_DIFFERS, {"NGN": 100})


def test_a_missed_payment_is_mended_by_all_its_facts_in_their_order() -> None:
    [repair] = compared(theirs(refunded(400, "re_1")), None).repairs
    assert [each.kind for each in repair.facts] == [CAPTURED, PaymentEventKind.REFUNDED]


def test_what_is_foreign_counts_for_nothing() -> None:
    result = compared(theirs(), None, "pay")
    assert (result.repairs, result.difference) == ((), {})


@pytest.mark.parametrize(
    "pair",
    [
        (theirs(captured_at=UNTIL + timedelta(seconds=1)), None),
        (theirs(replace(refunded(400, "re_1"), occurred_at=UNTIL + timedelta(seconds=1))), ours()),
        (theirs(), ours(replace(our_refund(400), created_at=UNTIL + timedelta(seconds=1)))),
    ],
    ids=["a capture", "a refund there", "a refund here"],
)
def test_what_moves_just_now_is_no_finding(pair: tuple[ProviderPayment | None, OurPayment | None]) -> None:
    result = compared(*pair)
    assert (result.repairs, result.in_motion, result.difference) == ((), 1, {})
    their, our = pair
    later = compare({"pay": their} if their else {}, {"pay": our} if our else {}, (), UNTIL + timedelta(minutes=1))
    assert later.repairs


@given(st.lists(st.tuples(st.integers(1, 300), st.booleans(), st.booleans()), max_size=3))
def test_without_a_finding_there_is_no_difference(refunds: list[tuple[int, bool, bool]]) -> None:
    """And a difference always has a finding that tells of it."""
    there = [refunded(amount, f"re_{n}") for n, (amount, known_there, _) in enumerate(refunds) if known_there]
    here = [our_refund(amount, f"ref_{n}", f"re_{n}", done) for n, (amount, _, done) in enumerate(refunds)]
    result = compared(theirs(*there), ours(*here))
    assert not (any(result.difference.values()) and not result.repairs)
    agree = all(known_there == done for _, known_there, done in refunds)
    assert agree == (not result.repairs)
