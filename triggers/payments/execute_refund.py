"""A task for each refund that was decided."""

from __future__ import annotations

from common.payments.refund_execution import execute
from common.payments.schemas import RefundRef
from common.trigger import Job, Task, trigger


@trigger(
    Task(queue="execute-refund", min_backoff_s=1, max_backoff_s=3600, max_dispatches_per_second=20),
    payload=RefundRef,
    secrets=("STRIPE_SECRET_KEY", "RAZORPAY_KEY_SECRET", "PAYSTACK_SECRET_KEY"),
)
async def execute_refund(job: Job[RefundRef]) -> None:
    """Have the provider pay the money back.

    Retried while the provider cannot be reached or has not finished. What it refuses or fails is tried again later by
    a task of its own, a few times; then the refund is `failed` and an alert is raised.
    """
    await execute(job.payload.refund_id, job.payload.attempt)
