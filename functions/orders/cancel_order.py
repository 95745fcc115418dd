"""POST /v1/orders/{orderId}/cancel."""

from __future__ import annotations

from common.access import Access
from common.endpoint import Call, endpoint
from common.orders import replies, rules, store
from common.orders.schemas import OrderReply, OrderStatus


@endpoint(
    "POST",
    "/v1/orders/{orderId}/cancel",
    access=Access.SIGNED_IN,
    returns=OrderReply,
    errors=(rules.OrderStateConflict,),
)
async def cancel_order(call: Call) -> OrderReply:
    """Give up a hold; its units can be bought by others at once. Repeating it changes nothing."""
    seen = await store.of_buyer(call.path["orderId"], call.user.user_id)
    if seen.order.status is not OrderStatus.CANCELLED:
        rules.check_cancel(seen.order)
        if not await store.release(seen, OrderStatus.CANCELLED):
            raise rules.OrderStateConflict("The order changed at this moment.")
    return replies.order_reply(seen.order.model_copy(update={"status": OrderStatus.CANCELLED, "units": ()}))
