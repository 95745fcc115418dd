"""A task for each refund that was decided."""

from __future__ import annotations

from common.payments import refunds, store
from common.payments.schemas import RefundRef
from common.trigger import Job, Task, trigger


@trigger(
    Task(queue="execute-refund", min_backoff_s=1, max_backoff_s=3600, max_dispatches_per_second=20),
    payload=RefundRef,
    secrets=("STRIPE_SECRET_KEY", "RAZORPAY_KEY_SECRET", "PAYSTACK_SECRET_KEY"),
)
async def execute_refund(job: Job[RefundRef]) -> None:
    """Have the provider pay the money back.

    Retried until the provider confirms it; a refusal is kept on the refund and raised as an alert.
    """
    refund = await store.find_refund(job.payload.refund_id)
    if refund is not None:
        await refunds.execute(refund)
