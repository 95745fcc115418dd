"""Each night, and by hand after anything that looked wrong."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Final

from common import clock, log
from common.endpoint import Resources
from common.payments.providers import configured
from common.payments.reconciliation import reconcile
from common.trigger import Job, Nothing, Schedule, trigger

# Nights overlap: what one of them missed, the next two find.
WINDOW: Final = timedelta(days=3)
# A webhook that is on its way has not been missed.
SETTLING: Final = timedelta(minutes=15)


@trigger(
    Schedule("0 22 * * *"),
    resources=Resources(memory_mb=2048, timeout_s=1800, concurrency=1),
    secrets=("STRIPE_SECRET_KEY", "RAZORPAY_KEY_SECRET", "PAYSTACK_SECRET_KEY"),
)
async def reconcile_payments(job: Job[Nothing]) -> None:
    """Compare our books with those of every payment provider, settle what was missed, report what cannot be explained.

    A provider that fails fails the run, after the others had their turn. Not retried: the next night covers this one.
    """
    until = clock.now() - SETTLING
    names = configured()
    results = await asyncio.gather(*(reconcile(name, until - WINDOW, until) for name in names), return_exceptions=True)
    failures = {name: result for name, result in zip(names, results, strict=True) if isinstance(result, BaseException)}
    for name, failure in failures.items():
        log.error("reconciliation failed", failure, gateway=name)
    for failure in failures.values():
        raise failure
