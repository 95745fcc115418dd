"""What may happen to a ticket, decided from plain values: issuing, sorting into lists, transfer and check-in."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from common.errors import Problem
from common.events.schemas import EventStatus
from common.ids import derived_id, readable_number
from common.tickets.schemas import (
    CheckInReply,
    CheckInResult,
    Holder,
    Ticket,
    TicketCode,
    TicketLists,
    TicketReply,
    TicketStatus,
)

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from common.events.schemas import Event
    from common.orders.schemas import Order, OrderLine
    from common.tickets.schemas import TransferRequest, UnitRef
    from common.tokens import Caller

DOORS_BEFORE_START: Final = timedelta(hours=4)
# Nights run late: a code still opens the door for a while after the announced end.
ADMITTED_AFTER_END: Final = timedelta(hours=6)
DEAD: Final = (TicketStatus.CANCELLED, TicketStatus.TRANSFERRED)


class TicketUsed(Problem):
    status, code, title = 409, "ticket_used", "The ticket was used at the door already"


class TicketNotValid(Problem):
    status, code, title = 409, "ticket_not_valid", "The ticket was cancelled or given away"


class EventOver(Problem):
    status, code, title = 409, "event_over", "The event is over"


class TransferToSelf(Problem):
    status, code, title = 422, "transfer_to_self", "The ticket is yours already"


def new_tickets(order: Order, now: datetime) -> tuple[Ticket, ...]:
    """One ticket a unit of the order; the same again for the same order, whoever asks and however often."""
    units = {tier_id: [unit for unit in order.units if unit.tier_id == tier_id] for tier_id in _tiers(order)}
    places = [(line, place, paid) for line in order.lines for place, paid in enumerate(line.paid_parts)]
    return tuple(
        _new_ticket(order, line, units[line.tier_id].pop(0), index, paid, line.holders[place : place + 1], now)
        for index, (line, place, paid) in enumerate(places)
    )


def _tiers(order: Order) -> set[str]:
    return {line.tier_id for line in order.lines}


def _new_ticket(
    order: Order, line: OrderLine, unit: UnitRef, index: int, paid: int, named: tuple[Holder, ...], now: datetime
) -> Ticket:
    ticket_id = derived_id("tkt", order.order_id, str(index))
    return Ticket(
        ticket_id=ticket_id,
        ticket_number=readable_number("TKT", ticket_id),
        order_id=order.order_id,
        event_id=order.event_id,
        org_id=order.org_id,
        tier_id=line.tier_id,
        unit=unit,
        price_minor=paid,
        currency=line.unit_price.currency,
        buyer_id=order.buyer_id,
        # A guest's name on a ticket gives the guest nothing yet: until it is transferred it is the buyer's.
        holder_id=order.buyer_id,
        holder=named[0] if named else None,
        status=TicketStatus.VALID,
        version=1,
        event_title=order.event_title,
        tier_name=line.tier_name,
        venue_name=order.venue_name,
        starts_at=order.starts_at,
        ends_at=order.ends_at,
        issued_at=now,
    )


def holds(caller: Caller, ticket: Ticket) -> bool:
    """Whether the ticket is the caller's: by user, or by the verified phone it was sent to."""
    if ticket.holder_id is not None:
        return ticket.holder_id == caller.user_id
    return caller.phone is not None and ticket.holder_phone == caller.phone


def code_of(ticket: Ticket) -> TicketCode:
    """What the ticket's code says at its present version."""
    return TicketCode(ticket.ticket_id, ticket.event_id, ticket.version)


def reply_of(ticket: Ticket) -> TicketReply:
    """The ticket as its holder and the door see it."""
    return TicketReply(**ticket.model_dump(include=set(TicketReply.model_fields)))


