"""Refunds are decided and booked in one commit: tickets die, units return, the money is owed; a task then moves it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from common import clients, clock
from common.ids import derived_id
from common.orders import store as orders
from common.orders.inventory import Change, Refused
from common.orders.rules import OrderStateConflict
from common.orders.schemas import OrderStatus
from common.payments import ledger, refund_rules, store
from common.payments.schemas import Refund, RefundReply, RefundRequest
from common.tickets.schemas import TicketStatus
from common.tickets.store import seen_tickets_of_order, ticket_path

if TYPE_CHECKING:
    from google.cloud.firestore import AsyncWriteBatch

    from common.money import Money
    from common.orders.store import Seen
    from common.payments.refund_rules import Decision
    from common.tickets.schemas import UnitRef
    from common.tickets.store import SeenTicket

EVENT_CANCELLED = "event_cancelled"


async def request_refund(
    seen: Seen, request: RefundRequest, requested_by: str, by_organizer: bool, refund_id: str
) -> Refund:
    """Decide and commit a refund: order, tickets, units, ledger and the task that pays, all or nothing."""
    known = await store.find_refund(refund_id)
    if known is not None:
        return known
    tickets = await seen_tickets_of_order(seen.order.order_id)
    each = [seen_ticket.ticket for seen_ticket in tickets]
    decision = refund_rules.decide(seen.order, each, request, by_organizer, clock.now())
    refund = await _new(seen, decision, refund_id, request.reason, requested_by)
    if await _commit(seen, tickets, decision, refund):
        return refund
    known = await store.find_refund(refund_id)
    if known is None:
        raise OrderStateConflict("The order changed at this moment.")
    return known


async def give_back_cancelled(seen: Seen) -> Refund | None:
    """Refund what is left of an order whose event was cancelled, once; None when nothing is left.

    OrderStateConflict when the order changed since it was read.
    """
    order = seen.order
    refund_id = derived_id("ref", order.order_id, EVENT_CANCELLED)
    known = await store.find_refund(refund_id)
    if known is not None or order.status not in {OrderStatus.TICKETED, OrderStatus.PARTIALLY_REFUNDED}:
        return known
    tickets = await seen_tickets_of_order(order.order_id)
    decision = refund_rules.everything(order, [each.ticket for each in tickets], refund_rules.left_of(order))
    if not decision.tickets and not decision.amount.amount_minor:
        return None
    refund = await _new(seen, decision, refund_id, EVENT_CANCELLED, EVENT_CANCELLED)
    if not await _commit(seen, tickets, decision, refund):
        raise OrderStateConflict("The order changed at this moment.")
    return refund


async def void(order_id: str, refund: Refund, owed: Money) -> None:
    """Book a refund that was made at the provider and leaves nothing of the order's price.

    When the order changes meanwhile nothing is written: what follows from the facts is then decided anew.
    """
    seen = await orders.find(order_id)
    if seen is None or refund_rules.left_of(seen.order) != owed:
        return
    tickets = await seen_tickets_of_order(order_id)
    decision = refund_rules.everything(seen.order, [each.ticket for each in tickets], owed)
    dead = tuple(ticket.ticket_id for ticket in decision.tickets)
    await _commit(seen, tickets, decision, refund.model_copy(update={"ticket_ids": dead}))


async def _new(seen: Seen, decision: Decision, refund_id: str, reason: str, requested_by: str) -> Refund:
    payment = await store.payment_of(seen.order)
    paid_by = (payment.gateway, payment.provider_payment_id or "") if payment else None
    dead = tuple(ticket.ticket_id for ticket in decision.tickets)
    return refund_rules.new_refund(
        refund_id, seen.order, decision.amount, reason, dead, requested_by, clock.now(), paid_by
    )


async def _commit(seen: Seen, tickets: list[SeenTicket], decision: Decision, refund: Refund) -> bool:
    """False when the order or a ticket changed since it was read: nothing was written."""
    try:
        await orders.event_inventory(seen.order.event_id).submit(_change(seen, tickets, decision, refund))
    except Refused:
        return False
    return True


def _change(seen: Seen, tickets: list[SeenTicket], decision: Decision, refund: Refund) -> Change:
    order, now = seen.order, refund.created_at
    read_at = {each.ticket.ticket_id: each.update_time for each in tickets}
    units = tuple(ticket.unit for ticket in decision.tickets)
    left = [unit for unit in order.units if unit not in units]

    def write(batch: AsyncWriteBatch, _: tuple[UnitRef, ...]) -> None:
        client = clients.firestore()
        fields: dict[str, Any] = {
            "status": decision.status,
            "refundedMinor": order.refunded_minor + decision.amount.amount_minor,
            "units": [unit.document() for unit in left],
        }
        guard = client.write_option(last_update_time=seen.update_time)
        batch.update(client.document(orders.order_path(order.order_id)), fields, option=guard)
        for ticket in decision.tickets:
            died = {"status": TicketStatus.CANCELLED, "version": ticket.version + 1}
            unused = client.write_option(last_update_time=read_at[ticket.ticket_id])
            batch.update(client.document(ticket_path(ticket.ticket_id)), died, option=unused)
        batch.create(client.document(store.refund_path(refund.refund_id)), refund.document())
        for entry in ledger.refund_decided(order, refund, decision.amount, now):
            batch.create(client.document(store.ledger_path(entry.entry_id)), entry.document())
        orders.uncount(batch, order, units)
        path, told = store.refund_outbox(f"order.{decision.status}", order, refund, now)
        batch.create(client.document(path), told)

    documents = orders.documents_of(order)
    return Change(order.order_id, {}, units, writes=6 + len(units), documents=documents, write=write)


def refund_reply(refund: Refund) -> RefundReply:
    """A refund as its requester sees it."""
    return RefundReply(
        refund_id=refund.refund_id,
        order_id=refund.order_id,
        amount=refund.amount,
        reason=refund.reason,
        ticket_ids=refund.ticket_ids,
        status=refund.status,
        attempts=refund.attempt,
        failure=refund.failure,
        created_at=refund.created_at,
        succeeded_at=refund.succeeded_at,
    )
