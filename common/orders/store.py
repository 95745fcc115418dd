"""Orders in Firestore: hold, look up, release. Every change of units goes through the event's inventory."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from common import clients, clock, outbox, tracing
from common.config import config
from common.errors import IdempotencyKeyReused, NotFound, Problem, TemporarilyUnavailable
from common.events import store as events
from common.events.store import refresh_of
from common.orders import pricing, promotions, rules
from common.orders.inventory import Busy, Change, EventInventory, Refused, SalesClosed, SoldOut, inventory
from common.orders.schemas import Order, OrderRequest, OrderStatus
from common.organizations.policy import require_visible
from common.outbox import PlannedTask
from common.paging import decode_cursor, encode_cursor, moment
from common.shared_reads import shared_reads
from common.transaction import attempts

if TYPE_CHECKING:
    from google.cloud.firestore import AsyncWriteBatch

    from common.events.schemas import Event
    from common.orders.schemas import PromoCode
    from common.tickets.schemas import UnitRef
    from common.tokens import Caller

MOST_ATTEMPTS: Final = 5
RECLAIMED_AT_ONCE: Final = 50


@dataclass(frozen=True)
class Seen:
    """An order as it was read, with the update_time that guards the next write."""

    order: Order
    update_time: datetime


@dataclass(frozen=True)
class _Bought:
    """How many of each limited tier and promo code a person holds or owns, as it was read."""

    tiers: dict[str, int]
    update_time: datetime | None


NOTHING_BOUGHT: Final = _Bought({}, None)


@dataclass(frozen=True)
class _Sale:
    """What a booking is decided on; `remembered`: the event may be some seconds old."""

    event: Event
    promo: PromoCode | None
    bought: _Bought
    remembered: bool


def order_path(order_id: str) -> str:
    return f"orders/{order_id}"


def _bought_path(event_id: str, user_id: str) -> str:
    return f"events/{event_id}/buyers/{user_id}"


async def find(order_id: str) -> Seen | None:
    """The order of this id."""
    snapshot = await clients.firestore().document(order_path(order_id)).get()
    if not snapshot.exists:
        return None
    return Seen(Order.of(snapshot.to_dict()), snapshot.update_time)


async def of_buyer(order_id: str, user_id: str) -> Seen:
    """The buyer's own order. NotFound for anybody else's: they may not know that it exists."""
    seen = await find(order_id)
    if seen is None or seen.order.buyer_id != user_id:
        raise NotFound("You have no such order.")
    return seen


async def page_of_buyer(user_id: str, limit: int, cursor: str | None) -> tuple[list[Order], str | None]:
    """The buyer's orders, newest first, and the cursor of the next page."""
    from google.cloud.firestore import FieldFilter, Query

    orders = clients.firestore().collection("orders")
    query = (
        orders.where(filter=FieldFilter("buyerId", "==", user_id))
        .order_by("createdAt", direction=Query.DESCENDING)
        .order_by("orderId", direction=Query.DESCENDING)
        .limit(limit + 1)
    )
    if cursor is not None:
        created_at, order_id = decode_cursor(cursor, f"orders of {user_id}", str, str)
        query = query.start_after({"createdAt": moment(created_at), "orderId": order_id})
    found = [Order.of(snapshot.to_dict()) for snapshot in await query.get()]
    if len(found) <= limit:
        return found, None
    last = found[limit - 1]
    return found[:limit], encode_cursor(f"orders of {user_id}", last.created_at.isoformat(), last.order_id)


def event_inventory(event_id: str) -> EventInventory:
    """This process's inventory of an event, which reclaims expired holds before it says sold out."""
    return inventory(event_id, release_expired)


async def hold(
    request: OrderRequest, buyer: Caller, order_id: str, fingerprint: str, *, may_repeat: bool = True
) -> Order:
    """Hold units for the buyer: at most two round trips, the second of them shared with whoever buys meanwhile.

    A repeat (same order id) gets the first order back, whatever has changed since. `may_repeat` is False for an id
    that was made just now.
    """
    try:
        return await _hold(request, buyer, order_id, fingerprint)
    except Problem:
        first = await _first(order_id) if may_repeat else None
        if first is None:
            raise
        return _repeated(first, fingerprint)


async def _first(order_id: str) -> Order | None:
    """The order that an earlier request with the same key may have made."""
    snapshot = await shared_reads().get(order_path(order_id))
    return Order.of(snapshot.to_dict()) if snapshot.exists else None


def _repeated(order: Order, fingerprint: str) -> Order:
    if order.fingerprint != fingerprint:
        raise IdempotencyKeyReused
    return order.model_copy(update={"status": OrderStatus.HELD, "refunded_minor": 0, "ticketed_at": None})


