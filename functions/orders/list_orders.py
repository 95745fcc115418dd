"""GET /v1/orders."""

from __future__ import annotations

from common.access import Access
from common.endpoint import Call, endpoint
from common.errors import InvalidCursor
from common.orders import replies, store
from common.orders.schemas import OrderPage, OrdersQuery
from common.wire import Empty


@endpoint("GET", "/v1/orders", access=Access.SIGNED_IN, query=OrdersQuery, returns=OrderPage, errors=(InvalidCursor,))
async def list_orders(call: Call[Empty, OrdersQuery]) -> OrderPage:
    """The caller's orders, newest first."""
    orders, cursor = await store.page_of_buyer(call.user.user_id, call.query.limit, call.query.cursor)
    return OrderPage(items=tuple(map(replies.order_reply, orders)), next_cursor=cursor)
