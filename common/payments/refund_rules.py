"""Which tickets and how much money go back: pure decisions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from common.errors import Problem
from common.ids import derived_id
from common.money import Money
from common.orders.schemas import Order, OrderStatus
from common.payments.gateways import RefundStatus
from common.payments.schemas import Refund
from common.tickets.schemas import Ticket, TicketStatus

if TYPE_CHECKING:
    from common.payments.gateways import GatewayName
    from common.payments.schemas import RefundRequest

BUYERS_MAY_UNTIL: Final = timedelta(hours=24)
# How long after each failed attempt the next one begins; after the last, a person must.
RETRY_AFTER: Final = (timedelta(minutes=1), timedelta(minutes=10), timedelta(hours=1), timedelta(hours=6))
# Who asked for a refund that was not asked for here.
SETTLEMENT: Final = "settlement"
PROVIDER: Final = "provider"


class NotRefundable(Problem):
    status, code, title = 409, "not_refundable", "Nothing of this order can be refunded"


class RefundWindowClosed(Problem):
    status, code, title = 409, "refund_window_closed", "Buyers may ask for a refund until a day before the start"


class TicketNotRefundable(Problem):
    status, code, title = 409, "ticket_not_refundable", "A used, cancelled or transferred ticket is not refunded"


class UnknownTicket(Problem):
    status, code, title = 422, "unknown_ticket", "The order has no such ticket"


class AmountTooLarge(Problem):
    status, code, title = 422, "amount_too_large", "More than what is left of the payment"


class RefundNotFailed(Problem):
    status, code, title = 409, "refund_not_failed", "Only a refund whose attempts have failed is tried again"


class OrganizerOnly(Problem):
    status, code, title = 403, "organizer_only", "Only the organizer may choose an amount"


@dataclass(frozen=True)
class Decision:
    """The tickets that die and the money that goes back."""

    tickets: tuple[Ticket, ...]
    amount: Money
    status: OrderStatus


def decide(order: Order, tickets: list[Ticket], request: RefundRequest, by_organizer: bool, now: datetime) -> Decision:
    """What this refund does, or the Problem that says why not."""
    if order.status not in {OrderStatus.TICKETED, OrderStatus.PARTIALLY_REFUNDED}:
        raise NotRefundable(f"The order is {order.status}.", orderStatus=order.status)
    if not by_organizer and now >= order.starts_at - BUYERS_MAY_UNTIL:
        raise RefundWindowClosed
    if not by_organizer and request.amount is not None:
        raise OrganizerOnly
    chosen = _chosen(order, tickets, request, by_organizer)
    amount = _amount(order, tickets, chosen, request)
    left = [ticket for ticket in tickets if ticket.status is TicketStatus.VALID and ticket not in chosen]
    used = any(ticket.status is TicketStatus.USED for ticket in tickets)
    money_left = order.amounts.total.amount_minor - order.refunded_minor - amount
    over = not left and not used and not money_left
    return Decision(
        tickets=tuple(chosen),
        amount=Money(amount_minor=amount, currency=order.amounts.total.currency),
        status=OrderStatus.REFUNDED if over else OrderStatus.PARTIALLY_REFUNDED,
    )


def everything(order: Order, tickets: list[Ticket], amount: Money) -> Decision:
    """Money goes back and nothing of the order stays valid; a ticket that was used keeps its place."""
    left = order.amounts.total.amount_minor - order.refunded_minor - amount.amount_minor
    over = not left and all(ticket.status is not TicketStatus.USED for ticket in tickets)
    return Decision(
        tickets=tuple(ticket for ticket in tickets if ticket.status is TicketStatus.VALID),
        amount=amount,
        status=OrderStatus.REFUNDED if over else OrderStatus.PARTIALLY_REFUNDED,
    )


def left_of(order: Order) -> Money:
    """What of the order's price has not been given back."""
    total = order.amounts.total
    return Money(amount_minor=total.amount_minor - order.refunded_minor, currency=total.currency)


