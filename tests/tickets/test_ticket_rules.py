"""What may happen to a ticket, decided without a database."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.events.schemas import Event, EventStatus, Venue, Visibility
from common.ids import derived_id
from common.money import Money
from common.orders.schemas import Amounts, Order, OrderLine, OrderStatus
from common.tickets import rules
from common.tickets.rules import Scan
from common.tickets.schemas import CheckInResult, Holder, Ticket, TicketStatus, TransferRequest, UnitRef
from common.tokens import Caller

NOW = datetime(2026, 3, 14, 18, 0, tzinfo=UTC)
PRICE = Money(amount_minor=50_000, currency="INR")
NOTHING = Money(amount_minor=0, currency="INR")
GIVER = Caller("asha", phone="+919811111111")
REQUEST = TransferRequest(recipient_phone="+919822222222", recipient_name="Ravi")


def event(**changes: Any) -> Event:
    return Event(
        event_id="evt_a",
        org_id="org_a",
        status=EventStatus.PUBLISHED,
        title="Night at the Mill",
        description="Four rooms.",
        starts_at=NOW + timedelta(hours=1),
        ends_at=NOW + timedelta(hours=7),
        timezone="Asia/Kolkata",
        venue=Venue(name="Mill", address="Lower Parel", city="Mumbai", latitude=18.99, longitude=72.83),
        geohash="te7u",
        genres=("techno",),
        lineup=(),
        age_restriction=18,
        visibility=Visibility.PUBLIC,
        currency="INR",
        country="IN",
        min_price_minor=0,
        tiers=(),
        created_at=NOW,
        updated_at=NOW,
    ).model_copy(update=changes)


def order(*lines: OrderLine, units: tuple[UnitRef, ...]) -> Order:
    return Order(
        order_id="ord_a",
        order_number="MQ-1",
        event_id="evt_a",
        org_id="org_a",
        buyer_id="asha",
        buyer_email=None,
        buyer_phone=None,
        status=OrderStatus.PAID,
        fingerprint="f",
        lines=lines,
        units=units,
        amounts=Amounts(subtotal=PRICE, discount=NOTHING, fee=NOTHING, tax=NOTHING, total=PRICE),
        event_title="Night at the Mill",
        venue_name="Mill",
        starts_at=NOW + timedelta(hours=1),
        ends_at=NOW + timedelta(hours=7),
        created_at=NOW,
        hold_expires_at=NOW,
    )


def line(tier: str, quantity: int, *holders: str) -> OrderLine:
    named = tuple(Holder(name=name) for name in holders)
    return OrderLine(tier_id=tier, tier_name=tier.title(), quantity=quantity, unit_price=PRICE, holders=named)


def units(tier: str, *numbers: int) -> tuple[UnitRef, ...]:
    return tuple(UnitRef(tier_id=tier, number=number) for number in numbers)


def ticket(**changes: Any) -> Ticket:
    [issued] = rules.new_tickets(order(line("floor", 1), units=units("floor", 7)), NOW)
    return issued.model_copy(update=changes)


def scan(of: Ticket, **changes: Any) -> Scan:
    values: dict[str, Any] = {"scan_id": "scn_a", "code": rules.code_of(of), "by": "door"}
    return Scan(**(values | changes))


def result(of: Ticket, at: Event, now: datetime = NOW, **changes: Any) -> CheckInResult:
    return rules.check_in(of, at, scan(of, **changes), now).result


def test_every_unit_of_an_order_gets_a_ticket_with_its_guests_name() -> None:
    mixed = (*units("balcony", 3), *units("floor", 10, 4))
    issued = rules.new_tickets(order(line("floor", 2, "Meera"), line("balcony", 1, "Kabir"), units=mixed), NOW)
    assert [(each.unit.tier_id, each.unit.number, each.tier_name) for each in issued] == [
        ("floor", 10, "Floor"),
        ("floor", 4, "Floor"),
        ("balcony", 3, "Balcony"),
    ]
    assert [each.holder.name if each.holder else None for each in issued] == ["Meera", None, "Kabir"]
    assert {each.holder_id for each in issued} == {"asha"}
    assert [each.ticket_id for each in issued] == [derived_id("tkt", "ord_a", str(index)) for index in range(3)]
    assert len({each.ticket_number for each in issued}) == 3
    assert all(each.status is TicketStatus.VALID and each.version == 1 for each in issued)


def test_issuing_again_gives_the_same_tickets() -> None:
    sold = order(line("floor", 2), units=units("floor", 1, 2))
    later = rules.new_tickets(sold, NOW + timedelta(minutes=5))
    assert [each.ticket_id for each in rules.new_tickets(sold, NOW)] == [each.ticket_id for each in later]


def test_a_ticket_is_its_holders_and_a_phone_counts_only_while_no_user_holds_it() -> None:
    sent = ticket(holder_id=None, holder_phone="+919822222222")
    assert rules.holds(Caller("asha"), ticket())
    assert not rules.holds(Caller("ravi", phone="+919822222222"), ticket())
    assert rules.holds(Caller("ravi", phone="+919822222222"), sent)
    assert not rules.holds(Caller("asha", phone="+919811111111"), sent)
    assert not rules.holds(Caller("nobody"), sent)
    assert not rules.holds(Caller("nobody"), ticket(holder_id=None, holder_phone=None))
    assert not rules.holds(Caller("ravi", phone="+919822222222"), ticket(holder_phone="+919822222222"))


def test_lists_are_sorted_by_what_comes_next() -> None:
    def at(hours: int, **changes: Any) -> Ticket:
        starts = NOW + timedelta(hours=hours)
        return ticket(starts_at=starts, ends_at=starts + timedelta(hours=2), **changes)

    soon, later, running = at(1), at(30), at(-1, status=TicketStatus.USED)
    long_ago, over, died = at(-50, status=TicketStatus.USED), at(-2), at(5, status=TicketStatus.CANCELLED)
    given_away = at(9, status=TicketStatus.TRANSFERRED)
    lists = rules.sort_lists([later, long_ago, soon, died, over, running, given_away], NOW)
    assert [each.starts_at for each in lists.upcoming] == [running.starts_at, soon.starts_at, later.starts_at]
    assert [each.starts_at for each in lists.past] == [over.starts_at, long_ago.starts_at]
    assert [each.starts_at for each in lists.cancelled] == [given_away.starts_at, died.starts_at]


def test_a_transfer_leaves_one_living_ticket_for_the_unit() -> None:
    mine = ticket(version=4, holder=Holder(name="Asha"))
    given = rules.transfer(mine, GIVER, REQUEST, "tkt_new", NOW)
    assert (given.old.status, given.old.version) == (TicketStatus.TRANSFERRED, 5)
    assert given.old.ticket_id == mine.ticket_id
    assert given.new.ticket_id == "tkt_new"
    assert (given.new.status, given.new.unit, given.new.order_id) == (TicketStatus.VALID, mine.unit, mine.order_id)
    assert (given.new.holder_id, given.new.holder_phone) == (None, "+919822222222")
    assert given.new.holder == Holder(name="Ravi", phone="+919822222222")
    assert given.new.ticket_number != mine.ticket_number


@pytest.mark.parametrize(
    ("changes", "now", "recipient", "refusal"),
    [
        ({"status": TicketStatus.USED}, NOW, "+919822222222", rules.TicketUsed),
        ({"status": TicketStatus.CANCELLED}, NOW, "+919822222222", rules.TicketNotValid),
        ({"status": TicketStatus.TRANSFERRED}, NOW, "+919822222222", rules.TicketNotValid),
        ({}, NOW + timedelta(hours=7), "+919822222222", rules.EventOver),
        ({}, NOW, "+919811111111", rules.TransferToSelf),
        ({"holder_phone": "+919833333333"}, NOW, "+919833333333", rules.TransferToSelf),
    ],
)
def test_a_transfer_is_refused(changes: Any, now: datetime, recipient: str, refusal: type[Exception]) -> None:
    request = TransferRequest(recipient_phone=recipient, recipient_name="Ravi")
    with pytest.raises(refusal):
        rules.transfer(ticket(**changes), GIVER, request, "tkt_new", now)


def test_the_door_opens_four_hours_before_and_closes_six_hours_after() -> None:
    night = event()
    for moment, expected in (
        (night.starts_at - timedelta(hours=4, microseconds=1), CheckInResult.NOT_YET_VALID),
        (night.starts_at - timedelta(hours=4), CheckInResult.ADMITTED),
        (night.ends_at + timedelta(hours=6), CheckInResult.ADMITTED),
        (night.ends_at + timedelta(hours=6, microseconds=1), CheckInResult.REVOKED),
    ):
        assert result(ticket(), night, moment) is expected


def test_the_door_goes_by_the_events_times_not_by_those_printed_on_the_ticket() -> None:
    postponed = event(starts_at=NOW + timedelta(days=7), ends_at=NOW + timedelta(days=7, hours=6))
    assert result(ticket(), postponed) is CheckInResult.NOT_YET_VALID


def test_each_reason_has_its_own_answer() -> None:
    good, night = ticket(), event()
    assert rules.check_in(None, night, scan(good), NOW).result is CheckInResult.UNKNOWN
    assert result(good, event(event_id="evt_b")) is CheckInResult.WRONG_EVENT
    assert result(good, night, code=rules.code_of(ticket(event_id="evt_b"))) is CheckInResult.WRONG_EVENT
    assert result(good, night, code=rules.code_of(ticket(version=2))) is CheckInResult.REVOKED
    assert result(ticket(status=TicketStatus.CANCELLED), night) is CheckInResult.REVOKED
    assert result(ticket(status=TicketStatus.TRANSFERRED), night) is CheckInResult.REVOKED
    assert result(good, event(status=EventStatus.CANCELLED)) is CheckInResult.REVOKED
    assert result(good, night) is CheckInResult.ADMITTED


def test_a_ticket_of_another_event_is_not_shown() -> None:
    good = ticket()
    assert rules.check_in(good, event(event_id="evt_b"), scan(good), NOW).ticket is None


def test_a_used_ticket_tells_when_and_where_even_long_after() -> None:
    used = ticket(status=TicketStatus.USED, used_at=NOW, used_gate="north")
    reply = rules.check_in(used, event(), scan(used, gate="south"), NOW + timedelta(days=3))
    assert (reply.result, reply.used_at, reply.used_gate) == (CheckInResult.ALREADY_USED, NOW, "north")


def test_an_offline_scan_counts_from_when_it_was_made() -> None:
    good, night = ticket(), event()
    made = night.starts_at + timedelta(hours=1)
    reply = rules.check_in(good, night, scan(good, made_at=made, gate="north"), night.ends_at + timedelta(days=1))
    assert (reply.result, reply.used_at, reply.used_gate) == (CheckInResult.ADMITTED, made, "north")
    assert reply.ticket is not None
    assert reply.ticket.status is TicketStatus.USED


@given(made=st.datetimes(timezones=st.just(UTC)), now=st.datetimes(timezones=st.just(UTC)))
def test_a_scanners_clock_is_believed_only_between_the_doors_and_now(made: datetime, now: datetime) -> None:
    good, night = ticket(), event()
    moment = rules.moment_of(scan(good, made_at=made), night, now)
    if night.starts_at - rules.DOORS_BEFORE_START <= made <= now:
        assert moment == made
    else:
        assert moment == now


@given(
    status=st.sampled_from(TicketStatus),
    raised=st.integers(0, 2),
    event_id=st.sampled_from(["evt_a", "evt_b"]),
    event_status=st.sampled_from(EventStatus),
    hours=st.integers(-40, 40),
)
def test_only_a_living_unused_present_code_at_its_own_event_is_admitted(
    status: TicketStatus, raised: int, event_id: str, event_status: EventStatus, hours: int
) -> None:
    held = ticket()
    now = NOW + timedelta(hours=hours)
    night = event(event_id=event_id, status=event_status)
    stored = held.model_copy(update={"status": status, "version": held.version + raised})
    admitted = rules.check_in(stored, night, scan(held), now).result is CheckInResult.ADMITTED
    assert admitted == (
        status is TicketStatus.VALID
        and raised == 0
        and event_id == "evt_a"
        and event_status is not EventStatus.CANCELLED
        and -3 <= hours <= 13
    )