async def _hold(request: OrderRequest, buyer: Caller, order_id: str, fingerprint: str) -> Order:
    rules.check_request(request)
    sale = await _sale(request, buyer)
    await require_visible(sale.event, buyer)
    try:
        order = await _priced(sale, request, buyer, order_id, fingerprint)
    except pricing.PriceChanged:
        if not sale.remembered:
            raise
        # The buyer may have seen a newer price than this process remembers.
        sale = replace(sale, event=await events.reread(request.event_id))
        order = await _priced(sale, request, buyer, order_id, fingerprint)
    bought = sale.bought
    for _ in range(MOST_ATTEMPTS):
        rules.check_person(sale.event, sale.promo, order.lines, bought.tiers)
        try:
            units = await event_inventory(order.event_id).submit(_booking(order, bought))
        except (SoldOut, SalesClosed) as gone:
            raise rules.refusal(order, gone) from None
        except Refused:
            first = await _first(order_id)
            if first is not None:
                return _repeated(first, fingerprint)
            bought = await _bought(order.event_id, buyer.user_id)
            continue
        return order.owning(units)
    raise Busy


async def _sale(request: OrderRequest, buyer: Caller) -> _Sale:
    """Everything that must be read, in one round trip; nothing where this process remembers it."""
    event_id, code = request.event_id, rules.promo_code(request.promo_code or "")
    remembered = events.remembered(event_id)
    if remembered is None and not events.begin_reading(event_id):
        # Of a crowd before a cold instance one reads; the others learn from its read what they need themselves.
        remembered = await events.recent(event_id)
    if remembered is None:
        tiers = {line.tier_id for line in request.lines} | ({promotions.promo_id(event_id, code)} if code else set())
        event, promo, bought, _ = await asyncio.gather(
            events.recent(event_id),
            promotions.recent(event_id, code),
            _bought(event_id, buyer.user_id),
            event_inventory(event_id).prepare(tiers),
        )
        return _Sale(event, promo, bought, remembered=False)
    promo = promotions.remembered(event_id, code) if code else None
    if code and promo is None:
        promo, bought = await asyncio.gather(promotions.recent(event_id, code), _bought(event_id, buyer.user_id))
    else:
        counts = rules.counts_per_person(remembered, request, promo)
        bought = await _bought(event_id, buyer.user_id) if counts else NOTHING_BOUGHT
    return _Sale(remembered, promo, bought, remembered=True)


async def _priced(sale: _Sale, request: OrderRequest, buyer: Caller, order_id: str, fingerprint: str) -> Order:
    """The order at the prices of this moment, if this is on sale."""
    event, promo, now = sale.event, sale.promo, clock.now()
    rules.check_sale(event, request, now)
    if promo is None and request.promo_code is not None:
        raise rules.UnknownPromoCode
    stock = event_inventory(event.event_id)
    taken = {tier_id: await stock.taken(tier_id) for tier_id in rules.stock_priced(event, request)}
    terms = promo.terms if promo else None
    quoted = pricing.quote(event, request, terms, taken, now, config().booking_fee_basis_points)
    hold = timedelta(seconds=config().hold_seconds)
    drafted = rules.draft_order(event, quoted, promo, buyer, order_id, fingerprint, now, hold)
    return drafted.model_copy(update={"traceparent": tracing.traceparent()})


def _booking(order: Order, bought: _Bought) -> Change:
    def write(batch: AsyncWriteBatch, units: tuple[UnitRef, ...]) -> None:
        client = clients.firestore()
        batch.create(client.document(order_path(order.order_id)), order.owning(units).document())
        _count(batch, order, bought)
        release = PlannedTask(
            function="release_hold",
            name=order.order_id,
            payload={"orderId": order.order_id},
            at=order.hold_expires_at,
        )
        event = order_event("order.held", order, order.created_at)
        path, fields = outbox.entry(
            order.created_at, event, release, refresh_of(order.event_id), traceparent=order.traceparent
        )
        batch.create(client.document(path), fields)

    return Change(order.order_id, order.takes, (), writes=3, documents=documents_of(order), write=write)


def documents_of(order: Order) -> frozenset[str]:
    """What every change of this order may write."""
    return frozenset((order_path(order.order_id), _bought_path(order.event_id, order.buyer_id)))


def _count(batch: AsyncWriteBatch, order: Order, bought: _Bought) -> None:
    """Write what the person has after this order, unless somebody changed it since it was read."""
    client = clients.firestore()
    tiers = {tier: bought.tiers.get(tier, 0) + count for tier, count in order.counted.items()}
    if not tiers:
        return
    document = client.document(_bought_path(order.event_id, order.buyer_id))
    if bought.update_time is None:
        batch.create(document, {"tiers": tiers})
    else:
        seen = client.write_option(last_update_time=bought.update_time)
        batch.update(document, {f"tiers.{tier}": count for tier, count in tiers.items()}, option=seen)


