"""Payments, webhooks and refunds in Firestore: their paths and their reads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from common import clients, clock, outbox
from common.events.store import refresh_of
from common.ids import derived_id
from common.orders.store import order_event
from common.outbox import PlannedTask
from common.payments.gateways import RefundStatus
from common.payments.schemas import Payment, PaymentStatus, Refund, Webhook, WebhookStatus
from common.social.rules import counts_of
from common.social.schemas import Counted

if TYPE_CHECKING:
    from datetime import datetime

    from google.cloud.firestore import AsyncQuery

    from common.orders.schemas import Order
    from common.payments.gateways import Checkout, GatewayName


PAYMENTS: Final = "payments"


def payment_id(order_id: str, gateway: GatewayName) -> str:
    """An order has one payment per gateway; its id is known before anything is written."""
    return f"{order_id}_{gateway}"


def payment_path(order_id: str, gateway: GatewayName) -> str:
    return f"{PAYMENTS}/{payment_id(order_id, gateway)}"


def webhook_path(webhook_id: str) -> str:
    return f"webhooks/{webhook_id}"


def refund_path(refund_id: str) -> str:
    return f"refunds/{refund_id}"


def ledger_path(entry_id: str) -> str:
    return f"ledger/{entry_id}"


async def find_payment(order_id: str, gateway: GatewayName) -> Payment | None:
    """The payment of this order at this gateway."""
    snapshot = await clients.firestore().document(payment_path(order_id, gateway)).get()
    return Payment.of(snapshot.to_dict()) if snapshot.exists else None


async def payment_of(order: Order) -> Payment | None:
    """The payment that bought the order; None for one that is not paid, or cost nothing."""
    if order.payment_id is None:
        return None
    snapshot = await clients.firestore().document(f"{PAYMENTS}/{order.payment_id}").get()
    return Payment.of(snapshot.to_dict())


async def order_of_reference(gateway: GatewayName, reference: str) -> str | None:
    """Which order a provider's reference was made for, as far as we wrote it down."""
    from google.cloud.firestore import FieldFilter

    query = (
        clients.firestore()
        .collection(PAYMENTS)
        .where(filter=FieldFilter("gateway", "==", gateway))
        .where(filter=FieldFilter("reference", "==", reference))
        .limit(1)
    )
    found = await query.get()
    return Payment.of(found[0].to_dict()).order_id if found else None


async def save_checkout(order: Order, gateway: GatewayName, checkout: Checkout) -> None:
    """Write down what the provider was asked, unless its webhook came first and did so."""
    from google.api_core.exceptions import AlreadyExists

    payment = new_payment(order, gateway, checkout.reference, dict(checkout.client), clock.now())
    try:
        await clients.firestore().document(payment_path(order.order_id, gateway)).create(payment.document())
    except AlreadyExists:
        return


def new_payment(order: Order, gateway: GatewayName, reference: str, client: dict[str, str], now: datetime) -> Payment:
    """A payment of which nothing is known yet."""
    return Payment(
        payment_id=payment_id(order.order_id, gateway),
        order_id=order.order_id,
        event_id=order.event_id,
        gateway=gateway,
        reference=reference,
        amount=order.amounts.total,
        client=client,
        status=PaymentStatus.CREATED,
        created_at=now,
    )


async def store_webhook(gateway: GatewayName, event_id: str, body: str, headers: dict[str, str]) -> bool:
    """Keep a verified webhook with the task that settles it, in one commit. False for one that is kept already."""
    from google.api_core.exceptions import AlreadyExists

    client = clients.firestore()
    now = clock.now()
    webhook_id = derived_id("whk", gateway, event_id)
    webhook = Webhook(webhook_id=webhook_id, gateway=gateway, body=body, headers=headers, received_at=now)
    settle = PlannedTask(function="settle_payment", name=webhook_id, payload={"webhookId": webhook_id})
    path, entry = outbox.entry(now, None, settle)
    batch = client.batch()
    batch.create(client.document(webhook_path(webhook_id)), webhook.document())
    batch.create(client.document(path), entry)
    try:
        await batch.commit()
    except AlreadyExists:
        return False
    return True


async def find_webhook(webhook_id: str) -> Webhook | None:
    """The stored webhook of this id."""
    snapshot = await clients.firestore().document(webhook_path(webhook_id)).get()
    return Webhook.of(snapshot.to_dict()) if snapshot.exists else None


async def mark_webhook(webhook_id: str, status: WebhookStatus) -> None:
    """Note how a webhook ended."""
    await clients.firestore().document(webhook_path(webhook_id)).update({"status": status})


async def find_refund(refund_id: str) -> Refund | None:
    """The refund of this id."""
    snapshot = await clients.firestore().document(refund_path(refund_id)).get()
    return Refund.of(snapshot.to_dict()) if snapshot.exists else None


async def refunds_of_order(order_id: str) -> list[Refund]:
    """Every refund of an order, oldest first."""
    found = [Refund.of(snapshot.to_dict()) for snapshot in await _refunds_of(order_id).get()]
    return sorted(found, key=lambda refund: (refund.created_at, refund.refund_id))


async def seen_refunds_of(order_id: str, gateway: GatewayName) -> dict[str, tuple[Refund, datetime]]:
    """The refunds of an order at one gateway, each with the update_time that guards its next write."""
    found = [(Refund.of(each.to_dict()), each.update_time) for each in await _refunds_of(order_id).get()]
    return {refund.refund_id: (refund, time) for refund, time in found if refund.gateway == gateway}


def _refunds_of(order_id: str) -> AsyncQuery:
    from google.cloud.firestore import FieldFilter

    return clients.firestore().collection("refunds").where(filter=FieldFilter("orderId", "==", order_id))


def refund_task(refund: Refund) -> PlannedTask:
    """The task of a refund's present attempt."""
    name = refund.refund_id if refund.attempt == 1 else f"{refund.refund_id}-{refund.attempt}"
    payload = {"refundId": refund.refund_id, "attempt": refund.attempt}
    return PlannedTask(function="execute_refund", name=name, payload=payload, at=refund.due_at)


def refund_outbox(type_: str, order: Order, refund: Refund, now: datetime) -> tuple[str, dict[str, Any]]:
    """The outbox entry of a new refund: the event, the task that moves the money where it is ours to move, and those
    that count the seats again."""
    event = order_event(type_, order, now, refundId=refund.refund_id, amount=refund.amount.model_dump(by_alias=True))
    ours = refund.status is RefundStatus.PENDING and refund.attempt > 0
    seats = (refresh_of(order.event_id), counts_of(order.event_id, Counted.ATTENDEES))
    return outbox.entry(now, event, *([refund_task(refund)] if ours else []), *seats)


def refund_event(type_: str, refund: Refund, now: datetime) -> outbox.DomainEvent:
    """A domain event about how a refund went."""
    about = {"refundId": refund.refund_id, "orderId": refund.order_id, "buyerId": refund.buyer_id}
    return outbox.event(type_, now, **about)
