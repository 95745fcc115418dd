"""Whatever is sold, refunded, charged back and paid out, in any order: the books balance and nobody loses a paisa."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.finance import rules
from common.finance.schemas import EventSettlement
from common.money import Money, share
from common.orders.schemas import Order, OrderStatus
from common.payments import ledger
from common.payments.gateways import GatewayName, RefundStatus
from common.payments.refund_rules import new_refund
from common.payments.schemas import EntryKind, LedgerEntry, Refund
from tests.finance.conftest import sums_of
from tests.support.records import NOW, an_order, captured_payment, inr

if TYPE_CHECKING:
    from datetime import datetime

ORG, EVENT = "org_1", "evt_1"


@dataclass
class Books:
    """An event's ledger as settlement, refunds and payouts write it, in memory."""

    basis_points: int
    entries: list[LedgerEntry] = field(default_factory=list)
    orders: list[Order] = field(default_factory=list)
    owed_back: list[Refund] = field(default_factory=list)
    paid: list[Refund] = field(default_factory=list)
    settlement: EventSettlement | None = None
    captured: int = 0
    paid_back: int = 0
    fees: int = 0
    names: int = 0

    def name(self) -> int:
        self.names += 1
        return self.names

    def book(self, entry: LedgerEntry) -> None:
        assert entry.entry_id not in {known.entry_id for known in self.entries}
        self.entries.append(entry)

    def sell(self, units: int, price: int, discount: int, fee_rate: int) -> None:
        subtotal = units * price
        off = min(discount, subtotal - 1)
        fee = share(subtotal - off, fee_rate)
        tax = share(fee, 1_800)
        amounts = {"subtotal": subtotal, "discount": off, "fee": fee, "tax": tax, "total": subtotal - off + fee + tax}
        order = an_order(
            units, price, order_id=f"ord_{self.name()}", amounts={name: inr(minor) for name, minor in amounts.items()}
        )
        self.orders.append(order)
        self.captured += order.amounts.total.amount_minor
        self.book(ledger.sale(order, captured_payment(order, "ch"), NOW))

    def _refund(self, order: Order, amount: int, **more: Any) -> Refund:
        money = Money(amount_minor=amount, currency="INR")
        paid_by = (GatewayName.STRIPE, "ch")
        return new_refund(f"ref_{self.name()}", order, money, "why", (), "host", NOW, paid_by).model_copy(update=more)

    def refund(self, place: int, part: float, *, charged_back: bool = False) -> None:
        if not self.orders:
            return
        place %= len(self.orders)
        order = self.orders[place]
        left = order.amounts.total.amount_minor - order.refunded_minor
        amount = int(left * part)
        if not amount:
            return
        refund = self._refund(order, amount)
        self.book(ledger.refund_owed(order, refund, NOW))
        if charged_back:
            self.paid_back += amount
            self.book(ledger.refund_paid(refund, NOW))
        else:
            self.owed_back.append(refund)
        self.orders[place] = order.model_copy(update={"refunded_minor": order.refunded_minor + amount})

    def stray(self, amount: int) -> None:
        refund = self._refund(an_order(), amount, stray=True)
        self.captured += amount
        self.owed_back.append(refund)
        self.book(ledger.stray_capture(refund, NOW))

    def bounce(self) -> None:
        """The last refund that was paid comes back from the buyer's bank."""
        if self.paid:
            refund = self.paid.pop()
            self.paid_back -= refund.amount.amount_minor
            self.owed_back.append(refund.model_copy(update={"refund_id": f"{refund.refund_id}_again"}))
            self.book(ledger.refund_bounced(refund, NOW))

    def pay_back(self) -> None:
        if self.owed_back:
            refund = self.owed_back.pop(0).model_copy(update={"status": RefundStatus.SUCCEEDED})
            self.paid_back += refund.amount.amount_minor
            self.paid.append(refund)
            self.book(ledger.refund_paid(refund, NOW))

    def fee(self, place: int, part: float) -> None:
        if self.orders:
            order = self.orders[place % len(self.orders)]
            payment = captured_payment(order, "ch")
            if f"{payment.payment_id}_fee" not in {entry.entry_id for entry in self.entries}:
                fee = int(order.amounts.total.amount_minor * part)
                self.fees += fee
                self.book(ledger.gateway_fee(payment, fee, NOW))

    def run(self) -> None:
        """The daily job: settle or correct, then pay out."""
        if self.settlement is None:
            self.settlement = EventSettlement(
                event_id=EVENT,
                org_id=ORG,
                event_title="Night at the Mill",
                currency="INR",
                country="IN",
                basis_points=self.basis_points,
                cancelled=False,
                settled_at=NOW,
            )
        charge = rules.due_commission(self.settlement, self.sums)
        if charge != rules.Charge():
            about = (EVENT, ORG, "INR", self.name())
            self.book(ledger.commission(*about, charge.amount_minor, charge.tax_minor, NOW))
        lines = rules.payout_lines([(self.settlement, self.sums.owed_minor)])
        for line in lines:
            about_payout = (f"payout_{self.name()}", line.event_id, ORG, "INR")
            self.book(ledger.payout(*about_payout, line.amount.amount_minor, NOW))

    @property
    def sums(self) -> rules.EventSums:
        return sums_of(self.entries)

    def balances(self) -> Counter[str]:
        held: Counter[str] = Counter()
        for entry in self.entries:
            for posting in entry.postings:
                held[posting.account] += posting.amount_minor
        return held


