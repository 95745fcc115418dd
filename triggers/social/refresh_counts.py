"""A task for what changed of an event: its interest and ratings once in five seconds, its attendees once a minute."""

from __future__ import annotations

from common.social.counters import count_again
from common.social.schemas import CountRef
from common.trigger import Job, Task, trigger


@trigger(Task(queue="refresh-counts"), payload=CountRef)
async def refresh_counts(job: Job[CountRef]) -> None:
    """Count something of an event again and write it into its listing.

    Retried until it succeeds: nobody else counts what changed last.
    """
    await count_again(job.payload.event_id, job.payload.counted)
