"""A task at the end of each hold."""

from __future__ import annotations

from common import clock
from common.orders import store
from common.orders.schemas import OrderRef, OrderStatus
from common.trigger import Job, RetryLater, Task, trigger


@trigger(Task(queue="release-hold"), payload=OrderRef)
async def release_hold(job: Job[OrderRef]) -> None:
    """Give the units of an unpaid order back once its hold has run out.

    Retried until it succeeds. An order that was paid, cancelled or released meanwhile is left as it is.
    """
    seen = await store.find(job.payload.order_id)
    if seen is None or seen.order.status is not OrderStatus.HELD:
        return
    if clock.now() < seen.order.hold_expires_at:
        raise RetryLater("The hold has not run out yet.")
    if not await store.release(seen, OrderStatus.EXPIRED):
        raise RetryLater("The order changed at this moment.")
