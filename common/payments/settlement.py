"""From a provider's event to its end: tickets, or the money back. Every step may be repeated."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

from common import clients, clock, log, outbox
from common.orders import store as orders
from common.orders.inventory import SalesClosed, SoldOut
from common.orders.schemas import Order, OrderStatus
from common.orders.shards import unit_path
from common.payments import ledger, store
from common.payments.gateways import PaymentEvent, PaymentEventKind, RefundStatus, gateway
from common.payments.schemas import Payment, PaymentStatus, Refund, Webhook, WebhookStatus
from common.payments.settlement_rules import Meaning, Verdict, advance, judge_capture
from common.tickets import rules as tickets
from common.tickets.store import ticket_path
from common.transaction import in_transaction, read
from common.trigger import RetryLater

if TYPE_CHECKING:
    from datetime import datetime

    from google.cloud.firestore import AsyncTransaction

RECLAIM_ATTEMPTS: Final = 3
HEARD: Final = {
    PaymentEventKind.AUTHORIZED: PaymentStatus.AUTHORIZED,
    PaymentEventKind.FAILED: PaymentStatus.FAILED,
    PaymentEventKind.DISPUTED: PaymentStatus.DISPUTED,
}


async def settle(webhook: Webhook) -> WebhookStatus:
    """Act on a stored webhook; how it ended."""
    provider = gateway(webhook.gateway)
    parsed = provider.parse(webhook.headers, webhook.body.encode())
    if parsed.ask_about is not None:
        found = await provider.find_payment(parsed.ask_about)
        ends = [await act_on(fact) for fact in (found.facts if found else ())]
        return ends[0] if ends else WebhookStatus.IGNORED
    return await act_on(parsed.event) if parsed.event is not None else WebhookStatus.IGNORED


async def act_on(event: PaymentEvent) -> WebhookStatus:
    """Act on a fact about a payment, whoever told it; how it ended."""
    order_id = (
        event.order_id
        or await store.order_of_reference(event.gateway, event.reference)
        or await gateway(event.gateway).order_of(event.reference)
    )
    if order_id is None or await orders.find(order_id) is None:
        # The account may serve others too, so the money is not touched: a person must look.
        log.alert("payment event of no known order", gateway=event.gateway, reference=event.reference)
        return WebhookStatus.UNMATCHED
    match event.kind:
        case PaymentEventKind.CAPTURED:
            await settle_capture(order_id, event)
        case PaymentEventKind.REFUNDED:
            await confirm_refund(event)
        case kind if kind in HEARD:
            await _note(order_id, event)
    return WebhookStatus.SETTLED


async def settle_capture(order_id: str, event: PaymentEvent) -> None:
    """Turn captured money into tickets, or send it back."""
    for _ in range(RECLAIM_ATTEMPTS):
        verdict = await in_transaction(partial(_capture, order_id=order_id, event=event))
        if verdict.reason == "amount_mismatch":
            log.alert("captured amount differs from the order", orderId=order_id, gateway=event.gateway)
        if verdict.meaning is not Meaning.RECLAIM:
            return
        seen = await orders.find(order_id)
        if seen is None or seen.order.status is not OrderStatus.EXPIRED:
            continue
        try:
            await orders.reclaim(seen)
        except (SoldOut, SalesClosed) as gone:
            nothing_left = Verdict(Meaning.RETURN, gone.code)
            await in_transaction(partial(_capture, order_id=order_id, event=event, instead=nothing_left))
            return
    raise RetryLater("The order kept changing.")


async def _capture(
    transaction: AsyncTransaction, order_id: str, event: PaymentEvent, instead: Verdict | None = None
) -> Verdict:
    order, payment = await _read(transaction, order_id, event)
    verdict = judge_capture(order, payment, event)
    if verdict.meaning is Meaning.RECLAIM and instead is not None:
        verdict = instead
    now = clock.now()
    if verdict.meaning is Meaning.TICKET:
        known = payment or store.new_payment(order, event.gateway, event.reference, {}, now)
        captured = known.model_copy(
            update={
                "status": advance(known.status, PaymentStatus.CAPTURED),
                "reference": event.reference,
                "provider_payment_id": event.payment_id,
                "captured_at": event.occurred_at,
            }
        )
        transaction.set(_document(store.payment_path(order_id, event.gateway)), captured.document())
        entry = ledger.sale(order, captured, now)
        transaction.create(_document(store.ledger_path(entry.entry_id)), entry.document())
        _book_split(transaction, order, event, now)
        issue(transaction, order, captured.payment_id, now)
    elif verdict.meaning is Meaning.RETURN:
        await _return(transaction, order, event, verdict.reason, now)
    return verdict


async def _read(transaction: AsyncTransaction, order_id: str, event: PaymentEvent) -> tuple[Order, Payment | None]:
    order, payment = await read(transaction, orders.order_path(order_id), store.payment_path(order_id, event.gateway))
    return Order.of(order), Payment.of(payment) if payment else None


async def _return(transaction: AsyncTransaction, order: Order, event: PaymentEvent, reason: str, now: datetime) -> None:
    refund = store.stray_refund(order, event, reason, now)
    path = store.refund_path(refund.refund_id)
    if await read(transaction, path) != [None]:
        return
    transaction.create(_document(path), refund.document())
    entry = ledger.stray_capture(refund, now)
    transaction.create(_document(store.ledger_path(entry.entry_id)), entry.document())
    _book_split(transaction, order, event, now)
    path, fields = store.refund_outbox("payment.returned", order, refund, now)
    transaction.create(_document(path), fields)


def _book_split(transaction: AsyncTransaction, order: Order, event: PaymentEvent, now: datetime) -> None:
    if event.split_minor:
        entry = ledger.split(order, event, now)
        transaction.set(_document(store.ledger_path(entry.entry_id)), entry.document())


def issue(transaction: AsyncTransaction, order: Order, payment_id: str | None, now: datetime) -> None:
    """Write the tickets of an order, sell its units, and tell everybody: part of the caller's transaction."""
    issued = tickets.new_tickets(order, now)
    for ticket in issued:
        transaction.create(_document(ticket_path(ticket.ticket_id)), ticket.document())
        unit = _document(unit_path(order.event_id, ticket.unit.tier_id, ticket.unit.number))
        transaction.update(unit, {"state": "sold"})
    fields = {
        "status": OrderStatus.TICKETED,
        "paymentId": payment_id,
        "ticketIds": [ticket.ticket_id for ticket in issued],
        "ticketedAt": now,
    }
    transaction.update(_document(orders.order_path(order.order_id)), fields)
    path, entry = outbox.entry(now, orders.order_event("order.ticketed", order, now))
    transaction.create(_document(path), entry)


