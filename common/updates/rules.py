"""What the holders of tickets are told: what stands on a ticket never changes without a word to whoever holds it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from common.clock import local_text
from common.events.schemas import EventStatus
from common.ids import derived_id
from common.tickets.schemas import TicketStatus
from common.updates.schemas import EventUpdate, UpdateKind, UpdateReply

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from common.events.schemas import Event, Venue
    from common.tickets.schemas import Ticket
    from common.updates.schemas import UpdateRequest


@dataclass(frozen=True)
class Recipient:
    """Somebody who holds a ticket: a user, or whoever owns a number. Of a buyer, the order knows more addresses."""

    user_id: str | None
    phone: str | None
    order_id: str | None


def announced(event: Event, request: UpdateRequest, update_id: str, by: str, now: datetime) -> EventUpdate:
    """What the organizer wants its holders to know."""
    return EventUpdate(
        update_id=update_id,
        event_id=event.event_id,
        event_title=event.title,
        kind=UpdateKind.ANNOUNCED,
        title=request.title,
        message=request.message,
        posted_by=by,
        created_at=now,
    )


def of_change(before: Event, after: Event) -> EventUpdate | None:
    """What this change of a published event makes us tell, None where the tickets say the same as before."""
    if before.status is not EventStatus.PUBLISHED:
        return None
    if after.status is EventStatus.CANCELLED:
        starts = local_text(before.starts_at, before.timezone)
        text = f"{before.title} on {starts} is cancelled. What was paid goes back to whoever paid it."
        return _automatic(after, before.title, UpdateKind.CANCELLED, "Event cancelled", text, urgent=True)
    told = [*_time(before, after), *_place(before, after)]
    urgent = bool(told)
    told += _name(before, after)
    if not told:
        return None
    *others, last = (what for what, _ in told)
    headline = f"New {', '.join(others)} and {last}" if others else f"New {last}"
    text = " ".join(sentence for _, sentence in told)
    return _automatic(after, after.title, UpdateKind.CHANGED, headline, text, urgent=urgent)


def _time(before: Event, after: Event) -> Iterable[tuple[str, str]]:
    was, is_now = _times(before), _times(after)
    if was != is_now:
        yield "time", f"{after.title} is now from {is_now} (it was from {was})."


def _place(before: Event, after: Event) -> Iterable[tuple[str, str]]:
    was, is_now = _where(before.venue), _where(after.venue)
    if was != is_now:
        yield "venue", f"{after.title} now takes place at {is_now} (it was {was})."


def _name(before: Event, after: Event) -> Iterable[tuple[str, str]]:
    if before.title != after.title:
        yield "name", f"{before.title} is now called {after.title}."


def _times(event: Event) -> str:
    return f"{local_text(event.starts_at, event.timezone)} to {local_text(event.ends_at, event.timezone)}"


def _where(venue: Venue) -> str:
    return f"{venue.name}, {venue.address}, {venue.city}"


def _automatic(event: Event, title: str, kind: UpdateKind, headline: str, text: str, *, urgent: bool) -> EventUpdate:
    return EventUpdate(
        update_id=derived_id("upd", event.event_id, event.updated_at.isoformat()),
        event_id=event.event_id,
        event_title=title,
        kind=kind,
        title=headline,
        message=text,
        urgent=urgent,
        created_at=event.updated_at,
    )


def printed(event: Event) -> dict[str, Any]:
    """What tickets and orders say of the event."""
    return {
        "event_title": event.title,
        "venue_name": event.venue.name,
        "starts_at": event.starts_at,
        "ends_at": event.ends_at,
    }


def is_outdated(ticket: Ticket, event: Event) -> bool:
    """Whether the ticket says something else than the event."""
    return any(getattr(ticket, name) != value for name, value in printed(event).items())


def concerns(update: EventUpdate, ticket: Ticket, event: Event, *, changed_since: bool) -> bool:
    """Whether the ticket's holder is told; `changed_since`: the ticket was written after the update was."""
    if ticket.status is TicketStatus.CANCELLED:
        # A cancelled event's tickets die while their holders are being told; who had a refund before knows nothing new.
        return update.kind is UpdateKind.CANCELLED and changed_since
    if ticket.status is TicketStatus.TRANSFERRED:
        return False
    return not update.late or is_outdated(ticket, event)


def recipients(tickets: Iterable[Ticket]) -> list[Recipient]:
    """Whoever holds these tickets, each once."""
    found: dict[tuple[str | None, str | None], Recipient] = {}
    for ticket in tickets:
        bought = ticket.order_id if ticket.holder_id == ticket.buyer_id else None
        holder = (ticket.holder_id, None if ticket.holder_id else ticket.holder_phone)
        found.setdefault(holder, Recipient(*holder, bought))
    return list(found.values())


def update_reply(update: EventUpdate) -> UpdateReply:
    """The update as people see it."""
    return UpdateReply(**update.model_dump(include=set(UpdateReply.model_fields)))
