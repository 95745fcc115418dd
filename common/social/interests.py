"""interests/{userId}~{eventId} in Firestore: what each person did with an event."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from common import clients, outbox
from common.errors import TemporarilyUnavailable
from common.social import rules
from common.social.schemas import Counted, Interest, InterestKind, Taste
from common.social.store import put_as_seen, seen_taste
from common.transaction import attempts, committed

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

INTERESTS: Final = "interests"


def interest_path(user_id: str, event_id: str) -> str:
    """Where it lies what this person did with this event."""
    return f"{INTERESTS}/{user_id}~{event_id}"


async def interest_of(user_id: str, event_id: str) -> Interest:
    """What the person did with the event; nothing, for somebody who never saw it."""
    snapshot = await clients.firestore().document(interest_path(user_id, event_id)).get()
    return Interest.of(snapshot.to_dict()) if snapshot.exists else Interest(user_id=user_id, event_id=event_id)


async def change(user_id: str, event_id: str, to: Callable[[rules.Since], rules.Since], now: datetime) -> Interest:
    """Apply a change to what the person did, with what follows for their taste; a repeat writes nothing."""
    client = clients.firestore()
    document = client.document(interest_path(user_id, event_id))
    async for _ in attempts():
        seen = await document.get()
        before = Interest.of(seen.to_dict()) if seen.exists else Interest(user_id=user_id, event_id=event_id)
        after = before.model_copy(update={"since": to(before.since)})
        if after == before:
            return before
        batch = client.batch()
        if after.since:
            put_as_seen(batch, seen, after.document())
        else:
            batch.delete(document, option=client.write_option(last_update_time=seen.update_time))
        if _hidden(after) != _hidden(before):
            taste = await seen_taste(user_id)
            hiding = rules.hiding(Taste.of(taste.to_dict() or {}), event_id, hidden=_hidden(after))
            put_as_seen(batch, taste, hiding.document())
        path, entry = outbox.entry(now, None, rules.counts_of(event_id, Counted.INTEREST))
        batch.create(client.document(path), entry)
        if await committed(batch):
            return after
    raise TemporarilyUnavailable("Your interest is being changed from somewhere else.")


def _hidden(interest: Interest) -> bool:
    return InterestKind.NOT_INTERESTED in interest.since