def sort_lists(tickets: Iterable[Ticket], now: datetime) -> TicketLists:
    """A holder's tickets: those to come, soonest first; those behind and those that died, latest first."""
    latest_first = sorted(tickets, key=lambda ticket: (ticket.starts_at, ticket.ticket_id), reverse=True)
    alive = [ticket for ticket in latest_first if ticket.status not in DEAD]
    return TicketLists(
        upcoming=tuple(reply_of(ticket) for ticket in reversed(alive) if ticket.ends_at > now),
        past=tuple(reply_of(ticket) for ticket in alive if ticket.ends_at <= now),
        cancelled=tuple(reply_of(ticket) for ticket in latest_first if ticket.status in DEAD),
    )


@dataclass(frozen=True)
class Transfer:
    """A ticket given away: the old one, whose code is dead, and the recipient's new one for the same unit."""

    old: Ticket
    new: Ticket


def transfer(ticket: Ticket, giver: Caller, request: TransferRequest, new_id: str, now: datetime) -> Transfer:
    """What a transfer makes of the giver's ticket, or the reason why it may not happen."""
    if ticket.status is TicketStatus.USED:
        raise TicketUsed
    if ticket.status is not TicketStatus.VALID:
        raise TicketNotValid
    if ticket.ends_at <= now:
        raise EventOver
    if request.recipient_phone in (giver.phone, ticket.holder_phone):
        raise TransferToSelf
    given = {
        "ticket_id": new_id,
        "ticket_number": readable_number("TKT", new_id),
        "holder_id": None,
        "holder": Holder(name=request.recipient_name, phone=request.recipient_phone),
        "holder_phone": request.recipient_phone,
        "version": 1,
        "issued_at": now,
    }
    left = {"status": TicketStatus.TRANSFERRED, "version": ticket.version + 1}
    return Transfer(old=ticket.model_copy(update=left), new=ticket.model_copy(update=given))


@dataclass(frozen=True)
class Scan:
    """A code held before a scanner. `made_at` is the scanner's word for when, if it was offline."""

    scan_id: str
    code: TicketCode
    by: str
    gate: str | None = None
    device_id: str | None = None
    made_at: datetime | None = None


def moment_of(scan: Scan, event: Event, now: datetime) -> datetime:
    """When the scan was made: the scanner's word, unless it lies in the future or before the doors opened."""
    if scan.made_at is not None and event.starts_at - DOORS_BEFORE_START <= scan.made_at <= now:
        return scan.made_at
    return now


def check_in(ticket: Ticket | None, event: Event, scan: Scan, now: datetime) -> CheckInReply:
    """The door's answer to a scan at this event. An admitted reply carries the ticket as used."""
    if ticket is None:
        return CheckInReply(result=CheckInResult.UNKNOWN)
    if not event.event_id == ticket.event_id == scan.code.event_id:
        return CheckInReply(result=CheckInResult.WRONG_EVENT)
    moment = moment_of(scan, event, now)
    if _revoked(ticket, event, scan.code, moment):
        return CheckInReply(result=CheckInResult.REVOKED, ticket=reply_of(ticket))
    if ticket.status is TicketStatus.USED:
        return _used(CheckInResult.ALREADY_USED, ticket)
    if moment < event.starts_at - DOORS_BEFORE_START:
        return CheckInReply(result=CheckInResult.NOT_YET_VALID, ticket=reply_of(ticket))
    used = {"status": TicketStatus.USED, "used_at": moment, "used_gate": scan.gate}
    return _used(CheckInResult.ADMITTED, ticket.model_copy(update=used))


def _revoked(ticket: Ticket, event: Event, code: TicketCode, moment: datetime) -> bool:
    if ticket.version != code.version or ticket.status in DEAD or event.status is EventStatus.CANCELLED:
        return True
    return ticket.status is TicketStatus.VALID and moment > event.ends_at + ADMITTED_AFTER_END


def _used(result: CheckInResult, ticket: Ticket) -> CheckInReply:
    return CheckInReply(result=result, ticket=reply_of(ticket), used_at=ticket.used_at, used_gate=ticket.used_gate)
