"""At most one task in ten seconds for each venue, artist or organization that is followed or left."""

from __future__ import annotations

from common.social.counters import count_followers
from common.social.schemas import FollowTarget
from common.trigger import Job, Task, trigger


@trigger(Task(queue="refresh-followers"), payload=FollowTarget)
async def refresh_followers(job: Job[FollowTarget]) -> None:
    """Count the followers again.

    Retried until it succeeds: nobody else counts who came or left last.
    """
    await count_followers(job.payload.target_id)
