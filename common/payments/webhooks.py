"""Webhooks: verified on the raw body, kept once, answered; what they mean is settled afterwards by a task."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from common import log
from common.payments import store
from common.payments.providers import gateway

if TYPE_CHECKING:
    from common.access import Authorize
    from common.endpoint import Call
    from common.payments.gateways import GatewayName

# What a provider's parser may need later: Razorpay names the event only in a header.
KEPT_HEADERS = ("x-razorpay-event-id",)


def signed_by(name: GatewayName) -> Authorize:
    """The check that this provider signed exactly this body; BadSignature otherwise."""

    async def verify(call: Call[Any, Any]) -> None:
        gateway(name).verify(call.headers, call.raw)

    return verify


async def receive(name: GatewayName, call: Call) -> None:
    """Keep a verified webhook and plan its settlement, in one commit."""
    headers = {key: call.headers[key] for key in KEPT_HEADERS if key in call.headers}
    parsed = gateway(name).parse(headers, call.raw)
    is_new = await store.store_webhook(name, parsed.event_id, call.raw.decode(), headers)
    log.info("webhook kept" if is_new else "webhook known", gateway=name, eventType=parsed.type)
