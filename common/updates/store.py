"""Updates in Firestore: events/{eventId}/updates/{updateId}, written together with the task that tells the holders."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from common import clients, outbox
from common.errors import InvalidCursor
from common.outbox import PlannedTask
from common.paging import decode_cursor, encode_cursor
from common.updates.schemas import EventUpdate

if TYPE_CHECKING:
    from google.cloud.firestore import DocumentSnapshot


UPDATES: Final = "updates"


def path_of(event_id: str, update_id: str) -> str:
    """Where an update lies."""
    return f"events/{event_id}/{UPDATES}/{update_id}"


def entry(update: EventUpdate) -> tuple[str, dict[str, Any], PlannedTask]:
    """Path and fields of a new update and the task of its first page, for the commit that it belongs to."""
    return path_of(update.event_id, update.update_id), update.document(), task_of(update)


def task_of(update: EventUpdate, at: datetime | None = None) -> PlannedTask:
    """The task of the update's next page."""
    payload = {"eventId": update.event_id, "updateId": update.update_id, "page": update.page}
    return PlannedTask(function="tell_holders", name=f"{update.update_id}-{update.page}", payload=payload, at=at)


async def seen(event_id: str, update_id: str) -> DocumentSnapshot:
    """The update's document, with the times at which the database wrote it."""
    return await clients.firestore().document(path_of(event_id, update_id)).get()


async def find(event_id: str, update_id: str) -> EventUpdate | None:
    """The update of this id."""
    snapshot = await seen(event_id, update_id)
    return EventUpdate.of(snapshot.to_dict()) if snapshot.exists else None


async def post(update: EventUpdate) -> EventUpdate:
    """Keep an update and have it told, in one commit. A repeat gets what the first kept."""
    from google.api_core.exceptions import AlreadyExists

    client = clients.firestore()
    batch = client.batch()
    path, fields, first_page = entry(update)
    batch.create(client.document(path), fields)
    path, told = outbox.entry(update.created_at, None, first_page)
    batch.create(client.document(path), told)
    try:
        await batch.commit()
    except AlreadyExists:
        return EventUpdate.of((await seen(update.event_id, update.update_id)).to_dict())
    return update


async def page(event_id: str, limit: int, cursor: str | None) -> tuple[list[EventUpdate], str | None]:
    """The event's updates, newest first, and the cursor of the next page."""
    from google.cloud.firestore import Query

    query = (
        clients.firestore()
        .collection(f"events/{event_id}/{UPDATES}")
        .order_by("createdAt", direction=Query.DESCENDING)
        .order_by("updateId", direction=Query.DESCENDING)
        .limit(limit + 1)
    )
    if cursor is not None:
        created_at, update_id = decode_cursor(cursor, f"updates of {event_id}", str, str)
        query = query.start_after({"createdAt": _moment(str(created_at)), "updateId": update_id})
    found = [EventUpdate.of(snapshot.to_dict()) for snapshot in await query.get()]
    if len(found) <= limit:
        return found, None
    last = found[limit - 1]
    return found[:limit], encode_cursor(f"updates of {event_id}", last.created_at.isoformat(), last.update_id)


def _moment(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise InvalidCursor from None
