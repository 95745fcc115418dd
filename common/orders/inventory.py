"""Buyers who arrive while a commit is in flight share the next one; each keeps their own outcome.

One commit, no transaction: each shard's write carries the update_time last seen, each unit document must not
exist yet. The first guard keeps the count, the second makes the database refuse to sell a number twice.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import deque
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Final

from common import clients
from common.errors import Problem, TemporarilyUnavailable
from common.firestore_writes import create
from common.orders.shards import Shard, UnitsNotTaken, shard, shards_path, unit_path
from common.single_flight import SingleFlight
from common.tickets.schemas import UnitRef

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from google.cloud.firestore import AsyncClient, AsyncWriteBatch

MOST_WRITES: Final = 400
MOST_CHANGES: Final = 100
MOST_WAITING: Final = 2_000
# Beyond this many lost races in a row a batch is halved whatever the reason: it may hide a conflict of its own.
RACES_BEFORE_SPLIT: Final = 6
MOST_ATTEMPTS: Final = 30
MOST_UNANSWERED: Final = 3
COMMIT_TIMEOUT_S: Final = 10.0
EVENTS_KEPT: Final = 512
TAKEN_KNOWN_FOR_S: Final = 2.0


class SoldOut(Problem):
    status, code, title = 409, "sold_out", "Not enough tickets are left"


class SalesClosed(Problem):
    status, code, title = 409, "sales_closed", "This tier is not on sale now"


class Busy(TemporarilyUnavailable):
    code, title = "busy", "Too many buyers at this moment, try again"


class Refused(Exception):
    """A precondition of the change's own documents failed: nothing was written, the caller must look again."""


@dataclass(frozen=True)
class Change:
    """What one caller wants of an event's inventory, with the documents that must be written beside it.

    `takes` is tier to quantity, `gives` are units to return, `order_id` owns both. `write` adds the caller's own
    documents to the batch, knowing the units taken; their preconditions are the caller's. `writes` is how many it
    adds at most; `documents` are the paths of those that another change may write too, such as the order: Firestore
    refuses a commit that writes one twice.
    """

    order_id: str
    takes: Mapping[str, int]
    gives: tuple[UnitRef, ...]
    writes: int
    documents: frozenset[str]
    write: Callable[[AsyncWriteBatch, tuple[UnitRef, ...]], None]

    @property
    def weight(self) -> int:
        """The number of writes, shards aside."""
        return self.writes + sum(self.takes.values()) + len(self.gives)

    @property
    def tiers(self) -> set[str]:
        return set(self.takes) | {unit.tier_id for unit in self.gives}


@dataclass(eq=False)
class _Waiting:
    change: Change
    outcome: asyncio.Future[tuple[UnitRef, ...]]
    attempts: int = 0
    reclaimed: bool = False


@dataclass
class _Plan:
    """An allocation that is not committed yet."""

    shards: dict[str, Shard]
    touched: dict[str, Shard] = field(default_factory=dict)
    units: list[tuple[UnitRef, ...]] = field(default_factory=list)


