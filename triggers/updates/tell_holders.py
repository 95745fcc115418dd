"""A task for each page of an event's tickets whose holders are told something."""

from __future__ import annotations

from common.trigger import Job, Task, trigger
from common.updates.schemas import UpdatePageRef
from common.updates.telling import tell_page


@trigger(
    Task(queue="tell-holders", max_dispatches_per_second=10, max_concurrent_dispatches=10),
    payload=UpdatePageRef,
)
async def tell_holders(job: Job[UpdatePageRef]) -> None:
    """Hand over who is told, note how far it is, and plan the next page.

    Retried until it succeeds; the messages themselves are sent by `notify`, each with retries of its own.
    """
    await tell_page(job.payload.event_id, job.payload.update_id, job.payload.page)
