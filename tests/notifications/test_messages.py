"""What people read: amounts, counts and times as they expect them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from common.money import Money
from common.notifications.messages import (
    amount_text,
    refund_for_buyer,
    sale_for_host,
    ticket_for_recipient,
    tickets_for_buyer,
)
from common.tickets.rules import new_tickets
from tests.support.records import NOW, an_order

# A Saturday, 22:30 in Mumbai and 18:00 in Lagos.
STARTS = datetime(2026, 11, 21, 17, 0, tzinfo=UTC)
SMS_LENGTH = 160


def money(amount_minor: int, currency: str = "INR") -> Money:
    return Money(amount_minor=amount_minor, currency=currency)


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (money(125_000), "₹1,250.00"),
        (money(5), "₹0.05"),
        (money(99_999_999_99), "₹99,999,999.99"),
        (money(4_990, "NGN"), "₦49.90"),
        (money(100_00, "USD"), "USD 100.00"),
    ],
)
def test_amounts(amount: Money, text: str) -> None:
    assert amount_text(amount) == text


def test_a_buyer_reads_what_when_where_and_for_how_much() -> None:
    order = an_order(units=2, starts_at=STARTS)
    message = tickets_for_buyer(order, "Asia/Kolkata")
    assert message.short == "2 tickets for Night at the Mill. See you Saturday 21 November, 22:30."
    assert message.long.splitlines() == [
        "2 tickets for Night at the Mill",
        "Mill No. 5, Saturday 21 November, 22:30",
        "",
        "Order MQ-AAAA-AAAA, paid ₹1,118.00.",
        "Show the QR code in the app at the door.",
    ]
    assert message.data == {"type": "order.ticketed", "orderId": "ord_1", "eventId": "evt_1"}


def test_the_time_is_that_of_the_event_wherever_it_is() -> None:
    assert "Saturday 21 November, 18:00" in tickets_for_buyer(an_order(starts_at=STARTS), "Africa/Lagos").short
    # Past midnight it is another day.
    late = datetime(2026, 11, 21, 19, 0, tzinfo=UTC)
    assert "Sunday 22 November, 00:30" in tickets_for_buyer(an_order(starts_at=late), "Asia/Kolkata").short


def test_one_is_not_two() -> None:
    assert tickets_for_buyer(an_order(units=1), "UTC").short.startswith("1 ticket for ")
    assert sale_for_host(an_order(units=1)).short == "1 ticket sold for Night at the Mill (₹500.00)."
    assert sale_for_host(an_order(units=3)).short == "3 tickets sold for Night at the Mill (₹1,500.00)."


def test_the_count_is_over_all_lines() -> None:
    line = an_order(units=2).lines[0]
    both = an_order().model_copy(update={"lines": (line, line.model_copy(update={"tier_id": "vip", "quantity": 3}))})
    assert tickets_for_buyer(both, "UTC").short.startswith("5 tickets for ")


def test_what_cost_nothing_was_not_paid() -> None:
    message = tickets_for_buyer(an_order(unit_price_minor=0), "UTC")
    assert "Order MQ-AAAA-AAAA, free of charge." in message.long
    assert "₹" not in message.short + message.long


def test_a_refund_names_its_own_amount_not_that_of_the_order() -> None:
    message = refund_for_buyer(an_order(), money(55_900))
    assert message.short == "₹559.00 for Night at the Mill is on its way back to you."
    assert "MQ-AAAA-AAAA" in message.long
    assert message.data == {"type": "refund", "orderId": "ord_1"}


def test_a_refund_of_nothing_promises_no_money() -> None:
    message = refund_for_buyer(an_order(unit_price_minor=0), money(0))
    assert message.title == "Order refunded"
    assert "₹" not in message.short + message.long
    assert "way back" not in message.short + message.long


def test_a_recipient_reads_how_to_get_at_the_ticket() -> None:
    [ticket] = new_tickets(an_order(units=1), NOW)
    message = ticket_for_recipient(ticket)
    assert message.short == "You were given a ticket for Night at the Mill at Mill No. 5."
    assert message.long.startswith(message.short)
    assert message.long.endswith(ticket.ticket_number)
    assert message.data == {"type": "ticket.transferred", "ticketId": ticket.ticket_id}
    assert len(message.long) <= SMS_LENGTH
