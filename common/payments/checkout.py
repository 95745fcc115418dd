"""The step from a hold to a payment: one payment per order and gateway, however often it is asked for."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from common import clock
from common.orders import rules
from common.orders import store as orders
from common.orders.schemas import Order, OrderStatus
from common.organizations import store as organizations
from common.payments import settlement, store
from common.payments.gateways import CheckoutRequest, GatewayName, Split, gateway
from common.payments.schemas import CheckoutReply

if TYPE_CHECKING:
    from collections.abc import Mapping


async def begin(order_id: str, buyer_id: str, name: GatewayName) -> CheckoutReply:
    """What the buyer's app needs to pay; NotFound for another's order, HoldExpired, OrderStateConflict."""
    seen, payment = await asyncio.gather(orders.of_buyer(order_id, buyer_id), store.find_payment(order_id, name))
    order = seen.order
    if not order.amounts.total.amount_minor and order.status is OrderStatus.TICKETED:
        return _reply(order, name, None, {})
    rules.check_checkout(order, clock.now())
    if not order.amounts.total.amount_minor:
        status = await settlement.issue_free(order.order_id)
        return _reply(order.model_copy(update={"status": status}), name, None, {})
    if payment is not None and payment.client:
        return _reply(order, name, payment.reference, payment.client)
    checkout = await gateway(name).create_checkout(
        CheckoutRequest(
            order_id=order.order_id,
            order_number=order.order_number,
            event_id=order.event_id,
            amount=order.amounts.total,
            description=f"{order.event_title} · {order.order_number}",
            buyer_email=order.buyer_email,
            idempotency_key=f"checkout:{order.order_id}",
            buyer_id=buyer_id,
            split=await _split(order, name),
        )
    )
    await store.save_checkout(order, name, checkout)
    return _reply(order, name, checkout.reference, checkout.client)


async def _split(order: Order, name: GatewayName) -> Split | None:
    """The organizer's own account at Paystack, if it named one: it is paid the ticket prices, we keep fee and tax."""
    organization = await organizations.find(order.org_id) if name is GatewayName.PAYSTACK else None
    if organization is None or organization.paystack_subaccount is None:
        return None
    return Split(organization.paystack_subaccount, order.amounts.fee.amount_minor + order.amounts.tax.amount_minor)


def _reply(order: Order, name: GatewayName, reference: str | None, client: Mapping[str, str]) -> CheckoutReply:
    return CheckoutReply(
        order_id=order.order_id,
        order_status=order.status,
        gateway=name,
        gateway_reference=reference,
        client_secret=client.get("clientSecret"),
        publishable_key=client.get("publishableKey"),
        key_id=client.get("keyId"),
        authorization_url=client.get("authorizationUrl"),
        amount=order.amounts.total,
    )
