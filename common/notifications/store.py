"""messages/{id}: which message went to whom over which channel, so that a repeated event repeats no message."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from common import clients, clock
from common.ids import derived_id
from common.notifications.delivery import RecipientRefused
from common.trigger import RetryLater

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from google.cloud.firestore import AsyncDocumentReference

# Longer than any provider call may take: a claim this old belongs to a process that died.
CLAIM_LASTS: Final = timedelta(seconds=60)


async def once(event_id: str, user: str, channel: str, address: str, send: Callable[[], Awaitable[str]]) -> None:
    """Send a message unless it was sent before, and write down how it went.

    A process that dies between sending and writing makes a repeat: twice is better than never.
    """
    record = clients.firestore().document(f"messages/{derived_id('msg', event_id, user, channel, address)}")
    if not await _claim(record, {"eventId": event_id, "userId": user, "channel": channel}):
        return
    try:
        provider_id = await send()
    except RecipientRefused as refused:
        await record.update({"status": "refused", "failure": refused.detail or refused.title})
        return
    except Exception:
        await record.delete()
        raise
    await record.update({"status": "sent", "providerId": provider_id, "sentAt": clock.now()})


async def _claim(record: AsyncDocumentReference, about: dict[str, str]) -> bool:
    from google.api_core.exceptions import AlreadyExists, FailedPrecondition, NotFound

    now = clock.now()
    claim = about | {"status": "claimed", "claimedAt": now}
    try:
        await record.create(claim)
    except AlreadyExists:
        seen = await record.get()
        known = seen.to_dict() or {}
        if known.get("status") in {"sent", "refused"}:
            return False
        if not known or now - known["claimedAt"] < CLAIM_LASTS:
            raise RetryLater("The message is being sent.") from None
        try:
            await record.update(claim, option=clients.firestore().write_option(last_update_time=seen.update_time))
        except (FailedPrecondition, NotFound):  # somebody else took the dead claim over
            raise RetryLater("The message is being sent.") from None
    return True
