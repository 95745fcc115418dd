"""POST /v1/orders/{orderId}/checkout."""

from __future__ import annotations

from common.access import Access
from common.endpoint import Call, Resources, endpoint
from common.orders.rules import HoldExpired, OrderStateConflict
from common.payments import checkout
from common.payments.gateways import GatewayRefused, GatewayUnavailable
from common.payments.schemas import CheckoutBody, CheckoutReply


@endpoint(
    "POST",
    "/v1/orders/{orderId}/checkout",
    access=Access.SIGNED_IN,
    body=CheckoutBody,
    returns=CheckoutReply,
    errors=(HoldExpired, OrderStateConflict, GatewayUnavailable, GatewayRefused),
    resources=Resources(concurrency=200),
    secrets=("STRIPE_SECRET_KEY", "RAZORPAY_KEY_SECRET", "PAYSTACK_SECRET_KEY"),
)
async def checkout_order(call: Call[CheckoutBody]) -> CheckoutReply:
    """Begin to pay a held order.

    The reply has what the provider's mobile SDK needs. Repeating it returns the same payment; another gateway may be
    tried on the same order. An order that costs nothing is ticketed at once.
    """
    return await checkout.begin(call.path["orderId"], call.user.user_id, call.body.gateway)