PARTS = st.one_of(st.just(1.0), st.floats(0.01, 0.99))
PLACES = st.integers(0, 5)
STEPS = st.one_of(
    st.tuples(
        st.just("sell"), st.integers(1, 6), st.integers(1, 999_999), st.integers(0, 9_999), st.integers(0, 2_000)
    ),
    st.tuples(st.just("refund"), PLACES, PARTS),
    st.tuples(st.just("chargeback"), PLACES, PARTS),
    st.tuples(st.just("stray"), st.integers(1, 99_999)),
    st.tuples(st.just("pay_back")),
    st.tuples(st.just("bounce")),
    st.tuples(st.just("fee"), PLACES, st.floats(0.0, 0.05)),
    st.tuples(st.just("run")),
)


def apply(books: Books, step: tuple[Any, ...]) -> None:
    what, *arguments = step
    if what == "chargeback":
        books.refund(*arguments, charged_back=True)
    else:
        getattr(books, what)(*arguments)


def check(books: Books) -> None:
    for entry in books.entries:
        assert sum(posting.amount_minor for posting in entry.postings) == 0
        assert entry.totals == ledger.totals(entry.postings)
    held = books.balances()
    assert sum(held.values()) == 0
    assert held["gateway:stripe"] == books.captured - books.paid_back - books.fees
    assert held["buyer:buyer"] == -sum(refund.amount.amount_minor for refund in books.owed_back)
    assert held[f"organizer:{ORG}"] == -books.sums.owed_minor
    fee = sum(_kept(order, order.amounts.fee) for order in books.orders)
    assert held["platform_fee"] == -fee
    assert held["tax"] == -sum(_kept(order, order.amounts.tax) for order in books.orders) - books.sums.charged.tax_minor


def _kept(order: Order, of: Money) -> int:
    return of.amount_minor - of.amount_minor * order.refunded_minor // order.amounts.total.amount_minor


@given(st.sampled_from(rules.RATES), st.lists(STEPS, max_size=40))
def test_the_books_balance_whatever_happens(basis_points: int, steps: list[tuple[Any, ...]]) -> None:
    books = Books(basis_points)
    for step in steps:
        apply(books, step)
        check(books)
    while books.owed_back:
        books.pay_back()
    books.run()
    check(books)
    held = books.balances()
    assert held["buyer:buyer"] == 0
    sums = books.sums
    net_prices = (
        sum(order.amounts.subtotal.amount_minor - order.amounts.discount.amount_minor for order in books.orders)
        - sums.of(EntryKind.REFUND_OWED).organizer
    )
    charge = rules.commission(net_prices, basis_points, "IN")
    # Everything is paid out, or more was paid out than is left.
    assert -held[f"organizer:{ORG}"] == net_prices - charge.total_minor - sums.paid_out_minor == min(0, sums.owed_minor)
    assert held["commission"] == -charge.amount_minor
    assert held["bank"] == -sums.paid_out_minor


