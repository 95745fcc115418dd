"""A task for each page of a cancelled event's orders."""

from __future__ import annotations

from common.endpoint import Resources
from common.payments.event_refunds import give_back_page
from common.payments.schemas import RefundRunRef
from common.trigger import Job, Task, trigger


@trigger(
    Task(queue="refund-event", max_dispatches_per_second=2, max_concurrent_dispatches=10),
    payload=RefundRunRef,
    resources=Resources(concurrency=4, timeout_s=300),
)
async def refund_event(job: Job[RefundRunRef]) -> None:
    """Release or refund the next orders of a cancelled event, note the progress, and plan the next page.

    Retried until it succeeds; the money follows by the task of each refund.
    """
    await give_back_page(job.payload.event_id, job.payload.page)
