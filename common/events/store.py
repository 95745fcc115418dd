"""Events in Firestore: events/{eventId} with its shards and its live availability."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, Final

from common import cdn, clients, clock, outbox
from common.caching import event_tag
from common.errors import NotFound
from common.events import rules
from common.events.schemas import Availability, Event, EventStatus, TierAvailability
from common.memory import Memory
from common.orders.capacity import resize
from common.orders.shards import shard, shard_documents, shard_paths
from common.outbox import PlannedTask
from common.single_flight import SingleFlight
from common.transaction import in_transaction, read
from common.updates import rules as update_rules
from common.updates import store as updates

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from google.cloud.firestore import AsyncDocumentReference, AsyncTransaction, AsyncWriteBatch, DocumentSnapshot

    from common.events.schemas import StoredTier, TierPatch

EVENTS: Final = "events"
memory: Final = Memory[Event]()
_reading = SingleFlight["Event | None"]()
LIVE_ATTEMPTS: Final = 3
AUDITED_AFTER_END: Final = timedelta(days=7)


@dataclass(frozen=True)
class StoredEvent:
    """An event as it was read, with the update_time that guards the next write."""

    event: Event
    update_time: datetime


def _event(event_id: str) -> AsyncDocumentReference:
    return clients.firestore().collection(EVENTS).document(event_id)


def _live_availability(event_id: str) -> AsyncDocumentReference:
    return _event(event_id).collection("live").document("availability")


async def stored(event_id: str) -> StoredEvent | None:
    """The event as it is now, to be changed."""
    snapshot = await _event(event_id).get()
    return StoredEvent(Event.of(snapshot.to_dict()), snapshot.update_time) if snapshot.exists else None


async def find(event_id: str) -> Event | None:
    """The event as it is now."""
    found = await stored(event_id)
    return found.event if found else None


def remembered(event_id: str) -> Event | None:
    """The event as this process read it seconds ago, None when it did not. Costs nothing."""
    return memory.recall(event_id)


def begin_reading(event_id: str) -> bool:
    """Begin the read that `recent` will share. False if somebody else's is under way."""
    key = (clients.firestore(), event_id)
    if _reading.is_running(key):
        return False
    _reading.start(key, partial(find, event_id))
    return True


async def recent(event_id: str) -> Event:
    """The event, at most a few seconds old. NotFound for a draft too: it is on sale for nobody.

    Drafts are not remembered, so a sale begins everywhere with the publication.
    """
    event = memory.recall(event_id)
    if event is None:
        event = await _reading.do((clients.firestore(), event_id), partial(find, event_id))
        if event is None or event.status is EventStatus.DRAFT:
            raise NotFound("There is no such event.")
        memory.keep(event_id, event)
    return event


async def reread(event_id: str) -> Event:
    """The event as it is now, where what is remembered may be older than what somebody saw."""
    memory.forget(event_id)
    return await recent(event_id)


async def create(new: Event) -> Event:
    """Store a new draft. A repeat gets what the first stored."""
    from google.api_core.exceptions import AlreadyExists

    try:
        await _event(new.event_id).create(new.document())
    except AlreadyExists:
        return Event.of((await _event(new.event_id).get()).to_dict())
    return new


async def change(seen: StoredEvent, after: Event) -> None:
    """Write the event, unless somebody else did since it was read, or sells what must be unsold for this change."""
    batch = clients.firestore().batch()
    fixed = rules.fixed_once_sold(seen.event, after)
    if fixed:
        await _require_unsold(after, fixed, batch)
    try:
        await _write(seen, after, batch)
    except rules.EventStateConflict:
        if fixed:  # it may have been a sale that came first
            await _require_unsold(after, fixed, clients.firestore().batch())
        raise


async def _require_unsold(event: Event, fixed: list[dict[str, str]], batch: AsyncWriteBatch) -> None:
    """Refuse if a unit is held or sold, and let the commit fail if one is by then: the shards go into it as seen."""
    client = clients.firestore()
    async for found in client.get_all([client.document(path) for path in shard_paths(event)]):
        item = shard(found.reference.path, found.to_dict() or {})
        if item.taken:
            raise rules.FixedAfterSales(errors=fixed)
        unchanged = client.write_option(last_update_time=found.update_time)
        batch.update(found.reference, {"open": item.open}, option=unchanged)


