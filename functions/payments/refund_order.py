"""POST /v1/orders/{orderId}/refunds."""

from __future__ import annotations

from common.access import Access
from common.endpoint import Call, Idempotency, endpoint
from common.errors import NotFound
from common.orders import store as orders
from common.orders.rules import OrderStateConflict
from common.organizations.schemas import Role
from common.organizations.store import role_of
from common.payments import refund_rules, refunds
from common.payments.schemas import RefundReply, RefundRequest


@endpoint(
    "POST",
    "/v1/orders/{orderId}/refunds",
    access=Access.SIGNED_IN,
    body=RefundRequest,
    returns=RefundReply,
    status=201,
    errors=(
        refund_rules.NotRefundable,
        refund_rules.RefundWindowClosed,
        refund_rules.TicketNotRefundable,
        refund_rules.UnknownTicket,
        refund_rules.AmountTooLarge,
        refund_rules.OrganizerOnly,
        OrderStateConflict,
    ),
    idempotency=Idempotency.RECORDED,
)
async def refund_order(call: Call[RefundRequest]) -> RefundReply:
    """Give money back: all of it, that of some tickets, or an amount.

    Owners and managers of the organization always may; the buyer until a day before the start, and not an amount of
    their choice. The tickets are void at once, the money follows.
    """
    seen = await orders.find(call.path["orderId"])
    if seen is None:
        raise NotFound("There is no such order.")
    user_id = call.user.user_id
    by_organizer = await role_of(seen.order.org_id, user_id) in {Role.OWNER, Role.MANAGER}
    if not by_organizer and seen.order.buyer_id != user_id:
        raise NotFound("There is no such order.")
    refund = await refunds.request_refund(seen, call.body, user_id, by_organizer, call.id_for("ref"))
    return refunds.refund_reply(refund)