@given(
    st.integers(1, 6),
    st.integers(1, 999_999),
    st.integers(0, 9_999),
    st.integers(0, 2_000),
    st.lists(st.tuples(st.floats(0.01, 0.99), st.booleans()), max_size=12),
)
def test_partial_refunds_end_exactly_at_the_whole(
    units: int, price: int, discount: int, fee_rate: int, parts: list[tuple[float, bool]]
) -> None:
    """However it is cut: once all is given back, organizer, fee and tax of the order are at nothing."""
    books = Books(1_000)
    books.sell(units, price, discount, fee_rate)
    for part, charged_back in [*parts, (1.0, False)]:
        books.refund(0, part, charged_back=charged_back)
    while books.owed_back:
        books.pay_back()
    assert {account: held for account, held in books.balances().items() if held} == {}


def test_control_shares_of_each_refund_alone_would_not_end_at_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """A refund in four parts, each rounded down by itself, leaves something behind."""
    real = ledger.refund_owed

    def alone(order: Order, refund: Refund, now: datetime) -> LedgerEntry:
        return real(order.model_copy(update={"refunded_minor": 0}), refund, now)

    for refund_owed, left in ((real, {}), (alone, {"organizer:org_1": 6, "platform_fee": -3, "tax": -3})):
        monkeypatch.setattr(ledger, "refund_owed", refund_owed)
        books = Books(1_000)
        books.sell(1, 10_001, 0, 1_000)
        for part in (0.3, 0.3, 0.3, 1.0):
            books.refund(0, part)
        while books.owed_back:
            books.pay_back()
        assert {account: held for account, held in books.balances().items() if held} == left


def test_an_entry_that_does_not_balance_is_not_made() -> None:
    order = an_order()
    wrong = order.model_copy(update={"amounts": order.amounts.model_copy(update={"fee": order.amounts.tax})})
    with pytest.raises(ledger.Unbalanced):
        ledger.sale(wrong, captured_payment(wrong, "ch"), NOW)


def settlement(event_id: str, currency: str = "INR", cancelled: bool = False) -> EventSettlement:
    return EventSettlement(
        event_id=event_id,
        org_id=ORG,
        event_title=event_id,
        currency=currency,
        country="IN",
        basis_points=1_000,
        cancelled=cancelled,
        settled_at=NOW,
    )


@given(st.lists(st.integers(-10_000, 10_000), max_size=rules.MOST_LINES))
def test_a_payout_is_what_is_owed_after_debts_and_never_nothing_or_less(owed: list[int]) -> None:
    lines = rules.payout_lines((settlement(f"evt_{place}"), minor) for place, minor in enumerate(owed))
    amounts = [line.amount.amount_minor for line in lines]
    assert sum(amounts) == max(0, sum(owed))
    assert amounts == sorted(amounts)
    assert 0 not in amounts


def test_debts_are_netted_before_a_payout_is_full() -> None:
    owed = [(settlement(f"evt_{place}"), 10) for place in range(rules.MOST_LINES)] + [(settlement("evt_debt"), -5)]
    lines = rules.payout_lines(owed)
    assert (len(lines), lines[0].event_id) == (rules.MOST_LINES, "evt_debt")


def test_a_cancelled_event_gets_nothing_and_its_debts_count() -> None:
    owed = [(settlement("evt_a"), 100), (settlement("evt_b", cancelled=True), 50)]
    assert [line.event_id for line in rules.payout_lines(owed)] == ["evt_a"]
    owed = [(settlement("evt_a"), 100), (settlement("evt_b", cancelled=True), -50)]
    assert sum(line.amount.amount_minor for line in rules.payout_lines(owed)) == 50
    sums = replace(sums_of([]), kinds={EntryKind.SALE: ledger.totals(_sale().postings)})
    assert rules.due_commission(settlement("evt_b", cancelled=True), sums) == rules.Charge()
    assert rules.due_commission(settlement("evt_b"), sums) == rules.Charge(10_000, 1_800)


def _sale() -> LedgerEntry:
    order = an_order(status=OrderStatus.TICKETED)
    return ledger.sale(order, captured_payment(order, "ch"), NOW)
