"""Every ten minutes."""

from __future__ import annotations

from common import clock
from common.endpoint import Resources
from common.listings import building as index_building
from common.trigger import Job, Nothing, Schedule, trigger


@trigger(Schedule("*/10 * * * *"), resources=Resources(memory_mb=2048, timeout_s=540, concurrency=1, max_instances=1))
async def build_index(job: Job[Nothing]) -> None:
    """Write the listing index down for processes that start, if it changed; once a day anew from all listings.

    Running it twice at once, or dying at any line, leaves the last whole snapshot in force.
    """
    await index_building.build(clock.now())
