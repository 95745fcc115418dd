"""The listings' `trending`, brought up to date with what happened since the last run: nothing else is read or written.

Each listing says how much of what happened is in its key, in the same write as the key, so a listing that is met again
changes nothing. The watermark in jobs/refresh_trending moves only once everything before it is written.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from common import clients
from common.errors import TemporarilyUnavailable
from common.listings import store as listings
from common.listings.store import LISTINGS
from common.social import rules
from common.social.rules import Trend
from common.transaction import attempts

if TYPE_CHECKING:
    from google.cloud.firestore import DocumentSnapshot

WATERMARK: Final = "jobs/refresh_trending"
PAGE: Final = 200
AT_ONCE: Final = 20
BEFORE_ALL: Final = datetime(2020, 1, 1, tzinfo=UTC)
# A commit's time stamp is set a moment before others can read it.
OVERLAP: Final = timedelta(seconds=10)


async def refresh() -> int:
    """Weigh what happened since the last run; how many listings that changed."""
    from google.cloud.firestore import FieldFilter

    watermark = clients.firestore().document(WATERMARK)
    complete_to: datetime = ((await watermark.get()).to_dict() or {}).get("completeTo", BEFORE_ALL)
    active = clients.firestore().collection(LISTINGS)
    query = active.where(filter=FieldFilter("activeAt", ">", complete_to - OVERLAP)).order_by("activeAt").limit(PAGE)
    at_once, changed = asyncio.Semaphore(AT_ONCE), 0

    async def weigh(seen: DocumentSnapshot) -> bool:
        async with at_once:
            return await _weigh(seen)

    while found := await query.get():
        changed += sum(await asyncio.gather(*map(weigh, found)))
        await watermark.set({"completeTo": found[-1].get("activeAt")})
        if len(found) < PAGE:
            break
        query = query.start_after(found[-1])
    return changed


async def _weigh(seen: DocumentSnapshot) -> bool:
    """Write the listing's new place, unless it was written since it was read: then look at it again."""
    async for _ in attempts():
        fields: dict[str, Any] = seen.to_dict() or {}
        before = Trend(fields.get("trending", 0.0), fields.get("weighed", 0))
        total = rules.activity(fields.get("attendees", 0), fields.get("posts", 0))
        if total == before.weighed:
            return False
        after = rules.trend(before, total, fields["activeAt"])
        if await listings.update_as_seen(seen, trending=after.key, weighed=after.weighed):
            return True
        seen = await seen.reference.get()
    raise TemporarilyUnavailable("Too many changed this listing at the same time.")
