"""Each morning."""

from __future__ import annotations

from common import log
from common.endpoint import Resources
from common.finance import payouts
from common.trigger import Job, Nothing, Schedule, trigger


@trigger(Schedule("30 4 * * *"), resources=Resources(memory_mb=1024, timeout_s=1800, concurrency=1))
async def create_payouts(job: Job[Nothing]) -> None:
    """Settle the events that ended three days ago, and pay each organization what its settled events left.

    At 04:30 UTC, when banks in India open. What fails for one event or organization is logged and tried again the next
    day; it fails the run after everybody else had their turn. Running it again, or twice at once, pays nobody twice.
    """
    failures = await payouts.settle_ended()
    failures += await payouts.retry_failed()
    failures += await payouts.pay_out()
    for failure in failures:
        log.error("payouts are incomplete", cause=failure)
    if failures:
        raise failures[0]
