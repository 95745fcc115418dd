"""A fact about a payment takes effect: it joins what is known, and what follows is done. All of it may repeat."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

from common import clients, clock, log, outbox
from common.orders import store as orders
from common.orders.inventory import SalesClosed, SoldOut
from common.orders.schemas import Order, OrderStatus
from common.orders.shards import unit_path
from common.payments import payment_facts, refunds, store
from common.payments.gateways import RefundStatus, gateway
from common.payments.schemas import Payment, PaymentStatus, Webhook, WebhookStatus
from common.payments.settlement_rules import Books, Reclaim, VoidOrder, settle, ticketed
from common.tickets import rules as tickets
from common.tickets.store import ticket_path
from common.transaction import in_transaction, read
from common.trigger import RetryLater

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from google.cloud.firestore import AsyncTransaction

    from common.payments.gateways import PaymentEvent
    from common.payments.schemas import Refund
    from common.payments.settlement_rules import Settled

# An order that changes at every look is left to the next delivery.
MOST_ROUNDS: Final = 5
TOLD: Final = {PaymentStatus.FAILED, PaymentStatus.DISPUTED}


async def settle_webhook(webhook: Webhook) -> WebhookStatus:
    """Act on a stored webhook; how it ended."""
    event = gateway(webhook.gateway).parse(webhook.headers, webhook.body.encode()).event
    return await act_on(event) if event is not None else WebhookStatus.IGNORED


async def act_on(event: PaymentEvent) -> WebhookStatus:
    """Act on a fact about a payment, whoever told it; how it ended."""
    order_id = (
        event.order_id
        or await store.order_of_reference(event.gateway, event.reference)
        or await gateway(event.gateway).order_of(event.reference)
    )
    if order_id is None or not await learn(order_id, [event]):
        # The account may serve others too, so the money is not touched: a person must look.
        log.alert("payment event of no known order", gateway=event.gateway, reference=event.reference)
        return WebhookStatus.UNMATCHED
    return WebhookStatus.SETTLED


async def look(payment: Payment, reference: str | None = None) -> None:
    """Ask the provider itself what happened, and act on it."""
    facts = await gateway(payment.gateway).facts_of(reference or payment.reference)
    if facts:
        await learn(payment.order_id, facts)


async def learn(order_id: str, events: Sequence[PaymentEvent]) -> bool:
    """Act on facts about one order at one gateway, until nothing is left to do. False when there is no such order."""
    nothing_left: str | None = None
    for _ in range(MOST_ROUNDS):
        settled = await in_transaction(partial(_settle, order_id=order_id, events=events, nothing_left=nothing_left))
        if settled is None:
            return False
        for alert in settled.alerts:
            log.alert(alert, orderId=order_id, gateway=events[0].gateway)
        match settled.first:
            case None:
                return True
            case Reclaim():
                nothing_left = await _reclaim(order_id)
            case VoidOrder(refund, owed):
                await refunds.void(order_id, refund, owed)
    raise RetryLater("The order kept changing.")


async def _reclaim(order_id: str) -> str | None:
    """Hold units again for an order that expired; why there are none."""
    seen = await orders.find(order_id)
    if seen is None or seen.order.status is not OrderStatus.EXPIRED:
        return None
    try:
        await orders.reclaim(seen)
    except (SoldOut, SalesClosed) as gone:
        return gone.code
    return None


async def _settle(
    transaction: AsyncTransaction, order_id: str, events: Sequence[PaymentEvent], nothing_left: str | None
) -> Settled | None:
    name, now = events[0].gateway, clock.now()
    fields, stored = await read(transaction, orders.order_path(order_id), store.payment_path(order_id, name))
    if fields is None:
        return None
    order = Order.of(fields)
    before = Payment.of(stored) if stored else store.new_payment(order, name, events[0].reference, {}, now)
    payment = before
    for event in events:
        payment = payment.model_copy(
            update={"attempts": payment_facts.join(payment.attempts, payment_facts.fact(event))}
        )
    known: dict[str, Refund] = {}
    if _may_have_refunds(order, before, payment):
        known = await store.refunds_in(transaction, order_id, name)
    settled = settle(Books(order, payment, known), now, nothing_left)
    if settled.books.payment != before:
        heard = settled.books.payment.model_copy(update={"heard_at": now})
        transaction.set(_document(store.payment_path(order_id, name)), heard.document())
    _write(transaction, Books(order, before, known), settled, now)
    return settled


def _may_have_refunds(order: Order, before: Payment, after: Payment) -> bool:
    """Spares the usual capture a query: refunds begin with an outflow, or with a capture that bought nothing."""
    bought = before.provider_payment_id if order.payment_id == before.payment_id else None
    return any(attempt.outflows for attempt in after.attempts.values()) or any(
        attempt.captured is not None and payment_id != bought for payment_id, attempt in before.attempts.items()
    )


def _write(transaction: AsyncTransaction, before: Books, settled: Settled, now: datetime) -> None:
    """Write what changed, and tell of it."""
    after = settled.books
    if after.order != before.order:
        old = before.order.document()
        changed = {name: value for name, value in after.order.document().items() if value != old[name]}
        transaction.update(_document(orders.order_path(after.order.order_id)), changed)
    if after.order.ticketed_at != before.order.ticketed_at:
        _issue(transaction, before.order, now)
    for entry in settled.entries:
        transaction.create(_document(store.ledger_path(entry.entry_id)), entry.document())
    for refund_id, refund in after.refunds.items():
        if refund != before.refunds.get(refund_id):
            transaction.set(_document(store.refund_path(refund_id)), refund.document())
            _tell_of(transaction, after.order, before.refunds.get(refund_id), refund, now)
    if after.payment.status is not before.payment.status and after.payment.status in TOLD:
        _tell(transaction, now, orders.order_event(f"payment.{after.payment.status}", after.order, now))


def _tell_of(transaction: AsyncTransaction, order: Order, before: Refund | None, refund: Refund, now: datetime) -> None:
    """Have a new refund or attempt executed, and tell how it went."""
    if before is None and not (refund.stray and refund.attempt == 0):
        type_ = "payment.returned" if refund.stray else f"order.{order.status}"
        path, entry = store.refund_outbox(type_, order, refund, now)
        transaction.create(_document(path), entry)
    elif refund.status is RefundStatus.PENDING and before is not None and refund.attempt != before.attempt:
        path, entry = outbox.entry(now, None, store.refund_task(refund))
        transaction.create(_document(path), entry)
    if refund.status is not RefundStatus.PENDING and (before is None or before.status is not refund.status):
        _tell(transaction, now, store.refund_event(f"refund.{refund.status}", refund, now))


def _tell(transaction: AsyncTransaction, now: datetime, event: outbox.DomainEvent) -> None:
    path, entry = outbox.entry(now, event)
    transaction.create(_document(path), entry)


def _issue(transaction: AsyncTransaction, order: Order, now: datetime) -> None:
    """Write the tickets of an order, sell its units, and tell everybody."""
    for ticket in tickets.new_tickets(order, now):
        transaction.create(_document(ticket_path(ticket.ticket_id)), ticket.document())
        unit = _document(unit_path(order.event_id, ticket.unit.tier_id, ticket.unit.number))
        transaction.update(unit, {"state": "sold"})
    _tell(transaction, now, orders.order_event("order.ticketed", order, now))


async def issue_free(order_id: str) -> OrderStatus:
    """Ticket an order that costs nothing; the order's status after it, whoever was quicker."""

    async def work(transaction: AsyncTransaction) -> OrderStatus:
        [fields] = await read(transaction, orders.order_path(order_id))
        order, now = Order.of(fields), clock.now()
        if order.status is not OrderStatus.HELD:
            return order.status
        after = ticketed(order, None, now)
        issued = {"status": after.status, "ticketIds": list(after.ticket_ids), "ticketedAt": now}
        transaction.update(_document(orders.order_path(order_id)), issued)
        _issue(transaction, order, now)
        return after.status

    return await in_transaction(work)


def _document(path: str) -> Any:
    return clients.firestore().document(path)
