"""An order as its buyer sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from common.money import Money
from common.orders.schemas import OrderLineReply, OrderReply

if TYPE_CHECKING:
    from common.orders.schemas import Order


def order_reply(order: Order) -> OrderReply:
    """The reply; it tells nothing of fingerprints and unit numbers."""
    return OrderReply(
        order_id=order.order_id,
        order_number=order.order_number,
        event_id=order.event_id,
        event_title=order.event_title,
        status=order.status,
        hold_expires_at=order.hold_expires_at,
        created_at=order.created_at,
        amounts=order.amounts,
        refunded=Money(amount_minor=order.refunded_minor, currency=order.amounts.total.currency),
        lines=tuple(
            OrderLineReply(
                tier_id=line.tier_id,
                tier_name=line.tier_name,
                quantity=line.quantity,
                unit_price=line.unit_price,
                discount=Money(amount_minor=line.discount_minor, currency=line.unit_price.currency),
                holders=line.holders,
            )
            for line in order.lines
        ),
        ticket_ids=order.ticket_ids,
        promo_code=order.promo.code if order.promo else None,
    )
