"""At most one task a second for each event that sells."""

from __future__ import annotations

from common.events import store
from common.orders.schemas import EventRef
from common.trigger import Job, Task, trigger


@trigger(Task(queue="refresh-availability", max_attempts=5), payload=EventRef)
async def refresh_availability(job: Job[EventRef]) -> None:
    """Write the availability document that apps listen to.

    Retried a few times only: the next sale refreshes it as well.
    """
    await store.write_live_availability(job.payload.event_id)
