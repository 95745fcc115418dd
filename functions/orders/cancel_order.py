"""POST /v1/orders/{orderId}/cancel."""

from __future__ import annotations

from common.access import Access
from common.endpoint import Call, endpoint
from common.orders import replies, rules, store
from common.orders.schemas import OrderReply


@endpoint(
    "POST",
    "/v1/orders/{orderId}/cancel",
    access=Access.SIGNED_IN,
    returns=OrderReply,
    errors=(rules.OrderStateConflict,),
)
async def cancel_order(call: Call) -> OrderReply:
    """Give up a hold; its units can be bought by others at once. Repeating it changes nothing."""
    return replies.order_reply(await store.cancel(call.path["orderId"], call.user.user_id))
