"""A fact about a payment takes effect: it joins what is known, and what follows is done. All of it may repeat."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING, Any, Final

from common import clients, clock, log, outbox, tracing
from common.errors import NotFound, TemporarilyUnavailable
from common.orders import store as orders
from common.orders.inventory import SalesClosed, SoldOut
from common.orders.rules import LimitReached
from common.orders.schemas import Order, OrderStatus
from common.orders.shards import unit_path
from common.payments import payment_facts, refunds, store
from common.payments.gateways import RefundStatus
from common.payments.outflow_rules import Reclaim, VoidOrder
from common.payments.providers import gateway
from common.payments.schemas import Payment, PaymentStatus, Webhook, WebhookStatus
from common.payments.settlement_rules import Books, settle, ticketed
from common.social.rules import counts_of
from common.social.schemas import Counted
from common.tickets import rules as tickets
from common.tickets.store import ticket_path
from common.transaction import attempts, committed
from common.trigger import RetryLater

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from google.cloud.firestore import AsyncWriteBatch

    from common.outbox import PlannedTask
    from common.payments.gateways import PaymentEvent
    from common.payments.schemas import Refund
    from common.payments.settlement_rules import Settled

# An order that changes at every look is left to the next delivery.
MOST_ROUNDS: Final = 5
TOLD: Final = {PaymentStatus.FAILED, PaymentStatus.DISPUTED}


async def settle_webhook(webhook: Webhook) -> WebhookStatus:
    """Act on a stored webhook; how it ended."""
    provider = gateway(webhook.gateway)
    parsed = provider.parse(webhook.headers, webhook.body.encode())
    if parsed.ask_about is not None:
        return await act_on(*await provider.facts_of(parsed.ask_about))
    return await act_on(*(parsed.event,) if parsed.event is not None else ())


async def act_on(*events: PaymentEvent) -> WebhookStatus:
    """Act on facts about one provider's reference, whoever told them; how it ended."""
    if not events:
        return WebhookStatus.IGNORED
    name, reference = events[0].gateway, events[0].reference
    order_id = (
        next((event.order_id for event in events if event.order_id), None)
        or await store.order_of_reference(name, reference)
        or await gateway(name).order_of(reference)
    )
    if order_id is None or not await learn(order_id, events):
        # The account may serve others too, so the money is not touched: a person must look.
        log.alert("payment event of no known order", gateway=name, reference=reference)
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
        settled = await _settle(order_id, events, nothing_left)
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
    except (SoldOut, SalesClosed, LimitReached) as gone:
        return gone.code
    return None


async def _settle(order_id: str, events: Sequence[PaymentEvent], nothing_left: str | None) -> Settled | None:
    """Read, decide, and write in one guarded commit; decide again when somebody else wrote in between."""
    async for _ in attempts():
        now = clock.now()
        seen = await _read(order_id, events, now)
        if seen is None:
            return None
        settled = settle(seen.heard, now, nothing_left)
        batch = clients.firestore().batch()
        with tracing.continued(seen.stored.order.traceparent, "settle order"):
            _write(batch, seen, settled, now)
            if not len(batch) or await committed(batch):
                return settled
    raise TemporarilyUnavailable("Too many changed this payment at the same time.")


@dataclass(frozen=True)
class _Seen:
    """The books as they are stored, with the new facts, and the update_time of each document."""

    stored: Books
    heard: Books
    times: Mapping[str, datetime]


async def _read(order_id: str, events: Sequence[PaymentEvent], now: datetime) -> _Seen | None:
    name, client = events[0].gateway, clients.firestore()
    paths = (orders.order_path(order_id), store.payment_path(order_id, name))
    found = {each.reference.path: each async for each in client.get_all([client.document(path) for path in paths])}
    of_order, of_payment = (found[path] for path in paths)
    if not of_order.exists:
        return None
    order = Order.of(of_order.to_dict())
    stored = store.new_payment(order, name, events[0].reference, {}, now)
    if of_payment.exists:
        stored = Payment.of(of_payment.to_dict())
    attempts_known = reduce(payment_facts.join, map(payment_facts.fact, events), stored.attempts)
    heard = stored.model_copy(update={"attempts": attempts_known})
    known = await store.seen_refunds_of(order_id, name) if _may_have_refunds(order, stored, heard) else {}
    refunds_known = {refund_id: refund for refund_id, (refund, _) in known.items()}
    times = {path: each.update_time for path, each in found.items() if each.exists}
    times |= {store.refund_path(refund_id): time for refund_id, (_, time) in known.items()}
    return _Seen(Books(order, stored, refunds_known), Books(order, heard, refunds_known), times)


