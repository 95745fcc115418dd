"""POST /v1/orders/{orderId}/confirm."""

from __future__ import annotations

from common.access import Access
from common.endpoint import Call, endpoint
from common.orders.replies import order_reply
from common.orders.schemas import OrderReply
from common.payments import checkout
from common.payments.checkout import PaymentNotCaptured
from common.payments.gateways import GatewayRefused, GatewayUnavailable
from common.payments.schemas import CheckoutBody


@endpoint(
    "POST",
    "/v1/orders/{orderId}/confirm",
    access=Access.SIGNED_IN,
    body=CheckoutBody,
    returns=OrderReply,
    errors=(PaymentNotCaptured, GatewayUnavailable, GatewayRefused),
    secrets=("STRIPE_SECRET_KEY", "RAZORPAY_KEY_SECRET", "PAYSTACK_SECRET_KEY"),
)
async def confirm_order(call: Call[CheckoutBody]) -> OrderReply:
    """Ask the provider whether the order is paid, and issue its tickets at once if it is.

    For the app to call when the provider's SDK has reported success, instead of waiting for the webhook. Repeating it
    changes nothing.
    """
    return order_reply(await checkout.confirm(call.path["orderId"], call.user.user_id, call.body.gateway))