async def publish(seen: StoredEvent, after: Event) -> None:
    """Put the event on sale: its state, its inventory and the news of it are one commit."""
    client = clients.firestore()
    batch = client.batch()
    for tier in after.tiers:
        for path, fields in shard_documents(after.event_id, tier.tier_id, tier.capacity):
            batch.create(client.document(path), fields | {"open": not tier.paused})
    left = {tier.tier_id: 0 if tier.paused else tier.capacity for tier in after.tiers}
    batch.set(_live_availability(after.event_id), _live(_availability(after, left, {}, after.updated_at)))
    announce = PlannedTask(function="announce_event", name=after.event_id, payload={"eventId": after.event_id})
    await _write(seen, after, batch, "event.published", announce)


async def cancel(seen: StoredEvent, after: Event) -> None:
    """Call the event off and close its sale: no booking can follow this commit, and a task gives every order back."""
    client = clients.firestore()
    batch = client.batch()
    if seen.event.status is EventStatus.PUBLISHED:
        for path in shard_paths(after):
            batch.update(client.document(path), {"open": False})
        batch.set(_live_availability(after.event_id), _live(_availability(after, {}, {}, after.updated_at)))
    give_back = PlannedTask(
        function="refund_event", name=f"{after.event_id}-0", payload={"eventId": after.event_id, "page": 0}
    )
    await _write(seen, after, batch, "event.cancelled", give_back)


async def change_tier(event_id: str, tier_id: str, patch: TierPatch, now: datetime) -> Event:
    """Change one tier, on sale or not. Its capacity and whether it is open change in the same commit as the event."""

    async def work(transaction: AsyncTransaction) -> Event:
        [fields] = await read(transaction, _event(event_id).path)
        before = Event.of(fields)
        after = rules.with_tier_changed(before, tier_id, patch, now)
        if after.status is EventStatus.PUBLISHED:
            after = await _with_inventory(transaction, before, after, tier_id)
            path, told = outbox.entry(now, None, refresh_of(event_id), *shown_elsewhere(after))
            transaction.create(clients.firestore().document(path), told)
        transaction.update(_event(event_id), after.document())
        return after

    try:
        return await in_transaction(work)
    finally:
        memory.forget(event_id)


async def _with_inventory(transaction: AsyncTransaction, before: Event, after: Event, tier_id: str) -> Event:
    """Bring the tier's shards up to it. Where neither capacity nor pause change, no seller is kept waiting."""
    [(old, new)] = [pair for pair in zip(before.tiers, after.tiers, strict=True) if pair[0].tier_id == tier_id]
    if (old.capacity, old.paused) == (new.capacity, new.paused):
        return after
    shards = await resize(transaction, after.event_id, tier_id, old.shards, new.capacity, is_open=not new.paused)
    resized = new.model_copy(update={"shards": shards})
    return after.model_copy(update={"tiers": tuple(resized if each is new else each for each in after.tiers)})


@lru_cache(maxsize=512)
def refresh_of(event_id: str) -> PlannedTask:
    """The task that brings the event's live availability document up to date, once a second at most."""
    return PlannedTask(function="refresh_availability", name=event_id, payload={"eventId": event_id}, once_every_s=1)


@lru_cache(maxsize=512)
def listing_of(event_id: str) -> PlannedTask:
    """The task that brings the event's listing, which feeds and searches read, up to date."""
    return PlannedTask(function="refresh_listing", name=event_id, payload={"eventId": event_id}, once_every_s=1)


def shown_elsewhere(after: Event) -> tuple[PlannedTask, ...]:
    """The tasks by which a change reaches those who show the event: its listing, and what a CDN keeps of it."""
    return (listing_of(after.event_id), *cdn.purges(event_tag(after.event_id), after.updated_at))