def _chosen(order: Order, tickets: list[Ticket], request: RefundRequest, by_organizer: bool) -> list[Ticket]:
    # A ticket that was given away belongs to its holder: the buyer cannot take it back for money.
    valid = [
        ticket
        for ticket in tickets
        if ticket.status is TicketStatus.VALID and (by_organizer or ticket.holder_id == order.buyer_id)
    ]
    if request.ticket_ids is not None:
        by_id = {ticket.ticket_id: ticket for ticket in tickets}
        if not set(request.ticket_ids) <= by_id.keys():
            raise UnknownTicket
        chosen = [by_id[ticket_id] for ticket_id in dict.fromkeys(request.ticket_ids)]
        if any(ticket not in valid for ticket in chosen):
            raise TicketNotRefundable
        return chosen
    if request.amount is not None:
        return []
    if not valid:
        raise NotRefundable("The order has no valid ticket.")
    return valid


def _amount(order: Order, tickets: list[Ticket], chosen: list[Ticket], request: RefundRequest) -> int:
    total, left = order.amounts.total.amount_minor, order.amounts.total.amount_minor - order.refunded_minor
    if request.amount is not None:
        if request.amount.currency != order.amounts.total.currency or request.amount.amount_minor > left:
            raise AmountTooLarge(left=left)
        if not request.amount.amount_minor and not chosen:
            raise NotRefundable("An amount of zero returns nothing.")
        return request.amount.amount_minor
    live = [ticket for ticket in tickets if ticket.status in {TicketStatus.VALID, TicketStatus.USED}]
    if len(chosen) == len(live):
        return left
    paid = order.amounts.for_tickets.amount_minor
    share = total * sum(ticket.price_minor for ticket in chosen) // paid if paid else 0
    return min(share, left)


def stray_refund_id(gateway: GatewayName, provider_payment_id: str) -> str:
    """The refund of a capture that bought nothing; one per provider payment, however often it is heard of."""
    return derived_id("ref", gateway, provider_payment_id)


def stray_refund(
    order: Order, gateway: GatewayName, payment_id: str, amount: Money, reason: str, now: datetime
) -> Refund:
    """Send back a capture that bought nothing."""
    refund_id = stray_refund_id(gateway, payment_id)
    refund = new_refund(refund_id, order, amount, reason, (), SETTLEMENT, now, (gateway, payment_id))
    return refund.model_copy(update={"stray": True})


def new_refund(
    refund_id: str,
    order: Order,
    amount: Money,
    reason: str,
    ticket_ids: tuple[str, ...],
    requested_by: str,
    now: datetime,
    paid_by: tuple[GatewayName, str] | None,
) -> Refund:
    """A refund to be made at the gateway, or done at once where no money was paid."""
    return Refund(
        refund_id=refund_id,
        order_id=order.order_id,
        event_id=order.event_id,
        org_id=order.org_id,
        buyer_id=order.buyer_id,
        gateway=paid_by[0] if paid_by else None,
        provider_payment_id=paid_by[1] if paid_by else None,
        amount=amount,
        reason=reason,
        ticket_ids=ticket_ids,
        status=RefundStatus.PENDING if amount.amount_minor else RefundStatus.SUCCEEDED,
        requested_by=requested_by,
        created_at=now,
    )


def after_failure(refund: Refund, failure: str, now: datetime) -> Refund:
    """The next attempt, under a key of its own; or `failed` when they are used up, or somebody else had made it."""
    somebody_elses = refund.attempt == 0 and not refund.stray
    seen = (*refund.failed_refund_ids, refund.provider_refund_id) if refund.provider_refund_id else ()
    failed = refund.model_copy(
        update={
            "status": RefundStatus.FAILED,
            "failure": failure,
            "provider_refund_id": None,
            "failed_refund_ids": seen or refund.failed_refund_ids,
            "succeeded_at": None,
            "due_at": None,
        }
    )
    if somebody_elses or refund.attempt > len(RETRY_AFTER):
        return failed
    return next_attempt(failed, now + RETRY_AFTER[max(refund.attempt - 1, 0)])


def next_attempt(refund: Refund, due_at: datetime | None) -> Refund:
    """Try again: whatever the attempt before left at the provider has failed for good."""
    return refund.model_copy(update={"status": RefundStatus.PENDING, "attempt": refund.attempt + 1, "due_at": due_at})
