"""A task for each page of those who follow an event's organization, venue or artists, from its publication on."""

from __future__ import annotations

from common.endpoint import Resources
from common.notifications.announcements import announce
from common.social.schemas import AnnouncePage
from common.trigger import Job, Task, trigger


@trigger(
    Task(queue="announce-event", max_dispatches_per_second=5, max_concurrent_dispatches=10, max_attempts=20),
    payload=AnnouncePage,
    resources=Resources(concurrency=4, timeout_s=300),
)
async def announce_event(job: Job[AnnouncePage]) -> None:
    """Tell some followers of a new event by push, and plan the next page.

    Each hears of it once, whomever of its people they follow. Retried twenty times; the pages behind do not wait.
    """
    await announce(job.payload)
