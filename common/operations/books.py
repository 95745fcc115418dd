"""Everything that is stored of one event, read as it was at one moment."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from common import clients
from common.orders.schemas import Order, PromoCode
from common.orders.shards import Shard, shard
from common.payments.schemas import LedgerEntry, Payment, Refund
from common.tickets.schemas import Ticket

if TYPE_CHECKING:
    from datetime import datetime


@dataclass(frozen=True)
class Books:
    """Everything that is stored of one event. Its promo codes are among the tiers, but their units are uses."""

    event_id: str
    capacity: dict[str, int]
    shards: tuple[Shard, ...]
    units: dict[tuple[str, int], dict[str, Any]]
    orders: tuple[Order, ...]
    tickets: tuple[Ticket, ...]
    payments: tuple[Payment, ...]
    refunds: tuple[Refund, ...]
    ledger: tuple[LedgerEntry, ...]
    uses: dict[tuple[str, int], dict[str, Any]] = field(default_factory=dict)


async def books_of(event_id: str) -> Books:
    """All of it as it was at one moment: what is sold meanwhile cannot make the books look wrong."""
    client = clients.firestore()
    snapshot = await client.document(f"events/{event_id}").get()
    event, moment = snapshot.to_dict() or {}, snapshot.read_time
    tiers = {tier["tierId"]: tier["capacity"] for tier in event.get("tiers", [])}
    codes = client.collection(f"events/{event_id}/promoCodes").stream(read_time=moment)
    promos = {promo.promo_id: promo.capacity for promo in [PromoCode.of(found.to_dict()) async for found in codes]}
    shards: list[Shard] = []
    units: dict[tuple[str, int], dict[str, Any]] = {}
    for tier_id in tiers | promos:
        tier = client.collection(f"events/{event_id}/tiers").document(tier_id)
        shards += [
            shard(found.reference.path, found.to_dict() or {})
            async for found in tier.collection("shards").stream(read_time=moment)
        ]
        async for found in tier.collection("units").stream(read_time=moment):
            units[tier_id, int(found.id)] = found.to_dict() or {}
    orders, tickets, payments, refunds, entries = await asyncio.gather(
        *(_of_event(name, event_id, moment) for name in ("orders", "tickets", "payments", "refunds", "ledger"))
    )
    return Books(
        event_id=event_id,
        capacity=tiers | promos,
        shards=tuple(shards),
        units={unit: fields for unit, fields in units.items() if unit[0] in tiers},
        uses={unit: fields for unit, fields in units.items() if unit[0] in promos},
        orders=tuple(map(Order.of, orders)),
        tickets=tuple(map(Ticket.of, tickets)),
        payments=tuple(map(Payment.of, payments)),
        refunds=tuple(map(Refund.of, refunds)),
        ledger=tuple(map(LedgerEntry.of, entries)),
    )


async def _of_event(collection: str, event_id: str, moment: datetime) -> list[dict[str, Any]]:
    from google.cloud.firestore import FieldFilter

    query = clients.firestore().collection(collection).where(filter=FieldFilter("eventId", "==", event_id))
    return [found.to_dict() or {} async for found in query.stream(read_time=moment)]