async def issue_free(order_id: str) -> OrderStatus:
    """Ticket an order that costs nothing; the order's status after it, whoever was quicker."""

    async def work(transaction: AsyncTransaction) -> OrderStatus:
        [fields] = await read(transaction, orders.order_path(order_id))
        order = Order.of(fields)
        if order.status is OrderStatus.HELD:
            issue(transaction, order, None, clock.now())
            return OrderStatus.TICKETED
        return order.status

    return await in_transaction(work)


async def _note(order_id: str, event: PaymentEvent) -> None:
    """Keep a fact that changes nothing for the order: the buyer may still pay, or has paid."""
    heard = HEARD[event.kind]

    async def work(transaction: AsyncTransaction) -> None:
        order, payment = await _read(transaction, order_id, event)
        now = clock.now()
        known = payment or store.new_payment(order, event.gateway, event.reference, {}, now)
        noted = known.model_copy(update={"status": advance(known.status, heard)})
        if noted == payment:
            return
        transaction.set(_document(store.payment_path(order_id, event.gateway)), noted.document())
        path, entry = outbox.entry(now, orders.order_event(f"payment.{heard}", order, now))
        transaction.create(_document(path), entry)

    await in_transaction(work)
    if event.kind is PaymentEventKind.DISPUTED:
        log.alert("payment disputed", orderId=order_id, gateway=event.gateway)


async def confirm_refund(event: PaymentEvent) -> None:
    """The provider says that a refund's money has left: ours is done; one that we did not ask for is reported."""
    from google.cloud.firestore import FieldFilter

    found = (
        await clients.firestore()
        .collection("refunds")
        .where(filter=FieldFilter("providerRefundId", "==", event.refund_id))
        .limit(1)
        .get()
    )
    if found:
        await complete_refund(found[0].id, event.refund_id or "")
        return
    # execute_refund may be between its call and its write: it completes what it began. Anything else was made
    # in the provider's dashboard, which reconciliation books.
    log.warning("refund of unknown origin", gateway=event.gateway, reference=event.reference)


async def complete_refund(refund_id: str, provider_refund_id: str) -> None:
    """Book a refund whose money has left; once, whoever hears of it first."""

    async def work(transaction: AsyncTransaction) -> None:
        path = store.refund_path(refund_id)
        [fields] = await read(transaction, path)
        refund = Refund.of(fields)
        if refund.status is RefundStatus.SUCCEEDED:
            return
        now = clock.now()
        done = {"status": RefundStatus.SUCCEEDED, "providerRefundId": provider_refund_id, "succeededAt": now}
        transaction.update(_document(path), done)
        entry = ledger.refund_paid(refund, now)
        transaction.create(_document(store.ledger_path(entry.entry_id)), entry.document())
        about = {"refundId": refund_id, "orderId": refund.order_id, "buyerId": refund.buyer_id}
        out, told = outbox.entry(now, outbox.event("refund.succeeded", now, **about))
        transaction.create(_document(out), told)

    await in_transaction(work)


def _document(path: str) -> Any:
    return clients.firestore().document(path)
