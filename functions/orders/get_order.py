"""GET /v1/orders/{orderId}."""

from __future__ import annotations

from common.access import Access
from common.endpoint import Call, endpoint
from common.orders import replies, store
from common.orders.schemas import OrderReply


@endpoint("GET", "/v1/orders/{orderId}", access=Access.SIGNED_IN, returns=OrderReply)
async def get_order(call: Call) -> OrderReply:
    """One of the caller's orders."""
    seen = await store.of_buyer(call.path["orderId"], call.user.user_id)
    return replies.order_reply(seen.order)
