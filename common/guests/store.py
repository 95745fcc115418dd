"""Guest lists in Firestore: events/{eventId}/guests/{guestId}, one document a guest, kept also when they are removed.

They are read afresh each time: nobody is let in on what a process remembers of a list.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from common import clients, outbox
from common.errors import InvalidCursor, NotFound, TemporarilyUnavailable
from common.events.schemas import Event
from common.events.store import EVENTS
from common.guests import rules
from common.guests.schemas import ON_THE_LIST, Guest, GuestStatus
from common.paging import decode_cursor, encode_cursor
from common.transaction import attempts, committed

if TYPE_CHECKING:
    from collections.abc import Iterable

    from google.cloud.firestore import AsyncDocumentReference, AsyncQuery, AsyncWriteBatch, DocumentSnapshot
    from google.cloud.firestore_v1.base_query import BaseFilter

    from common.tokens import Caller

GUESTS: Final = "guests"


def _guest(event_id: str, guest_id: str) -> AsyncDocumentReference:
    return clients.firestore().document(f"{EVENTS}/{event_id}/{GUESTS}/{guest_id}")


async def find(event_id: str, guest_id: str) -> Guest | None:
    """The guest of this id, removed ones too."""
    snapshot = await _guest(event_id, guest_id).get()
    return Guest.of(snapshot.to_dict()) if snapshot.exists else None


async def admits(event_id: str, caller: Caller) -> bool:
    """Whether the caller is on the event's list, by user id or by the verified phone number of their token."""
    return any(rules.is_on_the_list(Guest.of(found.to_dict())) for found in await _of_caller(event_id, caller))


async def invite(wanted: Iterable[Guest], now: datetime) -> list[Guest]:
    """Put these guests of one event on its list, each once; those who are new there are told by what travels along."""
    guests = {guest.guest_id: guest for guest in wanted}
    client = clients.firestore()
    references = [_guest(guest.event_id, guest.guest_id) for guest in guests.values()]
    async for _ in attempts():
        found = {each.id: each async for each in client.get_all(references)}
        batch = client.batch()
        after = [_put(batch, found[guest_id], guest, now) for guest_id, guest in guests.items()]
        if not len(batch) or await committed(batch):
            return after
    raise TemporarilyUnavailable("Too many changed the guest list at the same time.")


def _put(batch: AsyncWriteBatch, seen: DocumentSnapshot, wanted: Guest, now: datetime) -> Guest:
    known = Guest.of(seen.to_dict()) if seen.exists else None
    after = rules.invited(known, wanted)
    if after is known:
        return after
    if known is None:
        batch.create(seen.reference, after.document())
    else:
        batch.update(seen.reference, after.document(), option=_as_seen(seen))
    told = outbox.event("guest.invited", now, eventId=after.event_id, guestId=after.guest_id)
    path, entry = outbox.entry(now, told)
    batch.create(clients.firestore().document(path), entry)
    return after


async def remove(event_id: str, guest_id: str) -> None:
    """Take a guest off the list, whatever they answered. No booking that begins after this succeeds."""
    from google.api_core.exceptions import NotFound as NoSuchDocument

    try:
        await _guest(event_id, guest_id).update({"status": GuestStatus.REMOVED})
    except NoSuchDocument:
        raise NotFound("The event has no such guest.") from None


async def answer(event_id: str, caller: Caller, said: GuestStatus, now: datetime) -> Guest:
    """Keep the caller's answer. NotFound for whoever is not on the list: an answer never brings anybody back."""
    async for _ in attempts():
        seen = [each for each in await _of_caller(event_id, caller) if each.get("status") != GuestStatus.REMOVED]
        if not seen:
            raise NotFound("You are not invited to this event.")
        batch = clients.firestore().batch()
        after = [_answer(batch, each, caller, said, now) for each in seen]
        if not len(batch) or await committed(batch):
            return max(after, key=lambda guest: guest.invited_at)
    raise TemporarilyUnavailable("Too many changed the guest list at the same time.")


def _answer(batch: AsyncWriteBatch, seen: DocumentSnapshot, caller: Caller, said: GuestStatus, now: datetime) -> Guest:
    before = Guest.of(seen.to_dict())
    after = rules.answered(before, said, caller, now)
    if after is not before:
        batch.update(seen.reference, after.document(), option=_as_seen(seen))
    return after


def _as_seen(snapshot: DocumentSnapshot) -> Any:
    return clients.firestore().write_option(last_update_time=snapshot.update_time)


async def _of_caller(event_id: str, caller: Caller) -> list[DocumentSnapshot]:
    guests = clients.firestore().collection(f"{EVENTS}/{event_id}/{GUESTS}")
    return list(await guests.where(filter=_is_caller(caller)).get())


def _is_caller(caller: Caller) -> BaseFilter:
    """Theirs by user id, or sent to their number and answered by nobody yet."""
    from google.cloud.firestore import And, FieldFilter, Or

    mine = FieldFilter("userId", "==", caller.user_id)
    if caller.phone is None:
        return mine
    return Or([mine, And([FieldFilter("userId", "==", None), FieldFilter("phone", "==", caller.phone)])])


async def page_of_event(
    event_id: str, status: GuestStatus | None, limit: int, cursor: str | None
) -> tuple[list[Guest], str | None]:
    """The event's guests, the latest invitations first, and the cursor of the next page."""
    from google.cloud.firestore import FieldFilter

    query: Any = clients.firestore().collection(f"{EVENTS}/{event_id}/{GUESTS}")
    if status is not None:
        query = query.where(filter=FieldFilter("status", "==", status))
    return await _page(query, f"guests of {event_id}, {status or 'all'}", limit, cursor)


async def page_of_caller(
    caller: Caller, limit: int, cursor: str | None
) -> tuple[list[tuple[Guest, Event]], str | None]:
    """What the caller is invited to, the latest invitations first, and the cursor of the next page."""
    from google.cloud.firestore import And, FieldFilter

    client = clients.firestore()
    on_a_list = FieldFilter("status", "in", list(ON_THE_LIST))
    query = client.collection_group(GUESTS).where(filter=And([_is_caller(caller), on_a_list]))
    guests, following = await _page(query, f"invitations of {caller.user_id}", limit, cursor)
    references = [client.document(f"{EVENTS}/{guest.event_id}") for guest in guests]
    found = {each.id: Event.of(each.to_dict()) async for each in client.get_all(references) if each.exists}
    return [(guest, found[guest.event_id]) for guest in guests if guest.event_id in found], following


async def _page(query: AsyncQuery, name: str, limit: int, cursor: str | None) -> tuple[list[Guest], str | None]:
    from google.cloud.firestore import Query

    query = (
        query.order_by("invitedAt", direction=Query.DESCENDING)
        .order_by("guestId", direction=Query.DESCENDING)
        .limit(limit + 1)
    )
    if cursor is not None:
        invited_at, guest_id = decode_cursor(cursor, name, str, str)
        query = query.start_after({"invitedAt": _moment(str(invited_at)), "guestId": guest_id})
    found = [Guest.of(snapshot.to_dict()) for snapshot in await query.get()]
    if len(found) <= limit:
        return found, None
    last = found[limit - 1]
    return found[:limit], encode_cursor(name, last.invited_at.isoformat(), last.guest_id)


def _moment(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise InvalidCursor from None
