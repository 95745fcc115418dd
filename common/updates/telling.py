"""An update reaches every holder of a ticket, page by page: each page's people, tickets and next task are one commit.

Whatever dies in between repeats a page, and a repeat finds that it was done. What is handed over is an event for each
person; `notify` sends it, and writes down what it sent under the update's id: once each, whoever holds how many.

What an organizer changed is brought onto tickets and orders too. A hold that was made before the change may turn into
tickets with the old words after the first round: a late round, once no such hold can be left, finds them by that.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from pydantic.alias_generators import to_camel

from common import clients, clock, outbox
from common.config import config
from common.events import store as events
from common.events.schemas import EventStatus
from common.orders.store import order_path
from common.tickets import store as tickets
from common.tickets.schemas import Ticket
from common.transaction import committed
from common.trigger import RetryLater
from common.updates import rules, store
from common.updates.schemas import EventUpdate, UpdateKind

if TYPE_CHECKING:
    from datetime import datetime

    from google.cloud.firestore import AsyncWriteBatch, DocumentSnapshot

    from common.events.schemas import Event
    from common.updates.rules import Recipient

PAGE: Final = 50
# Beyond the end of every hold that an instance made on what it remembered of the event, and its payment's way here.
LATE_AFTER: Final = timedelta(minutes=5)


async def tell_page(event_id: str, update_id: str, page: int) -> None:
    """Have the holders of the next page of tickets told; nothing if that was done before."""
    seen = await store.seen(event_id, update_id)
    update = EventUpdate.of(seen.to_dict()) if seen.exists else None
    event = await events.find(event_id)
    if update is None or event is None or update.page != page or update.done:
        return
    if event.status is EventStatus.CANCELLED and update.kind is UpdateKind.CHANGED:
        return  # nobody needs the new time of what does not take place
    found = await tickets.page_of_event(event_id, PAGE, update.position)
    concerned = [ticket for each in found if (ticket := _concerned(update, each, event, seen)) is not None]
    after, task = _progress(update, found)
    now = clock.now()
    batch = clients.firestore().batch()
    batch.update(seen.reference, after.document(), option=_as_seen(seen))
    if task is not None:
        _hand_over(batch, now, None, task)
    for person in rules.recipients(concerned):
        _hand_over(batch, now, _told(update, person, now))
    if update.kind is UpdateKind.CHANGED:
        _reprint(batch, concerned, event)
    if not await committed(batch):
        raise RetryLater("Somebody else does this page, or changes its tickets.")


def _as_seen(snapshot: DocumentSnapshot) -> Any:
    return clients.firestore().write_option(last_update_time=snapshot.update_time)


def _concerned(update: EventUpdate, found: DocumentSnapshot, event: Event, seen: DocumentSnapshot) -> Ticket | None:
    ticket = Ticket.of(found.to_dict())
    # Both times are the database's own, so that no clock of ours decides.
    changed_since = found.update_time >= seen.create_time
    return ticket if rules.concerns(update, ticket, event, changed_since=changed_since) else None


def _progress(update: EventUpdate, found: list[DocumentSnapshot]) -> tuple[EventUpdate, outbox.PlannedTask | None]:
    """How far it is after this page, and the task of the next one."""
    done: dict[str, Any] = {"page": update.page + 1}
    if len(found) == PAGE:
        last = Ticket.of(found[-1].to_dict())
        after = update.model_copy(update=done | {"position": (last.holder_id, last.holder_phone, last.ticket_id)})
        return after, store.task_of(after)
    if update.kind is UpdateKind.CHANGED and not update.late:
        after = update.model_copy(update=done | {"position": None, "late": True})
        return after, store.task_of(after, _when_no_hold_is_left(update))
    return update.model_copy(update=done | {"done": True}), None


def _when_no_hold_is_left(update: EventUpdate) -> datetime:
    return update.created_at + timedelta(seconds=config().hold_seconds) + LATE_AFTER


def _told(update: EventUpdate, person: Recipient, now: datetime) -> outbox.DomainEvent:
    return outbox.event(
        "update.addressed",
        now,
        eventId=update.event_id,
        updateId=update.update_id,
        userId=person.user_id,
        phone=person.phone,
        orderId=person.order_id,
    )


def _hand_over(
    batch: AsyncWriteBatch, now: datetime, told: outbox.DomainEvent | None, *tasks: outbox.PlannedTask
) -> None:
    path, fields = outbox.entry(now, told, *tasks)
    batch.create(clients.firestore().document(path), fields)


def _reprint(batch: AsyncWriteBatch, concerned: list[Ticket], event: Event) -> None:
    """Let tickets and the orders that they came from say what the event says now."""
    outdated = [ticket for ticket in concerned if rules.is_outdated(ticket, event)]
    words = {to_camel(name): value for name, value in rules.printed(event).items()}
    paths = {tickets.ticket_path(ticket.ticket_id) for ticket in outdated}
    paths |= {order_path(ticket.order_id) for ticket in outdated}
    for path in sorted(paths):
        batch.update(clients.firestore().document(path), words)
