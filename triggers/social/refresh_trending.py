"""Every ten minutes."""

from __future__ import annotations

from common import log
from common.endpoint import Resources
from common.social import trending
from common.trigger import Job, Nothing, Schedule, trigger


@trigger(Schedule("*/10 * * * *"), resources=Resources(timeout_s=540, concurrency=1))
async def refresh_trending(job: Job[Nothing]) -> None:
    """Bring what is trending up to date with the tickets and posts since the last run.

    Running it again, or twice at once, changes nothing more; what a run does not reach the next one does.
    """
    changed = await trending.refresh()
    log.info("trending is up to date", changed=changed)
