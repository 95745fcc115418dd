"""Each minute."""

from __future__ import annotations

from common import clock, log
from common.operations.audit import oldest_unsettled
from common.trigger import Job, Nothing, Schedule, trigger


@trigger(Schedule("* * * * *"))
async def watch_settlement(job: Job[Nothing]) -> None:
    """Say how long the oldest payment event has been waiting for its settlement: beyond five minutes a person is paged.

    The alert reads this line (terraform/modules/observability). Not retried: the next minute comes.
    """
    log.info("oldest unsettled webhook", seconds=await oldest_unsettled(clock.now()))