def _may_have_refunds(order: Order, before: Payment, after: Payment) -> bool:
    """Spares the usual capture a query: refunds begin with an outflow, or with a capture that bought nothing."""
    bought = before.provider_payment_id if order.payment_id == before.payment_id else None
    return any(attempt.outflows for attempt in after.attempts.values()) or any(
        attempt.captured is not None and payment_id != bought for payment_id, attempt in before.attempts.items()
    )


def _write(batch: AsyncWriteBatch, seen: _Seen, settled: Settled, now: datetime) -> None:
    """Write what changed, each document as it was seen or new, and tell of it."""
    before, after = seen.stored, settled.books
    # The payment is the guard of everything else: a decision that comes late must not take effect beside another.
    if after != before:
        path = store.payment_path(after.order.order_id, after.payment.gateway)
        _put(batch, seen, path, after.payment.model_copy(update={"heard_at": now}).document())
    if after.order != before.order:
        old = before.order.document()
        changed = {name: value for name, value in after.order.document().items() if value != old[name]}
        _put(batch, seen, orders.order_path(after.order.order_id), changed)
    if after.order.ticketed_at != before.order.ticketed_at:
        _issue(batch, before.order, now)
    for entry in settled.entries:
        batch.create(_document(store.ledger_path(entry.entry_id)), entry.document())
    for refund_id, refund in after.refunds.items():
        if refund != before.refunds.get(refund_id):
            _put(batch, seen, store.refund_path(refund_id), refund.document())
            _tell_of(batch, after.order, before.refunds.get(refund_id), refund, now)
    if after.payment.status is not before.payment.status and after.payment.status in TOLD:
        _tell(batch, now, orders.order_event(f"payment.{after.payment.status}", after.order, now))


def _put(batch: AsyncWriteBatch, seen: _Seen, path: str, fields: dict[str, Any]) -> None:
    if path in seen.times:
        unchanged = clients.firestore().write_option(last_update_time=seen.times[path])
        batch.update(_document(path), fields, option=unchanged)
    else:
        batch.create(_document(path), fields)


def _tell_of(batch: AsyncWriteBatch, order: Order, before: Refund | None, refund: Refund, now: datetime) -> None:
    """Have a new refund or attempt executed, and tell how it went."""
    if before is None and not (refund.stray and refund.attempt == 0):
        type_ = "payment.returned" if refund.stray else f"order.{order.status}"
        path, entry = store.refund_outbox(type_, order, refund, now)
        batch.create(_document(path), entry)
    elif refund.status is RefundStatus.PENDING and before is not None and refund.attempt != before.attempt:
        path, entry = outbox.entry(now, None, store.refund_task(refund))
        batch.create(_document(path), entry)
    if refund.status is not RefundStatus.PENDING and (before is None or before.status is not refund.status):
        _tell(batch, now, store.refund_event(f"refund.{refund.status}", refund, now))


def _tell(batch: AsyncWriteBatch, now: datetime, event: outbox.DomainEvent, *tasks: PlannedTask) -> None:
    path, entry = outbox.entry(now, event, *tasks)
    batch.create(_document(path), entry)


def _issue(batch: AsyncWriteBatch, order: Order, now: datetime) -> None:
    """Write the tickets of an order, sell its units, and tell everybody."""
    for ticket in tickets.new_tickets(order, now):
        batch.create(_document(ticket_path(ticket.ticket_id)), ticket.document())
        unit = _document(unit_path(order.event_id, ticket.unit.tier_id, ticket.unit.number))
        batch.update(unit, {"state": "sold"})
    told = orders.order_event("order.ticketed", order, now, amount=order.amounts.total.model_dump(by_alias=True))
    _tell(batch, now, told, counts_of(order.event_id, Counted.ATTENDEES))


async def issue_free(order_id: str) -> OrderStatus:
    """Ticket an order that costs nothing; the order's status after it, whoever was quicker."""
    async for _ in attempts():
        seen = await orders.find(order_id)
        if seen is None:
            raise NotFound("There is no such order.")
        if seen.order.status is not OrderStatus.HELD:
            return seen.order.status
        batch, now = clients.firestore().batch(), clock.now()
        after = ticketed(seen.order, None, now)
        issued = {"status": after.status, "ticketIds": after.ticket_ids, "ticketedAt": now}
        unchanged = clients.firestore().write_option(last_update_time=seen.update_time)
        batch.update(_document(orders.order_path(order_id)), issued, option=unchanged)
        _issue(batch, seen.order, now)
        if await committed(batch):
            return after.status
    raise TemporarilyUnavailable("Too many changed this order at the same time.")


def _document(path: str) -> Any:
    return clients.firestore().document(path)
