"""Balances are derived: Firestore adds the ledger's entries up, whatever their number, and no entry is read."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from common import clients
from common.aggregation import sums
from common.finance.rules import TRAILING, EventSums
from common.payments.schemas import EntryKind, Totals

if TYPE_CHECKING:
    from datetime import datetime

# What a statement tells apart; what is owed is the sum over entries of every kind. One query takes five sums at most.
SUMMED_KINDS: Final = (EntryKind.SALE, EntryKind.REFUND_OWED, EntryKind.COMMISSION)
SUMMED: Final = ("totals.commission", "totals.organizer", "totals.platformFee", "totals.tax")


async def of_event(event_id: str, currency: str, at: datetime | None = None) -> EventSums:
    """What the event's entries in its currency add up to, now or at a moment of the last hour.

    Others may be there, of captures that bought nothing: they go back, and concern no organizer.
    """
    about = {"eventId": event_id, "currency": currency}
    every, *kinds = await asyncio.gather(
        sums(_where(**about), "discountMinor", "tickets", "totals.gatewayFees", "totals.organizer", at=at),
        *(sums(_where(**about, kind=kind), *SUMMED, at=at) for kind in SUMMED_KINDS),
    )
    return EventSums(
        kinds=dict(zip(SUMMED_KINDS, map(_totals, kinds), strict=True)),
        organizer_minor=every["totals.organizer"],
        gateway_fees_minor=every["totals.gatewayFees"],
        discount_minor=every["discountMinor"],
        tickets=every["tickets"],
    )


async def trailing_volume(org_id: str, currency: str, until: datetime, at: datetime | None = None) -> int:
    """An organization's gross ticket sales of the 90 days before a moment, before discounts and refunds."""
    from google.cloud.firestore import FieldFilter

    sales = (
        _where(orgId=org_id, currency=currency, kind=EntryKind.SALE)
        .where(filter=FieldFilter("occurredAt", ">", until - TRAILING))
        .where(filter=FieldFilter("occurredAt", "<=", until))
    )
    found = await sums(sales, "discountMinor", "totals.organizer", at=at)
    return found["discountMinor"] - found["totals.organizer"]


def _where(**equal: str) -> Any:
    from google.cloud.firestore import FieldFilter

    query: Any = clients.firestore().collection("ledger")
    for name, value in equal.items():
        query = query.where(filter=FieldFilter(name, "==", value))
    return query


def _totals(found: dict[str, int]) -> Totals:
    return Totals.of({name.removeprefix("totals."): amount for name, amount in found.items()})
