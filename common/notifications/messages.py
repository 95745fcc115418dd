"""What people are told about a domain event: pure texts, one Message for each person."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from common.clock import local_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from common.events.schemas import Event
    from common.money import Money
    from common.orders.schemas import Order
    from common.tickets.schemas import Ticket
    from common.updates.schemas import EventUpdate

# A few parts of an SMS: a title of full length and the new time still fit.
LONGEST_SHORT = 320
SYMBOLS = {"INR": "₹", "NGN": "₦"}


@dataclass(frozen=True)
class Message:
    """One thing to tell one person, in a short form for a screen and a longer one for mail and SMS."""

    title: str
    short: str
    long: str
    data: Mapping[str, str] = field(default_factory=dict)


def amount_text(money: Money) -> str:
    """An amount as people write it: `₹1,250.00`."""
    return f"{SYMBOLS.get(money.currency, money.currency + ' ')}{money.amount_minor / 100:,.2f}"


def _count(order: Order) -> str:
    units = sum(line.quantity for line in order.lines)
    return "1 ticket" if units == 1 else f"{units} tickets"


def _paid(total: Money) -> str:
    return f"paid {amount_text(total)}" if total.amount_minor else "free of charge"


def tickets_for_buyer(order: Order, timezone: str) -> Message:
    """The buyer has their tickets."""
    when = local_text(order.starts_at, timezone)
    return Message(
        title="Your tickets are here",
        short=f"{_count(order)} for {order.event_title}. See you {when}.",
        long=(
            f"{_count(order)} for {order.event_title}\n{order.venue_name}, {when}\n\n"
            f"Order {order.order_number}, {_paid(order.amounts.total)}.\n"
            "Show the QR code in the app at the door."
        ),
        data={"type": "order.ticketed", "orderId": order.order_id, "eventId": order.event_id},
    )


def sale_for_host(order: Order) -> Message:
    """The organizer has sold something."""
    sold = f"{_count(order)} sold for {order.event_title} ({amount_text(order.amounts.for_tickets)})."
    return Message(
        title="New sale",
        short=sold,
        long=f"{sold}\nOrder {order.order_number}.",
        data={"type": "sale", "orderId": order.order_id, "eventId": order.event_id},
    )


def refund_for_buyer(order: Order, amount: Money) -> Message:
    """Money is on its way back, or tickets that cost nothing are void."""
    if not amount.amount_minor:
        text = f"Your free order for {order.event_title} was refunded. Refunded tickets no longer open the door."
        return Message(
            title="Order refunded",
            short=text,
            long=f"{text}\nOrder {order.order_number}.",
            data={"type": "refund", "orderId": order.order_id},
        )
    text = f"{amount_text(amount)} for {order.event_title} is on its way back to you."
    return Message(
        title="Refund on its way",
        short=text,
        long=f"{text}\nOrder {order.order_number}. Banks take up to ten days to show it.",
        data={"type": "refund", "orderId": order.order_id},
    )


def ticket_for_recipient(ticket: Ticket) -> Message:
    """Somebody was given a ticket."""
    text = f"You were given a ticket for {ticket.event_title} at {ticket.venue_name}."
    return Message(
        title="A ticket for you",
        short=text,
        long=f"{text} Sign in to Marquee with this number to see it. {ticket.ticket_number}",
        data={"type": "ticket.transferred", "ticketId": ticket.ticket_id},
    )


def invitation_for_guest(event: Event) -> Message:
    """Somebody is on a guest list."""
    text = f"You are invited to {event.title} on {local_text(event.starts_at, event.timezone)} at {event.venue.name}."
    return Message(
        title="You are invited",
        short=text,
        long=f"{text} Sign in to Marquee with this number to answer.",
        data={"type": "guest.invited", "eventId": event.event_id},
    )


def update_for_holder(update: EventUpdate) -> Message:
    """Something about an event that this person has a ticket for."""
    said = f"{update.event_title}: {update.message}" if update.posted_by else update.message
    return Message(
        title=update.title,
        short=said if len(said) <= LONGEST_SHORT else f"{said[: LONGEST_SHORT - 1]}…",
        long=f"{update.event_title}\n\n{update.message}\n\nYou get this because you have a ticket.",
        data={"type": "event.update", "eventId": update.event_id, "updateId": update.update_id},
    )


def event_for_follower(event: Event, followed: str) -> Message:
    """Somebody whom a person follows has a new event."""
    text = f"{event.title}, {local_text(event.starts_at, event.timezone)}, {event.venue.name} in {event.venue.city}."
    return Message(
        title=f"New from {followed}",
        short=text,
        long=text,
        data={"type": "event.published", "eventId": event.event_id},
    )
