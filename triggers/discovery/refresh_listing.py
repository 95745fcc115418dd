"""At most one task a second for each event that changes."""

from __future__ import annotations

from common.listings import store as listings
from common.orders.schemas import EventRef
from common.trigger import Job, Task, trigger


@trigger(Task(queue="refresh-listing"), payload=EventRef)
async def refresh_listing(job: Job[EventRef]) -> None:
    """Write the listing that feeds and searches read, once the event changed."""
    await listings.refresh(job.payload.event_id)
