"""GET /v1/orders/{orderId}/refunds."""

from __future__ import annotations

from common.access import Access
from common.endpoint import Call, endpoint
from common.errors import NotFound
from common.orders import store as orders
from common.organizations.schemas import Role
from common.organizations.store import role_of
from common.payments.refunds import refund_reply
from common.payments.schemas import RefundPage
from common.payments.store import refunds_of_order


@endpoint("GET", "/v1/orders/{orderId}/refunds", access=Access.SIGNED_IN, returns=RefundPage)
async def list_refunds(call: Call) -> RefundPage:
    """The refunds of an order, oldest first: how far each is, how often it was tried, and why it failed.

    For the buyer, and for owners and managers of the organization.
    """
    seen = await orders.find(call.path["orderId"])
    user_id = call.user.user_id
    if seen is None or (
        seen.order.buyer_id != user_id and await role_of(seen.order.org_id, user_id) not in {Role.OWNER, Role.MANAGER}
    ):
        raise NotFound("There is no such order.")
    return RefundPage(items=tuple(map(refund_reply, await refunds_of_order(seen.order.order_id))))
