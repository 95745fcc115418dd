"""Where tickets and the door's records lie, and the commits that change them.

A change is one commit that carries the `update_time` the ticket was read at: whoever comes second is refused by the
database, reads again and decides again. It is a transaction's guarantee for a single document, without its locks.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from common import clients, clock, kpi, outbox
from common.aggregation import count_of
from common.errors import NotFound, Problem, TemporarilyUnavailable
from common.tickets import rules
from common.tickets.schemas import CheckInReply, CheckInResult, Ticket, TicketStatus
from common.transaction import attempts
from common.wire import Record, UtcDatetime

if TYPE_CHECKING:
    from datetime import datetime

    from google.cloud.firestore import AsyncWriteBatch, DocumentSnapshot, FieldFilter, Or

    from common.events.schemas import Event
    from common.tickets.rules import Scan, Transfer
    from common.tickets.schemas import TransferRequest
    from common.tokens import Caller

TICKETS: Final = "tickets"
# One person's lists are one reply: what lies further back than this many tickets is not shown.
MOST_TICKETS: Final = 500


class ScanIdReused(Problem):
    status, code, title = 422, "scan_id_reused", "This scanId came with another ticket before"


@dataclass(frozen=True)
class SeenTicket:
    """A ticket as it was read; a write guarded by `update_time` fails if somebody changed it since."""

    ticket: Ticket
    update_time: datetime


class CheckIn(Record):
    """events/{eventId}/checkIns/{scanId}: one scan and the door's answer, written once."""

    ticket_id: str
    result: CheckInResult
    gate: str | None
    device_id: str | None
    scanned_at: UtcDatetime
    by: str
    used_at: UtcDatetime | None
    used_gate: str | None


def ticket_path(ticket_id: str) -> str:
    """Where a ticket lies."""
    return f"{TICKETS}/{ticket_id}"


def check_in_path(event_id: str, scan_id: str) -> str:
    """Where a scan's record lies."""
    return f"events/{event_id}/checkIns/{scan_id}"


async def find(ticket_id: str) -> Ticket | None:
    """The ticket of this id."""
    snapshot = await clients.firestore().document(ticket_path(ticket_id)).get()
    return Ticket.of(snapshot.to_dict()) if snapshot.exists else None


async def of_holder(caller: Caller) -> list[Ticket]:
    """The caller's tickets, those of the latest events first, at most MOST_TICKETS."""
    from google.cloud.firestore import Query

    query = clients.firestore().collection(TICKETS).where(filter=_held_by(caller))
    newest = query.order_by("startsAt", direction=Query.DESCENDING).limit(MOST_TICKETS)
    return [Ticket.of(snapshot.to_dict()) async for snapshot in newest.stream()]


async def of_holder_at(caller: Caller, event_id: str) -> list[Ticket]:
    """The caller's tickets of one event, dead ones too."""
    from google.cloud.firestore import FieldFilter

    query = clients.firestore().collection(TICKETS).where(filter=FieldFilter("eventId", "==", event_id))
    return [Ticket.of(snapshot.to_dict()) async for snapshot in query.where(filter=_held_by(caller)).stream()]


async def anybody_was_admitted(event_id: str) -> bool:
    """Whether any ticket of the event was used at its door."""
    query = _in_status(event_id, TicketStatus.USED).select(["status"]).limit(1)
    return bool(await query.get())


async def count_alive(event_id: str) -> int:
    """How many tickets of the event open its door, or did."""
    alive = (TicketStatus.VALID, TicketStatus.USED)
    return sum(await asyncio.gather(*(count_of(_in_status(event_id, status)) for status in alive)))


def _in_status(event_id: str, status: TicketStatus) -> Any:
    from google.cloud.firestore import FieldFilter

    of_event = clients.firestore().collection(TICKETS).where(filter=FieldFilter("eventId", "==", event_id))
    return of_event.where(filter=FieldFilter("status", "==", status.value))


def _held_by(caller: Caller) -> FieldFilter | Or:
    from google.cloud.firestore import And, FieldFilter, Or

    mine = FieldFilter("holderId", "==", caller.user_id)
    if caller.phone is None:
        return mine
    return Or([mine, And([FieldFilter("holderId", "==", None), FieldFilter("holderPhone", "==", caller.phone)])])


async def seen_tickets_of_order(order_id: str) -> list[SeenTicket]:
    """Every ticket that an order ever gave rise to, transferred ones and their successors too."""
    from google.cloud.firestore import FieldFilter

    query = clients.firestore().collection(TICKETS).where(filter=FieldFilter("orderId", "==", order_id))
    return [_seen(snapshot) async for snapshot in query.stream()]


async def page_of_event(
    event_id: str, limit: int, after: tuple[str | None, str | None, str] | None
) -> list[DocumentSnapshot]:
    """The event's next tickets, dead ones too; all of one holder come together. `after`: holder, phone, ticket id."""
    from google.cloud.firestore import FieldFilter

    names = ("holderId", "holderPhone", "ticketId")
    query: Any = clients.firestore().collection(TICKETS).where(filter=FieldFilter("eventId", "==", event_id))
    for name in names:
        query = query.order_by(name)
    if after is not None:
        query = query.start_after(dict(zip(names, after, strict=True)))
    return list(await query.limit(limit).get())


