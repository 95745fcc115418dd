"""Refunds: tickets die and units return at once; the money follows by a task until the provider confirms it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from common import clients, clock, log
from common.orders import store as orders
from common.orders.inventory import Change, Refused
from common.orders.rules import OrderStateConflict
from common.payments import ledger, settlement, store
from common.payments.gateways import GatewayRefused, RefundStatus, gateway
from common.payments.refund_rules import Decision, decide
from common.payments.schemas import Refund, RefundReply, RefundRequest
from common.tickets.schemas import TicketStatus
from common.tickets.store import seen_tickets_of_order, ticket_path
from common.trigger import RetryLater

if TYPE_CHECKING:
    from google.cloud.firestore import AsyncWriteBatch

    from common.orders.store import Seen
    from common.tickets.schemas import UnitRef
    from common.tickets.store import SeenTicket


async def request_refund(
    seen: Seen, request: RefundRequest, requested_by: str, by_organizer: bool, refund_id: str
) -> Refund:
    """Decide and commit a refund: order, tickets, units, ledger and the task that pays, all or nothing."""
    order = seen.order
    now = clock.now()
    known = await store.find_refund(refund_id)
    if known is not None:
        return known
    tickets = await seen_tickets_of_order(order.order_id)
    decision = decide(order, [seen_ticket.ticket for seen_ticket in tickets], request, by_organizer, now)
    payment = await store.payment_of(order)
    paid_by = (payment.gateway, payment.provider_payment_id or "") if payment else None
    ticket_ids = tuple(ticket.ticket_id for ticket in decision.tickets)
    refund = store.new_refund(refund_id, order, decision.amount, request.reason, ticket_ids, requested_by, now, paid_by)
    change = _change(seen, tickets, decision, refund)
    try:
        await orders.event_inventory(order.event_id).submit(change)
    except Refused:
        known = await store.find_refund(refund_id)
        if known is None:
            raise OrderStateConflict("The order changed at this moment.") from None
        return known
    return refund


def _change(seen: Seen, tickets: list[SeenTicket], decision: Decision, refund: Refund) -> Change:
    order, now = seen.order, refund.created_at
    read_at = {each.ticket.ticket_id: each.update_time for each in tickets}
    units = tuple(ticket.unit for ticket in decision.tickets)
    left = [unit for unit in order.units if unit not in units]

    def write(batch: AsyncWriteBatch, _: tuple[UnitRef, ...]) -> None:
        client = clients.firestore()
        fields: dict[str, Any] = {
            "status": decision.status,
            "refundedMinor": order.refunded_minor + refund.amount.amount_minor,
            "units": [unit.document() for unit in left],
        }
        guard = client.write_option(last_update_time=seen.update_time)
        batch.update(client.document(orders.order_path(order.order_id)), fields, option=guard)
        for ticket in decision.tickets:
            died = {"status": TicketStatus.CANCELLED, "version": ticket.version + 1}
            unused = client.write_option(last_update_time=read_at[ticket.ticket_id])
            batch.update(client.document(ticket_path(ticket.ticket_id)), died, option=unused)
        batch.create(client.document(store.refund_path(refund.refund_id)), refund.document())
        if refund.amount.amount_minor:
            entry = ledger.refund_owed(order, refund, now)
            batch.create(client.document(store.ledger_path(entry.entry_id)), entry.document())
        orders.uncount(batch, order, units)
        path, told = store.refund_outbox(f"order.{decision.status}", order, refund, now)
        batch.create(client.document(path), told)

    documents = orders.documents_of(order)
    return Change(order.order_id, {}, units, writes=5 + len(units), documents=documents, write=write)


async def execute(refund: Refund) -> None:
    """Have the provider pay the money back, and book it. Every repeat meets the same refund at the provider."""
    if refund.status is not RefundStatus.PENDING or refund.gateway is None:
        return
    try:
        result = await gateway(refund.gateway).refund(
            refund.provider_payment_id or "",
            refund.amount,
            refund_key=refund.refund_id,
            order_id=refund.order_id,
            reason=refund.reason,
        )
    except GatewayRefused as refused:
        await _mark(refund, {"failure": refused.detail or refused.title})
        log.alert("refund refused by the provider", refundId=refund.refund_id, gateway=refund.gateway)
        raise RetryLater("The provider refused the refund.") from refused
    if result.status is RefundStatus.SUCCEEDED:
        await settlement.complete_refund(refund.refund_id, result.refund_id)
        return
    await _mark(refund, {"providerRefundId": result.refund_id})
    if result.status is RefundStatus.FAILED:
        log.alert("refund failed at the provider", refundId=refund.refund_id, gateway=refund.gateway)
    raise RetryLater("The provider has not finished the refund.")


async def _mark(refund: Refund, fields: dict[str, Any]) -> None:
    await clients.firestore().document(store.refund_path(refund.refund_id)).update(fields)


def refund_reply(refund: Refund) -> RefundReply:
    """A refund as its requester sees it."""
    return RefundReply(
        refund_id=refund.refund_id,
        order_id=refund.order_id,
        amount=refund.amount,
        reason=refund.reason,
        ticket_ids=refund.ticket_ids,
        status=refund.status,
        created_at=refund.created_at,
    )
