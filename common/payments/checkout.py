"""The step from a hold to a payment, and from the payment to its effect without waiting for the provider's webhook."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from common import clock
from common.errors import Problem
from common.orders import rules
from common.orders import store as orders
from common.orders.schemas import Order, OrderStatus
from common.organizations import store as organizations
from common.payments import settlement, store
from common.payments.gateways import CheckoutRequest, GatewayName, Split
from common.payments.providers import gateway
from common.payments.schemas import CheckoutReply

if TYPE_CHECKING:
    from collections.abc import Mapping

    from common.payments.schemas import Payment

UNPAID = {OrderStatus.HELD, OrderStatus.EXPIRED}


class PaymentNotCaptured(Problem):
    status, code, title = 409, "payment_not_captured", "The provider has captured no payment of this order"


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


async def confirm(order_id: str, buyer_id: str, name: GatewayName) -> Order:
    """The order after what the provider itself says; the webhook that tells the same may come before, after or never.

    NotFound for another's order, PaymentNotCaptured while the provider has no money for it.
    """
    seen, payment = await asyncio.gather(orders.of_buyer(order_id, buyer_id), store.find_payment(order_id, name))
    if seen.order.status not in UNPAID:
        return seen.order
    if payment is not None:
        await settlement.look(payment)
        seen, payment = await asyncio.gather(orders.of_buyer(order_id, buyer_id), store.find_payment(order_id, name))
    if seen.order.status in UNPAID and not _is_captured(payment):
        raise PaymentNotCaptured
    return seen.order


def _is_captured(payment: Payment | None) -> bool:
    return payment is not None and any(each.captured is not None for each in payment.attempts.values())


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