async def _write(
    seen: StoredEvent, after: Event, batch: AsyncWriteBatch, news: str | None = None, *tasks: PlannedTask
) -> None:
    from google.api_core.exceptions import AlreadyExists, FailedPrecondition

    client = clients.firestore()
    guard = client.write_option(last_update_time=seen.update_time)
    batch.update(_event(after.event_id), after.document(), option=guard)
    if after.status is not EventStatus.DRAFT:
        told = outbox.event(news, after.updated_at, eventId=after.event_id, orgId=after.org_id) if news else None
        update = update_rules.of_change(seen.event, after)
        if update is not None:
            path, fields, first_page = updates.entry(update)
            batch.create(client.document(path), fields)
            tasks = (*tasks, first_page)
        path, fields = outbox.entry(after.updated_at, told, *tasks, *shown_elsewhere(after))
        batch.create(client.document(path), fields)
    try:
        await batch.commit()
    except (AlreadyExists, FailedPrecondition):  # the other of two publications finds the shards, or the new time
        # The library repeats a commit that got no answer, and the repeat meets what the first one wrote.
        if await find(after.event_id) != after:
            raise rules.EventStateConflict("The event was changed by somebody else; read it again.") from None
    finally:
        memory.forget(after.event_id)


async def availability(of: Event, now: datetime) -> Availability:
    """How much of each tier can be held right now; one round trip for all shards, none when nothing is on sale."""
    left, taken = Counter[str](), Counter[str]()
    if rules.status_at(of, now) is EventStatus.PUBLISHED:
        client = clients.firestore()
        async for found in client.get_all([client.document(path) for path in shard_paths(of)]):
            item = shard(found.reference.path, found.to_dict() or {})
            left[item.tier_id] += item.on_sale
            taken[item.tier_id] += item.taken
    return _availability(of, left, taken, now)


def _availability(of: Event, left: Mapping[str, int], taken: Mapping[str, int], now: datetime) -> Availability:
    # Sold out is said of a sale only: what is called off, over or paused was not bought up.
    on_sale = rules.status_at(of, now) is EventStatus.PUBLISHED

    def seen(tier: StoredTier) -> TierAvailability:
        count = left.get(tier.tier_id, 0)
        return TierAvailability(
            tier_id=tier.tier_id,
            capacity=tier.capacity,
            available=count,
            sold_out=on_sale and not tier.paused and count == 0,
            paused=tier.paused,
            price=tier.price_at(now, taken.get(tier.tier_id, 0)),
        )

    return Availability(tiers=tuple(map(seen, of.tiers)), as_of=now)


def _live(seen: Availability) -> dict[str, Any]:
    return seen.model_dump(by_alias=True)


async def write_live_availability(event_id: str) -> None:
    """Bring the availability document that apps listen to up to date.

    What was read before somebody else wrote it may be older than theirs: it is read again, here or by the task's retry.
    """
    from google.api_core.exceptions import FailedPrecondition

    for attempt in range(1, LIVE_ATTEMPTS + 1):
        before = await _live_availability(event_id).get()
        found = await find(event_id)
        if not before.exists or found is None:  # never published
            return
        try:
            await _replace_live(before, await availability(found, clock.now()))
        except FailedPrecondition:
            if attempt == LIVE_ATTEMPTS:
                raise
            continue
        return


async def _replace_live(before: DocumentSnapshot, seen: Availability) -> None:
    """In the same commit the listing hears of selling out, and of having something left again."""
    from common.listings.store import say_available  # it builds on this file

    client = clients.firestore()
    batch = client.batch()
    batch.update(before.reference, _live(seen), option=client.write_option(last_update_time=before.update_time))
    event_id = before.reference.parent.parent.id
    await say_available(batch, event_id, available=any(tier.available for tier in seen.tiers))
    await batch.commit()


async def events_to_audit(now: datetime) -> AsyncIterator[str]:
    """The ids of the events with an inventory that is on sale or ended within a week."""
    from google.cloud.firestore import FieldFilter

    ended_after = FieldFilter("endsAt", ">", now - AUDITED_AFTER_END)
    query = clients.firestore().collection(EVENTS).where(filter=ended_after).select(["status"])
    async for snapshot in query.stream():
        if snapshot.get("status") != EventStatus.DRAFT:
            yield snapshot.id


async def ended_between(since: datetime, until: datetime) -> list[Event]:
    """The events whose end lies between these moments, both included, by their end."""
    from google.cloud.firestore import FieldFilter

    query = (
        clients.firestore()
        .collection(EVENTS)
        .where(filter=FieldFilter("endsAt", ">=", since))
        .where(filter=FieldFilter("endsAt", "<=", until))
        .order_by("endsAt")
    )
    return [Event.of(snapshot.to_dict()) async for snapshot in query.stream()]
