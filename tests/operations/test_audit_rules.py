"""Each invariant, broken in otherwise sound books, is found, and nothing beside what breaks with it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from common.money import Money
from common.operations.audit import IN_FLIGHT, Books, check
from common.orders.schemas import OrderStatus, PromoUse
from common.orders.shards import Shard
from common.payments import ledger
from common.payments.gateways import GatewayName, RefundStatus
from common.payments.schemas import PaymentStatus, Posting
from common.payments.store import new_refund
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
    made = refund(age, **fields)
    entries = [ledger.stray_capture(made, NOW) if made.stray else ledger.refund_owed(SOLD, made, NOW)]
    if made.status is RefundStatus.SUCCEEDED:
        entries.append(ledger.refund_paid(made, NOW))
    return lambda books: replace(books, refunds=(made,), ledger=(*books.ledger, *entries))


def with_sale(changes: dict[str, int], **fields: Any) -> Corruption:
    """The sale's entry with other amounts on these accounts."""
    sale = SOUND.ledger[0]
    postings = tuple(
        Posting(account=posting.account, amount_minor=posting.amount_minor + changes.get(posting.account, 0))
        for posting in sale.postings
    )
    changed = sale.model_copy(update={"postings": postings, "totals": ledger.totals(postings)} | fields)
    return lambda books: replace(books, ledger=(changed, *books.ledger[1:]))


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
        pytest.param(
            with_sale({f"organizer:{SOLD.org_id}": 1}),
            ("ledger balances", "sold_stripe_sale"),
            id="an entry that is off by one",
        ),
        pytest.param(
            with_sale({}, totals=SOUND.ledger[0].totals.model_copy(update={"gateway": 0})),
            ("totals are the postings", "sold_stripe_sale"),
            id="sums that are not the postings",
        ),
        pytest.param(
            with_sale({"tax": 1, f"organizer:{SOLD.org_id}": -1}),
            ("the tax of an order is booked", "sold"),
            id="tax that the organizer got",
        ),
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
        pytest.param(
            with_refund(amount=Money(amount_minor=1, currency="INR")),
            ("refunds are of their order", "sold"),
            id="a refund its order forgot",
        ),
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


def test_what_the_gateway_keeps_is_no_difference() -> None:
    fee = ledger.gateway_fee(PAYMENT, 2_000, NOW)
    assert violated(replace(SOUND, ledger=(*SOUND.ledger, fee))) == []


def test_commission_and_payouts_belong_to_no_order() -> None:
    more = (
        ledger.commission("evt_1", SOLD.org_id, "INR", 0, 10_000, 1_800, NOW),
        ledger.payout("payout_1", "evt_1", SOLD.org_id, "INR", 88_200, NOW),
    )
    assert violated(replace(SOUND, ledger=(*SOUND.ledger, *more))) == []


WITHDRAWN = replace(SHARD, returned=(), withdrawn=(2,))
LOWERED = replace(SOUND, capacity={TIER: 9}, shards=(WITHDRAWN,))


def test_a_withdrawn_number_is_no_capacity_and_belongs_to_nobody() -> None:
    assert violated(LOWERED) == []
    assert violated(replace(LOWERED, capacity={TIER: 10})) == [("shards are the capacity", TIER)]
    both = replace(LOWERED, shards=(replace(WITHDRAWN, returned=(2,)),))
    assert violated(both) == [("shard adds up", SHARD.path)]
    taken = replace(LOWERED, shards=(replace(WITHDRAWN, withdrawn=(4,)),), capacity={TIER: 9})
    assert violated(taken) == [("shard adds up", SHARD.path), ("returned units are free", SHARD.path)]


PROMO = "promo_1"
USE = (PROMO, 0)
PROMO_SHARD = Shard("events/evt_1/tiers/promo_1/shards/00", PROMO, first=0, size=2, next=1, returned=(), open=True)
WITH_CODE = replace(
    SOUND,
    capacity=SOUND.capacity | {PROMO: 2},
    shards=(SHARD, PROMO_SHARD),
    orders=(SOLD.model_copy(update={"promo": PromoUse(code="NIGHT", promo_id=PROMO, number=0)}), HELD),
    uses={USE: {"orderId": "sold", "state": "held"}},
)


def with_promo(status: OrderStatus, number: int | None) -> Books:
    use = PromoUse(code="NIGHT", promo_id=PROMO, number=number)
    gone = SOLD.model_copy(update={"order_id": "gone", "status": status, "units": (), "payment_id": None, "promo": use})
    return replace(WITH_CODE, orders=(*WITH_CODE.orders, gone))


def test_a_use_of_a_promo_code_is_no_ticket_and_has_one_order() -> None:
    assert violated(WITH_CODE) == []
    assert violated(with_promo(OrderStatus.EXPIRED, None)) == []
    unnamed = replace(WITH_CODE, orders=(SOLD, HELD))
    assert violated(unnamed) == [("promo uses have an order", "sold")]
    lost = replace(WITH_CODE, uses={})
    assert violated(lost) == [("shard adds up", PROMO_SHARD.path), ("promo uses have an order", "sold")]
    stolen = replace(WITH_CODE, uses={USE: {"orderId": "held", "state": "held"}})
    assert violated(stolen) == [("promo uses have an order", "sold"), ("promo uses have an order", "held")]


@pytest.mark.parametrize("number", [None, 0])
def test_an_order_that_is_paid_with_a_code_owns_a_use_of_its_own(number: int | None) -> None:
    assert violated(with_promo(OrderStatus.REFUNDED, number)) == [("promo uses have an order", "gone")]


def test_more_uses_than_there_may_be() -> None:
    more = replace(WITH_CODE, capacity=WITH_CODE.capacity | {PROMO: 1})
    assert violated(more) == [("shards are the capacity", PROMO)]


def test_payments_that_were_never_captured_prove_nothing() -> None:
    for status in (PaymentStatus.CREATED, PaymentStatus.AUTHORIZED, PaymentStatus.FAILED):
        waiting = PAYMENT.model_copy(update={"payment_id": "held_stripe", "order_id": "held", "status": status})
        assert violated(replace(SOUND, payments=(PAYMENT, waiting))) == []
