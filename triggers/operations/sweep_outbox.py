"""Each minute."""

from __future__ import annotations

import asyncio

from common import clients, clock, log
from common.outbox import OUTBOX, OVERDUE
from common.relay import relay
from common.trigger import Job, Nothing, Schedule, trigger

AT_ONCE = 50


@trigger(Schedule("* * * * *"))
async def sweep_outbox(job: Job[Nothing]) -> None:
    """Hand over the outbox entries that their own event never did, oldest first.

    An entry that cannot be handed over fails the run, after those behind it had their turn; a page of which nothing
    can be handed over ends it. Not retried: the next minute comes.
    """
    from google.cloud.firestore import FieldFilter

    overdue = (
        clients.firestore()
        .collection(OUTBOX)
        .where(filter=FieldFilter("createdAt", "<", clock.now() - OVERDUE))
        .order_by("createdAt")
        .limit(AT_ONCE)
    )
    swept = 0
    failures: list[BaseException] = []
    page = overdue
    while entries := await page.get():
        results = await asyncio.gather(*(relay(entry.reference) for entry in entries), return_exceptions=True)
        swept += sum(result is True for result in results)
        failed = [result for result in results if isinstance(result, BaseException)]
        failures += failed
        if len(failed) == len(entries):
            break
        page = overdue.start_after(entries[-1])
    if swept:
        log.warning("swept overdue outbox entries", count=swept)
    if failures:
        log.error("outbox entries cannot be handed over", cause=failures[0], count=len(failures))
        raise failures[0]
