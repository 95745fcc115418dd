"""Each invariant, broken in otherwise sound books, is found, and nothing beside what breaks with it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from common.operations.audit import IN_FLIGHT, Books, check
from common.orders.schemas import OrderStatus
from common.orders.shards import Shard
from common.payments import ledger
from common.payments.gateways import GatewayName, RefundStatus
from common.payments.refund_rules import new_refund
from common.payments.schemas import PaymentStatus, Posting
from common.tickets.rules import new_tickets
from common.tickets.schemas import TicketStatus, UnitRef
from tests.support.records import NOW, an_order, captured_payment

if TYPE_CHECKING:
    from collections.abc import Callable

    from common.payments.schemas import Refund

    Corruption = Callable[[Books], Books]

TIER = "tier_1"
UNIT_3 = f"('{TIER}', 3)"
SHARD = Shard("events/evt_1/tiers/tier_1/shards/00", TIER, first=0, size=10, next=5, returned=(2,), open=True)
SOLD = an_order(units=2, order_id="sold", status="ticketed", payment_id="sold_stripe")
HELD = an_order(units=2, order_id="held").model_copy(
    update={"units": (UnitRef(tier_id=TIER, number=3), UnitRef(tier_id=TIER, number=4))}
)
PAYMENT = captured_payment(SOLD, "ch_1")
SOUND = Books(
    event_id="evt_1",
    capacity={TIER: 10},
    shards=(SHARD,),
    units={
        (TIER, 0): {"orderId": "sold", "state": "sold"},
        (TIER, 1): {"orderId": "sold", "state": "sold"},
        (TIER, 3): {"orderId": "held", "state": "held"},
        (TIER, 4): {"orderId": "held", "state": "held"},
    },
    orders=(SOLD, HELD),
    tickets=new_tickets(SOLD, NOW),
    payments=(PAYMENT,),
    refunds=(),
    ledger=(ledger.sale(SOLD, PAYMENT, NOW),),
)


def violated(books: Books) -> list[tuple[str, str]]:
    return [(violation.invariant, violation.subject) for violation in check(books, NOW)]


def with_unit(number: int, **fields: Any) -> Corruption:
    return lambda books: replace(books, units=books.units | {(TIER, number): fields})


def without_unit(number: int) -> Corruption:
    return lambda books: replace(
        books, units={unit: fields for unit, fields in books.units.items() if unit != (TIER, number)}
    )


def with_shard(**fields: Any) -> Corruption:
    return lambda books: replace(books, shards=(replace(SHARD, **fields),))


def with_held_order(**fields: Any) -> Corruption:
    return lambda books: replace(books, orders=(SOLD, HELD.model_copy(update=fields)))


def with_sold_order(**fields: Any) -> Corruption:
    return lambda books: replace(books, orders=(SOLD.model_copy(update=fields), HELD))


def with_ticket(**fields: Any) -> Corruption:
    return lambda books: replace(books, tickets=(books.tickets[0].model_copy(update=fields), *books.tickets[1:]))


def with_payment(**fields: Any) -> Corruption:
    return lambda books: replace(books, payments=(PAYMENT.model_copy(update=fields),))


def refund(age: timedelta = timedelta(0), **fields: Any) -> Refund:
    paid_by = (GatewayName.STRIPE, "ch_1")
    made = new_refund("ref_1", SOLD, SOLD.amounts.total, "why", (), "host", NOW - age, paid_by)
    return made.model_copy(update=fields)


def with_refund(age: timedelta = timedelta(0), **fields: Any) -> Corruption:
    return lambda books: replace(books, refunds=(refund(age, **fields),))


def unbalanced(books: Books) -> Books:
    first, *rest = books.ledger[0].postings
    more = Posting(account=first.account, amount_minor=first.amount_minor + 1)
    return replace(books, ledger=(books.ledger[0].model_copy(update={"postings": (more, *rest)}),))


def test_sound_books_have_no_violation() -> None:
    assert check(SOUND, NOW) == ()


def test_a_draft_has_no_inventory_yet() -> None:
    assert check(Books("evt_1", {TIER: 10}, (), {}, (), (), (), (), ()), NOW) == ()


def test_over_several_shards_each_number_belongs_to_its_own() -> None:
    shards = (replace(SHARD, size=4, next=4), Shard(SHARD.path + "1", TIER, 4, 6, 5, (), open=True))
    assert violated(replace(SOUND, shards=shards)) == []
    stolen = (shards[0], replace(shards[1], next=4))
    assert violated(replace(SOUND, shards=stolen)) == [("shard adds up", SHARD.path + "1")]


@pytest.mark.parametrize(
    ("corrupt", "expected"),
    [
        # shards and units
        pytest.param(with_shard(next=6), ("shard adds up", SHARD.path), id="a number taken by nobody"),
        pytest.param(with_shard(next=4), ("shard adds up", SHARD.path), id="a unit that was never handed out"),
        pytest.param(with_shard(returned=()), ("shard adds up", SHARD.path), id="a returned number forgotten"),
        pytest.param(with_shard(returned=(2, 2)), ("shard adds up", SHARD.path), id="a number returned twice"),
        pytest.param(with_shard(returned=(2, 4)), ("returned units are free", SHARD.path), id="returned and taken"),
        pytest.param(
            lambda books: replace(books, capacity={TIER: 11}), ("shards are the capacity", TIER), id="a unit short"
        ),
        pytest.param(
            lambda books: replace(books, capacity={TIER: 10, "tier_2": 1}),
            ("shards are the capacity", "tier_2"),
            id="a tier without shards",
        ),
        # orders
        pytest.param(
            with_held_order(units=HELD.units[:1]), ("an order owns its units", "held"), id="a unit its order forgot"
        ),
        # tickets
        pytest.param(
            with_ticket(status=TicketStatus.CANCELLED), ("sold units have a ticket", f"('{TIER}', 0)"), id="no ticket"
        ),
        # money
        pytest.param(unbalanced, ("ledger balances", "sold_stripe_sale"), id="an entry that is off by one"),
        pytest.param(
            lambda books: replace(books, ledger=()),
            ("a captured payment is booked", "sold_stripe"),
            id="a capture without its entry",
        ),
        pytest.param(
            with_sold_order(payment_id="other"),
            ("a captured payment buys its order", "sold_stripe"),
            id="a capture that bought nothing",
        ),
        pytest.param(
            with_payment(order_id="gone"), ("a captured payment buys its order", "sold_stripe"), id="of no order"
        ),
        pytest.param(
            with_payment(status=PaymentStatus.DISPUTED, order_id="gone"),
            ("a captured payment buys its order", "sold_stripe"),
            id="disputed, of no order",
        ),
        pytest.param(with_sold_order(refunded_minor=1), ("refunds are of their order", "sold"), id="no such refund"),
        pytest.param(with_refund(), ("refunds are of their order", "sold"), id="a refund its order forgot"),
        pytest.param(
            with_refund(IN_FLIGHT + timedelta(seconds=1), stray=True), ("refunds finish", "ref_1"), id="a stuck refund"
        ),
    ],
)
def test_what_is_broken_is_found(corrupt: Corruption, expected: tuple[str, str]) -> None:
    assert violated(corrupt(SOUND)) == [expected]


def test_a_unit_that_is_sold_while_its_order_is_only_held() -> None:
    books = with_unit(3, orderId="held", state="sold")(SOUND)
    assert violated(books) == [("units are as their order", "held"), ("sold units have a ticket", UNIT_3)]


def test_a_missing_unit_and_one_too_many_do_not_make_up_for_each_other() -> None:
    """The counts add up and the order owns what is there, but number 7 was never handed out."""
    swapped = (UnitRef(tier_id=TIER, number=3), UnitRef(tier_id=TIER, number=7))
    books = with_unit(7, orderId="held", state="held")(without_unit(4)(with_held_order(units=swapped)(SOUND)))
    assert violated(books) == [("shard adds up", SHARD.path)]


def test_a_unit_beyond_the_capacity_is_found_even_if_everything_else_fits() -> None:
    beyond = (*HELD.units, UnitRef(tier_id=TIER, number=10))
    books = with_unit(10, orderId="held", state="held")(with_held_order(units=beyond)(SOUND))
    assert violated(books) == [("units are in a shard", TIER)]


def test_a_lost_unit_breaks_its_shard_and_its_order() -> None:
    assert violated(without_unit(3)(SOUND)) == [("shard adds up", SHARD.path), ("an order owns its units", "held")]


def test_a_unit_of_no_order() -> None:
    nobodys = with_unit(5, orderId="gone", state="held")(with_shard(next=6)(SOUND))
    assert violated(nobodys) == [("units have an order", "gone")]


@pytest.mark.parametrize("status", [OrderStatus.EXPIRED, OrderStatus.CANCELLED, OrderStatus.REFUNDED])
def test_an_order_that_is_over_owns_nothing(status: OrderStatus) -> None:
    assert violated(with_sold_order(status=status)(SOUND)) == [("only live orders own units", "sold")]


def test_two_tickets_for_one_unit() -> None:
    twin = SOUND.tickets[0].model_copy(update={"ticket_id": "twin"})
    books = replace(SOUND, tickets=(*SOUND.tickets, twin))
    assert violated(books) == [("valid tickets are sold units", f"('{TIER}', 0)")]


def test_a_ticket_for_a_unit_that_is_not_sold() -> None:
    elsewhere = SOUND.tickets[0].model_copy(update={"ticket_id": "other", "unit": UnitRef(tier_id=TIER, number=3)})
    books = replace(SOUND, tickets=(*SOUND.tickets, elsewhere))
    assert violated(books) == [("valid tickets are sold units", UNIT_3)]


@pytest.mark.parametrize("status", [TicketStatus.CANCELLED, TicketStatus.TRANSFERRED])
def test_a_dead_ticket_opens_no_door_so_it_needs_no_unit(status: TicketStatus) -> None:
    dead = SOUND.tickets[0].model_copy(update={"ticket_id": "old", "status": status})
    assert violated(replace(SOUND, tickets=(*SOUND.tickets, dead))) == []


def test_a_used_ticket_still_belongs_to_its_unit() -> None:
    assert violated(with_ticket(status=TicketStatus.USED)(SOUND)) == []


def test_refunds_in_flight_and_finished_ones_are_as_they_should_be() -> None:
    whole = with_sold_order(refunded_minor=SOLD.amounts.total.amount_minor)
    assert violated(with_refund(IN_FLIGHT)(whole(SOUND))) == []
    assert violated(with_refund(timedelta(days=1), status=RefundStatus.SUCCEEDED)(whole(SOUND))) == []
    # What bought nothing goes back without the order having cost less.
    assert violated(with_refund(timedelta(days=1), status=RefundStatus.SUCCEEDED, stray=True)(SOUND)) == []


def test_payments_that_were_never_captured_prove_nothing() -> None:
    for status in (PaymentStatus.CREATED, PaymentStatus.AUTHORIZED, PaymentStatus.FAILED):
        waiting = PAYMENT.model_copy(update={"payment_id": "held_stripe", "order_id": "held", "status": status})
        assert violated(replace(SOUND, payments=(PAYMENT, waiting))) == []
