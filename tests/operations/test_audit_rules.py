"""Each invariant, broken in otherwise sound books, is found, and nothing beside what breaks with it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from common.operations.audit import IN_FLIGHT, check
from common.operations.books import Books
from common.orders.schemas import OrderStatus, PromoUse
from common.orders.shards import Shard
from common.payments import ledger, refund_rules
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


def refund(age: timedelta = timedelta(0), **fields: Any) -> Refund:
    paid_by = (GatewayName.STRIPE, "ch_1")
    made = new_refund("ref_1", SOLD, SOLD.amounts.total, "why", (), "host", NOW - age, paid_by)
    return made.model_copy(update=fields)


def with_refund(age: timedelta = timedelta(0), **fields: Any) -> Corruption:
    """A refund of everything, in order and ledger too."""

    def add(books: Books) -> Books:
        made = refund(age, **fields)
        entries = (*books.ledger, ledger.refund_owed(SOLD, made, NOW))
        if made.status is RefundStatus.SUCCEEDED:
            entries = (*entries, ledger.refund_paid(made, NOW))
        given_back = SOLD.model_copy(update={"refunded_minor": made.amount.amount_minor})
        return replace(books, refunds=(made,), orders=(given_back, HELD), ledger=entries)

    return add


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
            id="a paisa too much for the organizer",
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
        pytest.param(with_refund(IN_FLIGHT + timedelta(seconds=1)), ("refunds finish", "ref_1"), id="a stuck refund"),
        pytest.param(
            with_refund(status=RefundStatus.FAILED, failure="no"), ("refunds finish", "ref_1"), id="a failed refund"
        ),
        pytest.param(
            with_refund(timedelta(days=1), due_at=NOW - IN_FLIGHT - timedelta(seconds=1)),
            ("refunds finish", "ref_1"),
            id="an attempt that never began",
        ),
        pytest.param(
            with_held_order(hold_expires_at=NOW - IN_FLIGHT - timedelta(seconds=1)),
            ("holds end", "held"),
            id="a stuck hold",
        ),
    ],
)
def test_what_is_broken_is_found(corrupt: Corruption, expected: tuple[str, str]) -> None:
    assert violated(corrupt(SOUND)) == [expected]


@pytest.mark.parametrize(
    ("corrupt", "expected"),
    [
        pytest.param(
            with_sale({f"gateway:{GatewayName.STRIPE}": 1}),
            {("ledger balances", "sold_stripe_sale"), ("the ledger says what gateways hold", "sold")},
            id="an entry that is off by one",
        ),
        pytest.param(
            lambda books: replace(books, ledger=()),
            {("a captured payment is booked", "sold_stripe"), ("the ledger says what gateways hold", "sold")},
            id="a capture without its entry",
        ),
        pytest.param(
            with_sold_order(payment_id="other"),
            {("a capture buys its order or goes back", "ch_1"), ("an order with tickets is paid", "sold")},
            id="a capture that bought nothing",
        ),
        pytest.param(with_sold_order(refunded_minor=1), {("refunds are of their order", "sold")}, id="no such refund"),
        pytest.param(
            lambda books: replace(with_refund()(books), orders=books.orders),
            {
                ("refunds are of their order", "sold"),
                ("the fee of an order is booked", "sold"),
                ("the tax of an order is booked", "sold"),
            },
            id="a refund its order forgot",
        ),
        pytest.param(
            lambda books: replace(with_refund()(books), ledger=books.ledger),
            {
                ("the ledger says what we owe", "sold"),
                ("the fee of an order is booked", "sold"),
                ("the tax of an order is booked", "sold"),
            },
            id="a refund that is not in the ledger",
        ),
        pytest.param(
            lambda books: replace(
                with_refund()(books), refunds=(refund(), refund(refund_id="ref_2", status=RefundStatus.SUCCEEDED))
            ),
            {
                ("refunds are of their order", "sold"),
                ("no more goes back than was captured", "ch_1"),
                ("the ledger says what gateways hold", "sold"),
            },
            id="given back twice",
        ),
    ],
)
def test_money_that_is_wrong_is_found(corrupt: Corruption, expected: set[tuple[str, str]]) -> None:
    payments = tuple(each.model_copy(update={"heard_at": NOW - IN_FLIGHT * 2}) for each in SOUND.payments)
    assert set(violated(corrupt(replace(SOUND, payments=payments)))) == expected


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
    assert violated(with_refund(IN_FLIGHT)(SOUND)) == []
    assert violated(with_refund(timedelta(days=1), due_at=NOW + timedelta(hours=1))(SOUND)) == []
    assert violated(with_refund(timedelta(days=1), status=RefundStatus.SUCCEEDED)(SOUND)) == []


def test_a_capture_that_bought_nothing_goes_back_without_the_order_having_cost_less() -> None:
    payment = captured_payment(HELD, "ch_2")
    for status in (RefundStatus.PENDING, RefundStatus.SUCCEEDED):
        made = refund_rules.stray_refund(HELD, GatewayName.STRIPE, "ch_2", HELD.amounts.total, "paid_twice", NOW)
        made = made.model_copy(update={"status": status})
        paid = [ledger.refund_paid(made, NOW)] if status is RefundStatus.SUCCEEDED else []
        entries = (*SOUND.ledger, ledger.stray_capture(made, NOW), *paid)
        assert violated(replace(SOUND, payments=(PAYMENT, payment), refunds=(made,), ledger=entries)) == []


def test_a_capture_that_was_just_heard_of_is_in_flight() -> None:
    heard = captured_payment(HELD, "ch_2").model_copy(update={"provider_payment_id": None})
    assert violated(replace(SOUND, payments=(PAYMENT, heard))) == []
    stuck = heard.model_copy(update={"heard_at": NOW - IN_FLIGHT * 2})
    assert violated(replace(SOUND, payments=(PAYMENT, stuck))) == [("a capture buys its order or goes back", "ch_2")]


def test_a_gateway_s_fee_is_no_loss() -> None:
    assert violated(replace(SOUND, ledger=(*SOUND.ledger, ledger.gateway_fee(PAYMENT, 7, NOW)))) == []


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
FREE = an_order(unit_price_minor=0).amounts
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
    given_back = {"status": status, "units": (), "payment_id": None, "promo": use, "amounts": FREE}
    gone = SOLD.model_copy(update={"order_id": "gone"} | given_back)
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
        about = {"payment_id": "held_stripe", "order_id": "held", "provider_payment_id": None}
        waiting = PAYMENT.model_copy(update=about | {"status": status, "attempts": {}})
        assert violated(replace(SOUND, payments=(PAYMENT, waiting))) == []
