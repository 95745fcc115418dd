"""POST /v1/webhooks/paystack."""

from __future__ import annotations

from common.access import Access
from common.endpoint import Call, endpoint
from common.payments.gateways import BadSignature, GatewayName, MalformedEvent
from common.payments.webhooks import receive, signed_by


@endpoint(
    "POST",
    "/v1/webhooks/paystack",
    access=Access.provider_signature(signed_by(GatewayName.PAYSTACK)),
    status=204,
    errors=(BadSignature, MalformedEvent),
    max_body_bytes=1024 * 1024,
    secrets=("PAYSTACK_SECRET_KEY",),
)
async def receive_paystack_webhook(call: Call) -> None:
    """Keep an event of Paystack's; it is settled by a task. A repeat changes nothing."""
    await receive(GatewayName.PAYSTACK, call)