class EventInventory:
    """The inventory of one event as one process sees it."""

    def __init__(self, client: AsyncClient, event_id: str, reclaim: Callable[[str], Awaitable[None]]) -> None:
        self._client = client
        self._event_id = event_id
        self._reclaim = reclaim
        self._tiers: dict[str, dict[str, Shard]] = {}
        self._home: dict[str, str] = {}
        self._loaded: dict[str, float] = {}
        self._loading = SingleFlight[None]()
        self._queue: deque[_Waiting] = deque()
        self._short: list[_Waiting] = []
        self._working: asyncio.Task[None] | None = None
        self._reclaiming: asyncio.Task[None] | None = None

    async def prepare(self, tier_ids: set[str]) -> None:
        """Read the shards of tiers that were never read: so a cold booking reads them beside the event."""
        unread = tier_ids - self._tiers.keys()
        if unread:
            await asyncio.gather(*(self._loading.do(tier_id, partial(self._load_tier, tier_id)) for tier_id in unread))

    async def taken(self, tier_id: str) -> int:
        """How many units of a tier are held or sold.

        What this process sold counts at once, what others did at most `TAKEN_KNOWN_FOR_S` late: whoever books within
        that time may still meet the price of a stock step that is over. The capacity has no such slack.
        """
        if time.monotonic() - self._loaded.get(tier_id, float("-inf")) > TAKEN_KNOWN_FOR_S:
            await self._loading.do(tier_id, partial(self._load_tier, tier_id))
        return sum(item.taken for item in self._tiers[tier_id].values())

    async def submit(self, change: Change) -> tuple[UnitRef, ...]:
        """Commit the change, together with others; the units it took.

        SoldOut, SalesClosed: nothing written. Refused: a document of the caller's own was not as expected.
        Busy, TemporarilyUnavailable: the outcome may be unknown, a repeat with the same ids is safe.
        """
        if len(self._queue) >= MOST_WAITING:
            raise Busy
        waiting = _Waiting(change, asyncio.get_running_loop().create_future())
        self._queue.append(waiting)
        self._wake()
        return await waiting.outcome

    def _wake(self) -> None:
        if self._working is None and self._queue:
            self._working = asyncio.ensure_future(self._work())
            self._working.add_done_callback(self._rest)

    def _rest(self, done: asyncio.Task[None]) -> None:
        self._working = None
        self._wake()

    async def _work(self) -> None:
        while self._queue:
            await self._commit_or_fail(self._next_group())

    def _next_group(self) -> list[_Waiting]:
        """Those who waited longest, as many as one commit takes; who writes a document of another's comes later."""
        group: list[_Waiting] = []
        later: list[_Waiting] = []
        weight, written = 0, set[str]()
        while self._queue and len(group) < MOST_CHANGES:
            waiting = self._queue.popleft()
            weight += waiting.change.weight
            if group and weight > MOST_WRITES:
                later.append(waiting)
                break
            if written & waiting.change.documents:
                later.append(waiting)
                continue
            written |= waiting.change.documents
            group.append(waiting)
        self._queue.extendleft(reversed(later))
        return group

    async def _commit_or_fail(self, group: list[_Waiting]) -> None:
        try:
            await self._commit(group)
        except Exception as failure:
            # Whatever went wrong, each waiting caller hears of it: none may hang.
            for waiting in group:
                if not waiting.outcome.done():
                    waiting.outcome.set_exception(failure)

    async def _commit(self, group: list[_Waiting]) -> None:
        from google.api_core import exceptions as failed

        group = [waiting for waiting in group if not waiting.outcome.done()]
        group, plan = await self._plan(group)
        if not group:
            return
        batch = self._client.batch()
        for path, after in plan.touched.items():
            seen = self._client.write_option(last_update_time=plan.shards[path].seen)
            fields = {"next": after.next, "returned": list(after.returned)}
            batch.update(self._client.document(path), fields, option=seen)
        for waiting, units in zip(group, plan.units, strict=True):
            self._write(batch, waiting.change, units)
        try:
            results = await batch.commit(timeout=COMMIT_TIMEOUT_S)
        except (
            failed.Aborted,
            failed.AlreadyExists,
            failed.FailedPrecondition,
            failed.NotFound,
            failed.DeadlineExceeded,
            failed.ServiceUnavailable,
            failed.InternalServerError,
            failed.Unknown,
        ) as rejected:
            await self._after_rejection(group, plan, rejected)
            return
        for (path, after), result in zip(plan.touched.items(), results, strict=False):
            self._tiers[after.tier_id][path] = replace(after, seen=result.update_time)
        for waiting, units in zip(group, plan.units, strict=True):
            waiting.outcome.set_result(units)

    def _write(self, batch: AsyncWriteBatch, change: Change, units: tuple[UnitRef, ...]) -> None:
        for unit in change.gives:
            exists = self._client.write_option(exists=True)
            batch.delete(self._client.document(unit_path(self._event_id, unit.tier_id, unit.number)), option=exists)
        for unit in units:
            document = self._client.document(unit_path(self._event_id, unit.tier_id, unit.number))
            create(batch, document, {"orderId": change.order_id, "state": "held"})
        change.write(batch, units)

    async def _after_rejection(self, group: list[_Waiting], plan: _Plan, rejected: Exception) -> None:
        """Find out whose fault it was: a shard moved on (try again) or a document of somebody's own (split).

        A commit that the database did not answer refuses nobody: what it did, if anything, the next attempt meets.
        """
        from google.api_core.exceptions import ServerError

        unanswered = isinstance(rejected, ServerError)
        await self._load({after.tier_id for after in plan.touched.values()})
        raced = False
        for path, before in plan.touched.items():
            now = self._tiers[before.tier_id].get(path)
            if now is None or now.seen != plan.shards[path].seen:
                raced = True
                self._leave(before.tier_id, path)
        for waiting in group:
            waiting.attempts += 1
        if raced and max(waiting.attempts for waiting in group) % RACES_BEFORE_SPLIT:
            self._queue.extendleft(reversed(group))
        elif len(group) > 1:
            middle = len(group) // 2
            await self._commit_or_fail(group[:middle])
            await self._commit_or_fail(group[middle:])
        elif group[0].attempts < (MOST_ATTEMPTS if raced else MOST_UNANSWERED if unanswered else 0):
            self._queue.appendleft(group[0])
        else:
            group[0].outcome.set_exception(Busy() if raced or unanswered else Refused(str(rejected)))

    def _leave(self, tier_id: str, path: str) -> None:
        """Another instance sells from this shard: move to one that is ours alone, if there is one."""
        others = [item.path for item in self._tiers[tier_id].values() if item.path != path and item.available]
        if self._home.get(tier_id) == path and others:
            self._home[tier_id] = random.choice(others)  # noqa: S311  # spreads load, guards nothing

    async def _plan(self, group: list[_Waiting]) -> tuple[list[_Waiting], _Plan]:
        """Allocate for as many as possible; those who find nothing wait for expired holds, once, or hear so."""
        tiers = set().union(*(waiting.change.tiers for waiting in group)) if group else set()
        await self.prepare(tiers)
        allocated, plan, short = self._allocate(group)
        if short:
            await self._load(set().union(*(waiting.change.tiers for waiting in short)))
            allocated, plan, short = self._allocate(group)
        # Units that others of this group take may yet be refused to them: who is short only for their sake waits.
        deferred = [waiting for waiting in short if allocated and self._take(waiting.change, plan.shards)]
        self._queue.extendleft(reversed(deferred))
        for waiting in short:
            if waiting not in deferred:
                self._turn_away(waiting)
        return allocated, plan

    def _turn_away(self, waiting: _Waiting) -> None:
        wanted = waiting.change.takes
        closed = [tier_id for tier_id in wanted if not any(item.open for item in self._tiers[tier_id].values())]
        if not wanted:
            waiting.outcome.set_exception(Refused("the units were given back before"))
        elif closed:
            waiting.outcome.set_exception(SalesClosed(tierId=closed[0]))
        elif waiting.reclaimed:
            left = {tier_id: sum(item.available for item in self._tiers[tier_id].values()) for tier_id in wanted}
            missing = next(tier_id for tier_id in wanted if left[tier_id] < wanted[tier_id])
            waiting.outcome.set_exception(SoldOut(tierId=missing, available=left[missing]))
        else:
            self._short.append(waiting)
            if self._reclaiming is None:
                self._reclaiming = asyncio.ensure_future(self._reclaim_for_short())

    async def _reclaim_for_short(self) -> None:
        """Release the expired holds of this event, then let those who found nothing try once more."""
        failure: Exception | None = None
        served, self._short = self._short, []
        try:
            await self._reclaim(self._event_id)
        except Exception as failed:
            failure = failed
        self._reclaiming = None
        for waiting in served:
            if failure is not None:
                waiting.outcome.set_exception(failure)
            elif not waiting.outcome.done():
                waiting.reclaimed = True
                self._queue.append(waiting)
        if self._short:
            self._reclaiming = asyncio.ensure_future(self._reclaim_for_short())
        self._wake()

    def _allocate(self, group: list[_Waiting]) -> tuple[list[_Waiting], _Plan, list[_Waiting]]:
        shards = {path: item for tier in self._tiers.values() for path, item in tier.items()}
        plan = _Plan(shards)
        served: list[_Waiting] = []
        short: list[_Waiting] = []
        for waiting in group:
            took = self._take(waiting.change, shards | plan.touched)
            if took is None:
                short.append(waiting)
                continue
            units, touched = took
            plan.touched.update(touched)
            plan.units.append(units)
            served.append(waiting)
        return served, plan, short

    def _take(self, change: Change, shards: dict[str, Shard]) -> tuple[tuple[UnitRef, ...], dict[str, Shard]] | None:
        """All units or none, from the home shard first; with the shards as they are after it."""
        touched: dict[str, Shard] = {}
        units: list[UnitRef] = []
        for unit in change.gives:
            path = self._shard_of(unit)
            if path is None:  # the view is older than the shard, which came with a raised capacity
                return None
            try:
                touched[path] = touched.get(path, shards[path]).give((unit.number,))
            except UnitsNotTaken:  # the view is older than the unit's sale, or the unit is back already
                return None
        for tier_id, quantity in change.takes.items():
            missing = quantity
            for path in self._in_order(tier_id):
                current = touched.get(path, shards[path])
                if not missing or not current.open or not current.available:
                    continue
                numbers, touched[path] = current.take(missing)
                units += [UnitRef(tier_id=tier_id, number=number) for number in numbers]
                missing -= len(numbers)
                self._home[tier_id] = path
            if missing:
                return None
        return tuple(units), touched

    def _shard_of(self, unit: UnitRef) -> str | None:
        within = (
            item.path
            for item in self._tiers[unit.tier_id].values()
            if item.first <= unit.number < item.first + item.size
        )
        return next(within, None)

    def _in_order(self, tier_id: str) -> list[str]:
        """The home shard, then the others: an instance stays with one until it is empty."""
        paths = list(self._tiers[tier_id])
        if not paths:
            return []
        home = self._home.setdefault(tier_id, random.choice(paths))  # noqa: S311  # spreads load, guards nothing
        start = paths.index(home)
        return paths[start:] + paths[:start]

    async def _load(self, tier_ids: set[str]) -> None:
        await asyncio.gather(*(self._load_tier(tier_id) for tier_id in tier_ids))

    async def _load_tier(self, tier_id: str) -> None:
        asked = time.monotonic()
        snapshots = await self._client.collection(shards_path(self._event_id, tier_id)).get()
        self._tiers[tier_id] = {
            snapshot.reference.path: shard(snapshot.reference.path, snapshot.to_dict() or {}, snapshot.update_time)
            for snapshot in snapshots
        }
        self._loaded[tier_id] = asked


@lru_cache(maxsize=EVENTS_KEPT)
def _inventory(client: AsyncClient, event_id: str, reclaim: Callable[[str], Awaitable[None]]) -> EventInventory:
    return EventInventory(client, event_id, reclaim)


def inventory(event_id: str, reclaim: Callable[[str], Awaitable[None]]) -> EventInventory:
    """This process's inventory of the event; `reclaim` releases the event's expired holds."""
    return _inventory(clients.firestore(), event_id, reclaim)
