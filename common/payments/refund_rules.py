"""Which tickets and how much money go back: pure decisions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from common.errors import Problem
from common.money import Money
from common.orders.schemas import Order, OrderStatus
from common.tickets.schemas import Ticket, TicketStatus

if TYPE_CHECKING:
    from common.payments.schemas import RefundRequest

BUYERS_MAY_UNTIL: Final = timedelta(hours=24)


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
