"""A task for each webhook that was kept."""

from __future__ import annotations

from common.payments import store
from common.payments.schemas import WebhookRef, WebhookStatus
from common.payments.settlement import settle_webhook
from common.trigger import Job, Task, trigger


@trigger(
    Task(queue="settle-payment", min_backoff_s=0.5, max_backoff_s=60),
    payload=WebhookRef,
    secrets=("STRIPE_SECRET_KEY", "RAZORPAY_KEY_SECRET", "PAYSTACK_SECRET_KEY"),
)
async def settle_payment(job: Job[WebhookRef]) -> None:
    """Turn what a provider told us into tickets, a refund, or a note.

    Retried until it succeeds: captured money must end as a ticket or a refund.
    """
    webhook = await store.find_webhook(job.payload.webhook_id)
    if webhook is None or webhook.status is not WebhookStatus.STORED:
        return
    await store.mark_webhook(webhook.webhook_id, await settle_webhook(webhook))
