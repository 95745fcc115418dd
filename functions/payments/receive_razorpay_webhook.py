"""POST /v1/webhooks/razorpay."""

from __future__ import annotations

from common.access import Access
from common.endpoint import Call, endpoint
from common.payments.gateways import BadSignature, GatewayName, MalformedEvent
from common.payments.webhooks import receive, signed_by


@endpoint(
    "POST",
    "/v1/webhooks/razorpay",
    access=Access.provider_signature(signed_by(GatewayName.RAZORPAY)),
    status=204,
    errors=(BadSignature, MalformedEvent),
    max_body_bytes=1024 * 1024,
    secrets=("RAZORPAY_WEBHOOK_SECRET",),
)
async def receive_razorpay_webhook(call: Call) -> None:
    """Keep an event of Razorpay's; it is settled by a task. A repeat changes nothing."""
    await receive(GatewayName.RAZORPAY, call)