async def transfer(ticket_id: str, giver: Caller, request: TransferRequest, new_id: str) -> Ticket:
    """Give a ticket away: the old one dies and the recipient's appears in one commit. The old one is returned.

    A repeat with the same `new_id` finds the recipient's ticket: its first commit took effect, though nobody heard.
    """
    client = clients.firestore()
    async for _ in attempts():
        snapshot = await client.document(ticket_path(ticket_id)).get()
        old = Ticket.of(snapshot.to_dict()) if snapshot.exists else None
        if old is None or not rules.holds(giver, old):
            raise NotFound
        if old.status is TicketStatus.TRANSFERRED and await find(new_id) is not None:
            return old
        now = clock.now()
        given = rules.transfer(old, giver, request, new_id, now)
        batch = client.batch()
        left = {"status": given.old.status, "version": given.old.version}
        _guarded_update(batch, snapshot, left)
        batch.create(client.document(ticket_path(given.new.ticket_id)), given.new.document())
        path, told = outbox.entry(now, _transferred(given, now))
        batch.create(client.document(path), told)
        if await _committed(batch):
            return given.old
    raise TemporarilyUnavailable("Too many changed this ticket at the same time.")


async def check_in(event: Event, scan: Scan) -> CheckInReply:
    """Answer a scan and record it; one that admits uses the ticket up in the same commit.

    A repeat of a scanId gets the first answer, so that a scanner that lost the reply may ask again.
    """
    client = clients.firestore()
    record = client.document(check_in_path(event.event_id, scan.scan_id))
    paper = client.document(ticket_path(scan.code.ticket_id))
    async for _ in attempts():
        found = {snapshot.reference.path: snapshot async for snapshot in client.get_all([record, paper])}
        ticket = Ticket.of(found[paper.path].to_dict()) if found[paper.path].exists else None
        if found[record.path].exists:
            return _repeated(CheckIn.of(found[record.path].to_dict()), scan, ticket)
        now = clock.now()
        reply = rules.check_in(ticket, event, scan, now)
        batch = client.batch()
        batch.create(record, _record(reply, event, scan, now).document())
        if reply.result is CheckInResult.ADMITTED:
            used = {"status": "used", "usedAt": reply.used_at, "usedGate": reply.used_gate}
            _guarded_update(batch, found[paper.path], used)
            path, told = outbox.entry(now, _checked_in(reply, event, scan, now))
            batch.create(client.document(path), told)
        if await _committed(batch):
            kpi.count(kpi.CHECK_IN, reply.result)
            return reply
    raise TemporarilyUnavailable("Too many scanned this ticket at the same time.")


def _seen(snapshot: DocumentSnapshot) -> SeenTicket:
    return SeenTicket(Ticket.of(snapshot.to_dict()), snapshot.update_time)


def _guarded_update(batch: AsyncWriteBatch, seen: DocumentSnapshot, fields: dict[str, Any]) -> None:
    option = clients.firestore().write_option(last_update_time=seen.update_time)
    batch.update(seen.reference, fields, option=option)


async def _committed(batch: AsyncWriteBatch) -> bool:
    """Whether the commit went through; False when somebody else changed one of its documents first."""
    from google.api_core.exceptions import Aborted, AlreadyExists, FailedPrecondition

    try:
        await batch.commit()
    except (Aborted, AlreadyExists, FailedPrecondition):
        return False
    return True


def _record(reply: CheckInReply, event: Event, scan: Scan, now: datetime) -> CheckIn:
    return CheckIn(
        ticket_id=scan.code.ticket_id,
        result=reply.result,
        gate=scan.gate,
        device_id=scan.device_id,
        scanned_at=rules.moment_of(scan, event, now),
        by=scan.by,
        used_at=reply.used_at,
        used_gate=reply.used_gate,
    )


def _repeated(first: CheckIn, scan: Scan, ticket: Ticket | None) -> CheckInReply:
    if first.ticket_id != scan.code.ticket_id:
        raise ScanIdReused
    shown = ticket is not None and first.result is not CheckInResult.WRONG_EVENT
    return CheckInReply(
        result=first.result,
        ticket=rules.reply_of(ticket) if ticket is not None and shown else None,
        used_at=first.used_at,
        used_gate=first.used_gate,
    )


def _transferred(given: Transfer, now: datetime) -> outbox.DomainEvent:
    return outbox.event(
        "ticket.transferred",
        now,
        ticketId=given.new.ticket_id,
        previousTicketId=given.old.ticket_id,
        eventId=given.new.event_id,
        orderId=given.new.order_id,
        recipientPhone=given.new.holder_phone,
    )


def _checked_in(reply: CheckInReply, event: Event, scan: Scan, now: datetime) -> outbox.DomainEvent:
    return outbox.event(
        "ticket.checked_in",
        now,
        ticketId=scan.code.ticket_id,
        eventId=event.event_id,
        orgId=event.org_id,
        gate=scan.gate,
        usedAt=reply.used_at.isoformat() if reply.used_at else None,
    )
