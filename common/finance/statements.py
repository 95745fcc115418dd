"""An event's statement: one moment of the ledger, and the commission as booked or as it would be."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from common import clock
from common.events.schemas import EventStatus
from common.finance import rules, store, sums
from common.finance.schemas import Balance, CommissionReply, EventSettlement, StatementReply
from common.payments.schemas import EntryKind

if TYPE_CHECKING:
    from datetime import datetime

    from common.events.schemas import Event
    from common.organizations.schemas import Organization


async def of_event(event: Event) -> StatementReply:
    """The statement as of now: its sums are of one moment, so they agree with each other."""
    organization, settlement, read_at = await store.terms_of(event)
    if settlement is not None:
        found = await sums.of_event(event.event_id, event.currency, read_at)
        return _statement(event, found, settlement.basis_points, settlement, read_at)
    until = min(clock.now(), event.ends_at)
    found, rate = await _estimated(event, organization, until, read_at)
    return _statement(event, found, rate, None, read_at)


async def _estimated(
    event: Event, organization: Organization, until: datetime, read_at: datetime
) -> tuple[rules.EventSums, int]:
    found, volume = await asyncio.gather(
        sums.of_event(event.event_id, event.currency, read_at),
        sums.trailing_volume(event.org_id, event.currency, until, read_at),
    )
    return found, rules.commission_rate(organization, volume, until)


def _statement(
    event: Event, found: rules.EventSums, basis_points: int, settled: EventSettlement | None, as_of: datetime
) -> StatementReply:
    def money(amount_minor: int) -> Balance:
        return Balance(amount_minor=amount_minor, currency=event.currency)

    sold, refunded = found.of(EntryKind.SALE), found.of(EntryKind.REFUND_OWED)
    sales = 0 if event.status is EventStatus.CANCELLED else found.net_sales_minor
    charge = found.charged if settled else rules.commission(sales, basis_points, event.country)
    payable = found.net_sales_minor - charge.total_minor
    return StatementReply(
        event_id=event.event_id,
        currency=event.currency,
        tickets_sold=found.tickets,
        gross_sales=money(found.discount_minor - sold.organizer),
        discounts=money(found.discount_minor),
        refunds=money(refunded.organizer),
        net_sales=money(found.net_sales_minor),
        commission=CommissionReply(
            basis_points=basis_points,
            amount=money(charge.amount_minor),
            tax=money(charge.tax_minor),
            estimated=settled is None,
        ),
        payable=money(payable),
        paid_out=money(found.paid_out_minor),
        balance=money(payable - found.paid_out_minor),
        booking_fees=money(-sold.platform_fee - refunded.platform_fee),
        booking_fee_tax=money(-sold.tax - refunded.tax),
        gateway_fees=money(found.gateway_fees_minor),
        settled_at=settled.settled_at if settled else None,
        as_of=as_of,
    )