def uncount(batch: AsyncWriteBatch, order: Order, units: tuple[UnitRef, ...]) -> None:
    """Take what goes back, units or the use of a promo code, off what the person has."""
    from google.cloud.firestore import Increment

    returned = Counter(unit.tier_id for unit in units if unit.tier_id in order.counted)
    if returned:
        document = clients.firestore().document(_bought_path(order.event_id, order.buyer_id))
        batch.update(document, {f"tiers.{tier}": Increment(-count) for tier, count in returned.items()})


def order_event(type_: str, order: Order, now: datetime, **more: Any) -> outbox.DomainEvent:
    """A domain event about an order."""
    about = {"orderId": order.order_id, "eventId": order.event_id, "orgId": order.org_id, "buyerId": order.buyer_id}
    return outbox.event(type_, now, **about, **more)


async def _bought(event_id: str, user_id: str) -> _Bought:
    snapshot = await shared_reads().get(_bought_path(event_id, user_id))
    if not snapshot.exists:
        return _Bought({}, None)
    return _Bought((snapshot.to_dict() or {})["tiers"], snapshot.update_time)


async def cancel(order_id: str, user_id: str) -> Order:
    """Give up the buyer's hold. A refused commit says only that something moved, perhaps by us: look again."""
    async for _ in attempts():
        seen = await of_buyer(order_id, user_id)
        if seen.order.status is OrderStatus.CANCELLED:
            return seen.order
        rules.check_cancel(seen.order)
        if await release(seen, OrderStatus.CANCELLED):
            return seen.order.model_copy(update={"status": OrderStatus.CANCELLED, "units": ()})
    raise TemporarilyUnavailable("Too many changed this order at the same time.")


async def release(seen: Seen, status: OrderStatus) -> bool:
    """End a hold and give back what it owns. False when the order changed since it was read: nothing was written."""
    order = seen.order
    now = clock.now()

    def write(batch: AsyncWriteBatch, _: tuple[UnitRef, ...]) -> None:
        client = clients.firestore()
        guard = client.write_option(last_update_time=seen.update_time)
        fields = {"status": status} | _owned_fields(order.owning(()))
        batch.update(client.document(order_path(order.order_id)), fields, option=guard)
        uncount(batch, order, order.owned)
        event = order_event(f"order.{status}", order, now)
        path, fields = outbox.entry(now, event, refresh_of(order.event_id), traceparent=order.traceparent)
        batch.create(client.document(path), fields)

    change = Change(order.order_id, {}, order.owned, writes=3, documents=documents_of(order), write=write)
    try:
        await event_inventory(order.event_id).submit(change)
    except Refused:
        return False
    return True


async def release_expired(event_id: str) -> None:
    """Release the event's holds that have run out, without waiting for their tasks."""
    from google.cloud.firestore import FieldFilter

    query = (
        clients.firestore()
        .collection("orders")
        .where(filter=FieldFilter("eventId", "==", event_id))
        .where(filter=FieldFilter("status", "==", OrderStatus.HELD))
        .where(filter=FieldFilter("holdExpiresAt", "<=", clock.now()))
        .order_by("holdExpiresAt")
        .limit(RECLAIMED_AT_ONCE)
    )
    expired = [Seen(Order.of(found.to_dict()), found.update_time) for found in await query.get()]
    await asyncio.gather(*(release(seen, OrderStatus.EXPIRED) for seen in expired))


async def reclaim(seen: Seen) -> bool:
    """Hold again what an order held that expired before its payment arrived, all of it or nothing.

    SoldOut, SalesClosed, LimitReached: something of it is no longer to be had, be it the use of its promo code or
    the person's share of a tier. Nobody gets beyond a limit by paying late.
    """
    order = seen.order
    bought = await _bought(order.event_id, order.buyer_id) if order.counted else NOTHING_BOUGHT
    await _check_limits_again(order, bought)

    def write(batch: AsyncWriteBatch, units: tuple[UnitRef, ...]) -> None:
        client = clients.firestore()
        guard = client.write_option(last_update_time=seen.update_time)
        fields = {"status": OrderStatus.HELD} | _owned_fields(order.owning(units))
        batch.update(client.document(order_path(order.order_id)), fields, option=guard)
        _count(batch, order, bought)

    change = Change(order.order_id, order.takes, (), writes=2, documents=documents_of(order), write=write)
    try:
        await event_inventory(order.event_id).submit(change)
    except SoldOut as gone:
        raise rules.refusal(order, gone) from None
    except Refused:
        return False
    return True


async def _check_limits_again(order: Order, bought: _Bought) -> None:
    if not order.counted:
        return
    code = order.promo.code if order.promo and order.promo.limited else None
    event, promo = await asyncio.gather(events.recent(order.event_id), promotions.recent(order.event_id, code))
    rules.check_person(event, promo, [line for line in order.lines if line.limited], bought.tiers)


def _owned_fields(order: Order) -> dict[str, Any]:
    """What is written when an order takes or gives back what it owns."""
    fields: dict[str, Any] = {"units": [unit.document() for unit in order.units]}
    return fields | ({"promo": order.promo.document()} if order.promo else {})
