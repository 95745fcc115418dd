"""Domain events that people want to hear of."""

from __future__ import annotations

from common.notifications.notices import deliver
from common.outbox import TOPIC, DomainEvent
from common.trigger import Job, PubSub, trigger

TOLD = (
    "order.ticketed",
    "order.refunded",
    "order.partially_refunded",
    "payment.returned",
    "ticket.transferred",
    "guest.invited",
    "update.addressed",
)


@trigger(
    PubSub(TOPIC, types=TOLD),
    payload=DomainEvent,
    secrets=("SENDGRID_API_KEY", "TWILIO_AUTH_TOKEN"),
)
async def notify(job: Job[DomainEvent]) -> None:
    """Tell buyers, hosts, holders and guests by push, mail and SMS.

    A message that cannot go out now is retried with the whole event; those that went out before are not repeated.
    After ten attempts the event is a dead letter.
    """
    await deliver(job.payload)
