"""Every movement of money as a double entry: what is debited and what is credited add up to zero."""

from __future__ import annotations

from typing import TYPE_CHECKING

from common.ids import derived_id
from common.payments.schemas import LedgerEntry, Posting

if TYPE_CHECKING:
    from datetime import datetime

    from common.orders.schemas import Order
    from common.payments.gateways import PaymentEvent
    from common.payments.schemas import Payment, Refund


class Unbalanced(Exception):
    """An entry whose postings do not add up to zero."""


def _entry(
    entry_id: str, order_id: str, event_id: str, currency: str, now: datetime, postings: dict[str, int]
) -> LedgerEntry:
    if sum(postings.values()):
        raise Unbalanced(f"{entry_id}: {postings}")
    kept = tuple(Posting(account=name, amount_minor=amount) for name, amount in postings.items() if amount)
    return LedgerEntry(
        entry_id=entry_id, order_id=order_id, event_id=event_id, currency=currency, postings=kept, occurred_at=now
    )


def sale(order: Order, payment: Payment, now: datetime) -> LedgerEntry:
    """The gateway owes us what the buyer paid; we owe the organizer, the tax office and ourselves."""
    amounts = order.amounts
    return _entry(
        f"{payment.payment_id}_sale",
        order.order_id,
        order.event_id,
        amounts.total.currency,
        now,
        {
            f"gateway:{payment.gateway}": amounts.total.amount_minor,
            f"organizer:{order.org_id}": -(amounts.subtotal.amount_minor - amounts.discount.amount_minor),
            "platform_fee": -amounts.fee.amount_minor,
            "tax": -amounts.tax.amount_minor,
        },
    )


def gateway_fee(payment: Payment, fee_minor: int, now: datetime) -> LedgerEntry:
    """What the provider keeps of a capture: our expense, taken out of what it owes us."""
    return _entry(
        f"{payment.payment_id}_fee",
        payment.order_id,
        payment.event_id,
        payment.amount.currency,
        now,
        {f"gateway_fees:{payment.gateway}": fee_minor, f"gateway:{payment.gateway}": -fee_minor},
    )


def stray_capture(refund: Refund, now: datetime) -> LedgerEntry:
    """Money that bought nothing: we owe it back to the buyer, by this refund."""
    amount = refund.amount.amount_minor
    return _entry(
        f"{refund.refund_id}_stray",
        refund.order_id,
        refund.event_id,
        refund.amount.currency,
        now,
        {f"gateway:{refund.gateway}": amount, f"buyer:{refund.buyer_id}": -amount},
    )


def refund_owed(order: Order, refund: Refund, now: datetime) -> LedgerEntry:
    """We owe the buyer; fee and tax are given back in the share of the refund, the rest is the organizer's."""
    total = order.amounts.total.amount_minor
    before, after = order.refunded_minor, order.refunded_minor + refund.amount.amount_minor
    # Shares are taken of the running sum: the roundings of many partial refunds end exactly at the whole.
    fee = order.amounts.fee.amount_minor * after // total - order.amounts.fee.amount_minor * before // total
    tax = order.amounts.tax.amount_minor * after // total - order.amounts.tax.amount_minor * before // total
    return _entry(
        f"{refund.refund_id}_owed",
        order.order_id,
        order.event_id,
        refund.amount.currency,
        now,
        {
            f"organizer:{order.org_id}": refund.amount.amount_minor - fee - tax,
            "platform_fee": fee,
            "tax": tax,
            f"buyer:{order.buyer_id}": -refund.amount.amount_minor,
        },
    )


def refund_paid(refund: Refund, now: datetime) -> LedgerEntry:
    """The gateway paid the buyer back out of what it owes us."""
    amount = refund.amount.amount_minor
    return _entry(
        f"{refund.refund_id}_paid",
        refund.order_id,
        refund.event_id,
        refund.amount.currency,
        now,
        {f"buyer:{refund.buyer_id}": amount, f"gateway:{refund.gateway}": -amount},
    )


def split(order: Order, event: PaymentEvent, now: datetime) -> LedgerEntry:
    """What the provider pays the organizer directly: we owe it no more, and the provider owes it to us no more."""
    account = f"organizer:{order.org_id}"
    return _entry(
        derived_id("split", event.gateway, event.payment_id),
        order.order_id,
        order.event_id,
        event.amount.currency,
        now,
        {account: event.split_minor, f"gateway:{event.gateway}": -event.split_minor},
    )
