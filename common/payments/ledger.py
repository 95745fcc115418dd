"""Every movement of money as a double entry: what is debited and what is credited add up to zero."""

from __future__ import annotations

from typing import TYPE_CHECKING

from common.ids import derived_id
from common.payments.gateways import RefundStatus
from common.payments.schemas import EntryKind, LedgerEntry, Posting, Totals

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from common.money import Money
    from common.orders.schemas import Order
    from common.payments.schemas import Payment, Refund


class Unbalanced(Exception):
    """An entry whose postings do not add up to zero."""


def totals(postings: Iterable[Posting]) -> Totals:
    """The postings by kind of account, which is an account's name up to its colon."""
    sums = dict.fromkeys(Totals.model_fields, 0)
    for posting in postings:
        sums[posting.account.partition(":")[0]] += posting.amount_minor
    return Totals(**sums)


def _entry(
    entry_id: str,
    kind: EntryKind,
    event_id: str,
    org_id: str | None,
    order_id: str | None,
    currency: str,
    now: datetime,
    postings: dict[str, int],
    *,
    discount_minor: int = 0,
    tickets: int = 0,
) -> LedgerEntry:
    if sum(postings.values()):
        raise Unbalanced(f"{entry_id}: {postings}")
    kept = tuple(Posting(account=name, amount_minor=amount) for name, amount in postings.items() if amount)
    return LedgerEntry(
        entry_id=entry_id,
        kind=kind,
        event_id=event_id,
        org_id=org_id,
        order_id=order_id,
        currency=currency,
        postings=kept,
        totals=totals(kept),
        discount_minor=discount_minor,
        tickets=tickets,
        occurred_at=now,
    )


def sale(order: Order, payment: Payment, now: datetime) -> LedgerEntry:
    """The gateway owes us what the buyer paid; we owe the organizer, the tax office and ourselves."""
    amounts = order.amounts
    return _entry(
        f"{payment.payment_id}_sale",
        EntryKind.SALE,
        order.event_id,
        order.org_id,
        order.order_id,
        amounts.total.currency,
        now,
        {
            f"gateway:{payment.gateway}": amounts.total.amount_minor,
            f"organizer:{order.org_id}": -(amounts.subtotal.amount_minor - amounts.discount.amount_minor),
            "platform_fee": -amounts.fee.amount_minor,
            "tax": -amounts.tax.amount_minor,
        },
        discount_minor=amounts.discount.amount_minor,
        tickets=sum(line.quantity for line in order.lines),
    )


def gateway_fee(payment: Payment, fee_minor: int, now: datetime) -> LedgerEntry:
    """What the provider keeps of a capture: our expense, taken out of what it owes us."""
    return _entry(
        f"{payment.payment_id}_fee",
        EntryKind.GATEWAY_FEE,
        payment.event_id,
        None,
        payment.order_id,
        payment.amount.currency,
        now,
        {f"gateway_fees:{payment.gateway}": fee_minor, f"gateway:{payment.gateway}": -fee_minor},
    )


def split(order: Order, payment: Payment, payment_id: str, split_minor: int, now: datetime) -> LedgerEntry:
    """What the provider pays the organizer directly: we owe it no more, and the provider owes it to us no more."""
    return _entry(
        derived_id("split", payment.gateway, payment_id),
        EntryKind.SPLIT,
        order.event_id,
        order.org_id,
        order.order_id,
        payment.amount.currency,
        now,
        {f"organizer:{order.org_id}": split_minor, f"gateway:{payment.gateway}": -split_minor},
    )


def stray_capture(refund: Refund, now: datetime) -> LedgerEntry:
    """Money that bought nothing: we owe it back to the buyer, by this refund."""
    amount = refund.amount.amount_minor
    postings = {f"gateway:{refund.gateway}": amount, f"buyer:{refund.buyer_id}": -amount}
    return _of_refund("stray", EntryKind.STRAY_CAPTURE, refund, now, postings)


def refund_owed(order: Order, refund: Refund, now: datetime) -> LedgerEntry:
    """We owe the buyer; fee and tax are given back in the share of the refund, the rest is the organizer's."""
    amount, total = refund.amount.amount_minor, order.amounts.total.amount_minor
    before, after = order.refunded_minor, order.refunded_minor + amount
    # Shares are taken of the running sum: the roundings of many partial refunds end exactly at the whole.
    fee = order.amounts.fee.amount_minor * after // total - order.amounts.fee.amount_minor * before // total
    tax = order.amounts.tax.amount_minor * after // total - order.amounts.tax.amount_minor * before // total
    postings = {
        f"organizer:{order.org_id}": amount - fee - tax,
        "platform_fee": fee,
        "tax": tax,
        f"buyer:{order.buyer_id}": -amount,
    }
    return _of_refund("owed", EntryKind.REFUND_OWED, refund, now, postings, tickets=-len(refund.ticket_ids))


def refund_paid(refund: Refund, now: datetime) -> LedgerEntry:
    """The gateway paid the buyer back out of what it owes us."""
    amount = refund.amount.amount_minor
    postings = {f"buyer:{refund.buyer_id}": amount, f"gateway:{refund.gateway}": -amount}
    return _of_refund("paid", EntryKind.REFUND_PAID, refund, now, postings)


def refund_decided(order: Order, refund: Refund, owed: Money, now: datetime) -> tuple[LedgerEntry, ...]:
    """All that a new refund books: what nobody had been promised before is owed, and what is gone already is paid."""
    entries = []
    if owed.amount_minor:
        entries.append(refund_owed(order, refund.model_copy(update={"amount": owed}), now))
    if refund.amount.amount_minor and refund.status is RefundStatus.SUCCEEDED:
        entries.append(refund_paid(refund, now))
    return tuple(entries)


def refund_bounced(refund: Refund, now: datetime) -> LedgerEntry:
    """The gateway has the money back that it had paid: we owe it to the buyer again."""
    amount = refund.amount.amount_minor
    postings = {f"gateway:{refund.gateway}": amount, f"buyer:{refund.buyer_id}": -amount}
    return _of_refund("bounced", EntryKind.REFUND_BOUNCED, refund, now, postings)


def commission(
    event_id: str, org_id: str, currency: str, revision: int, commission_minor: int, tax_minor: int, now: datetime
) -> LedgerEntry:
    """What the organizer owes us for selling, with tax on it; a later revision books a difference only."""
    return _entry(
        f"{event_id}_commission_{revision}",
        EntryKind.COMMISSION,
        event_id,
        org_id,
        None,
        currency,
        now,
        {
            f"organizer:{org_id}": commission_minor + tax_minor,
            "commission": -commission_minor,
            "tax": -tax_minor,
        },
    )


def payout(payout_id: str, event_id: str, org_id: str, currency: str, amount_minor: int, now: datetime) -> LedgerEntry:
    """An event's line of a payout: what we owed the organizer is with the bank. A debt that is netted is negative."""
    return _entry(
        f"{payout_id}_{event_id}",
        EntryKind.PAYOUT,
        event_id,
        org_id,
        None,
        currency,
        now,
        {f"organizer:{org_id}": amount_minor, "bank": -amount_minor},
    )


def _of_refund(
    what: str, kind: EntryKind, refund: Refund, now: datetime, postings: dict[str, int], tickets: int = 0
) -> LedgerEntry:
    return _entry(
        f"{refund.refund_id}_{what}",
        kind,
        refund.event_id,
        refund.org_id,
        refund.order_id,
        refund.amount.currency,
        now,
        postings,
        tickets=tickets,
    )
