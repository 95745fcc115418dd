"""Buyers who arrive while a commit is in flight share the next one; each keeps their own outcome.

One commit, no transaction: each shard's write carries the update_time last seen, each unit document must not
exist yet. The first guard keeps the count, the second makes the database refuse to sell a number twice.
The numbers below were chosen by `python -m bench.sweep`; docs/decisions/0007-hot-on-sale.md has the measurements.
"""

from __future__ import annotations

import asyncio
import random
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Final

from common import clients
from common.errors import Problem, TemporarilyUnavailable
from common.orders.allocation import Allocation, allocate, closed_tier, missing_tier, take
from common.orders.known_shards import KnownShards
from common.orders.shards import unit_path
from common.orders.unit_search import UnitSearch
from common.orders.waiting_line import Pace, Waiting, WaitingLine

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence

    from google.cloud.firestore import AsyncClient, AsyncWriteBatch

    from common.orders.known_shards import View
    from common.tickets.schemas import UnitRef

# A second commit starts beside the first one once this share of a full one waits: sooner it would only be smaller.
MOST_IN_FLIGHT: Final = 2
ENOUGH_WAITING: Final = 0.25
# A commit of all tiers would leave none to a second one beside it.
MOST_TIERS: Final = 10
# Whoever would wait longer than this, at the pace of the last commits, is refused at once.
MOST_WAIT_S: Final = 4.0
MOST_WAITING: Final = 2_000
# Beyond this many lost races in a row a batch is halved whatever the reason: it may hide a conflict of its own.
RACES_BEFORE_SPLIT: Final = 6
MOST_ATTEMPTS: Final = 30
MOST_UNANSWERED: Final = 3
LONGEST_PAUSE_S: Final = 0.2
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


class EventInventory:
    """The inventory of one event as one process sees it."""

    def __init__(self, client: AsyncClient, event_id: str, reclaim: Callable[[str], Awaitable[None]]) -> None:
        self._client = client
        self._event_id = event_id
        self._shards = KnownShards(client, event_id)
        self._line = WaitingLine()
        self._serving: set[asyncio.Task[bool]] = set()
        # Paths that a commit in flight writes: shards, and the documents of those it serves.
        self._in_flight: set[str] = set()
        self._pace = Pace()
        self._search = UnitSearch(self._shards, partial(reclaim, event_id), self._serve_again)

    async def prepare(self, tier_ids: set[str]) -> None:
        """For a booking that reads the event anew: beside it read the shards of tiers that were never read.

        What is remembered as sold out is looked at again too: the event may have been read because it was changed.
        """
        self._search.forget()
        await self._shards.prepare(tier_ids)

    async def taken(self, tier_id: str) -> int:
        """How many units of a tier are held or sold.

        What this process sold counts at once, what others did at most `TAKEN_KNOWN_FOR_S` late: whoever books within
        that time may still meet the price of a stock step that is over. The capacity has no such slack.
        """
        await self._shards.refresh(tier_id, TAKEN_KNOWN_FOR_S)
        return sum(item.taken for item in self._shards.of(tier_id))

    async def submit(self, change: Change) -> tuple[UnitRef, ...]:
        """Commit the change, together with others; the units it took.

        SoldOut, SalesClosed: nothing written. Refused: a document of the caller's own was not as expected.
        Busy, TemporarilyUnavailable: the outcome may be unknown, a repeat with the same ids is safe.
        """
        wait_s = self._line.commits * self._pace.seconds / MOST_IN_FLIGHT
        if wait_s > MOST_WAIT_S or len(self._line) + len(self._search) >= MOST_WAITING:
            raise Busy
        waiting = Waiting(change, asyncio.get_running_loop().create_future())
        self._line.add(waiting)
        self._start()
        return await waiting.outcome

    def _start(self) -> None:
        """While anybody waits a commit is in flight; one more as soon as enough wait to be worth it."""
        enough = ENOUGH_WAITING if self._serving else 0
        if self._line and len(self._serving) < MOST_IN_FLIGHT and self._line.commits >= enough:
            task = asyncio.ensure_future(self._serve_next())
            self._serving.add(task)
            task.add_done_callback(self._served)

    def _serve_again(self, group: Sequence[Waiting]) -> None:
        self._line.put_back(group)
        self._start()

    def _served(self, done: asyncio.Task[bool]) -> None:
        self._serving.discard(done)
        if not done.cancelled() and done.result():
            self._start()

    async def _serve_next(self) -> bool:
        """Serve those who waited longest. False if all who wait must wait for a commit that is in flight."""
        taken = self._in_flight | self._shards.without_free_units(self._in_flight)
        group = self._line.next_group(taken, MOST_TIERS)
        await self._serve(group)
        return bool(group)

    async def _serve(self, group: list[Waiting]) -> None:
        try:
            await self._commit(group)
        except Exception as failure:
            # Whatever went wrong, each waiting caller hears of it: none may hang.
            for waiting in group:
                waiting.refuse(failure)

    async def _commit(self, group: list[Waiting]) -> None:
        plan, later = await self._plan(group)
        if plan.served:
            with self._writing(plan):
                rejected = await self._write_all(plan)
            if rejected is not None:
                await self._after_rejection(plan, rejected)
        elif later:
            # What they need is being written by another commit: its end tells.
            await asyncio.wait(self._serving - {asyncio.current_task()}, return_when=asyncio.FIRST_COMPLETED)
        self._line.put_back(later)

    async def _plan(self, group: list[Waiting]) -> tuple[Allocation, list[Waiting]]:
        """Units for as many as possible, and who must wait for others' outcome; the rest is turned away."""
        tiers = set().union(*(waiting.change.tiers for waiting in group))
        await self._shards.prepare(tiers)
        plan = self._allocate(group, tiers)
        known = self._shards.view(tiers)
        # Expired holds are no reason why these cannot be, an old view may be one.
        doubtful = [each for each in plan.short if each.change.gives or closed_tier(each.change, known)]
        if doubtful:
            await self._shards.reload(set().union(*(waiting.change.tiers for waiting in doubtful)))
            plan, known = self._allocate(group, tiers), self._shards.view(tiers)
        # Units that commits in flight, this one too, are to take may yet be refused to them: who is short only for
        # their sake waits.
        later = [waiting for waiting in plan.short if take(waiting.change, known) is not None]
        for waiting in plan.short:
            if waiting not in later:
                self._turn_away(waiting, known)
        return plan, later

    def _allocate(self, group: list[Waiting], tiers: set[str]) -> Allocation:
        return allocate(group, self._shards.view(tiers, without=self._in_flight))

    @contextmanager
    def _writing(self, plan: Allocation) -> Iterator[None]:
        """Nobody else touches what this commit writes: a second commit could only fail."""
        paths = set(plan.after).union(*(waiting.change.documents for waiting in plan.group))
        self._in_flight |= paths
        try:
            yield
        finally:
            self._in_flight -= paths

    async def _write_all(self, plan: Allocation) -> Exception | None:
        """Commit the plan and tell everybody, or say why it was rejected."""
        from common.firestore_writes import PlainBatch

        batch, written = PlainBatch(self._client), sorted(plan.after.items())
        try:
            # In one order everywhere: commits that meet wait for each other, not in a circle.
            for path, after in written:
                seen = self._client.write_option(last_update_time=plan.before[path].seen)
                fields = {"next": after.next, "returned": list(after.returned)}
                batch.update(self._client.document(path), fields, option=seen)
            for waiting, units in plan.served:
                self._write(batch, waiting.change, units)
            with self._pace.one_more():
                results = await batch.commit(timeout=COMMIT_TIMEOUT_S)
        except Exception as rejected:
            return rejected
        for (_, after), result in zip(written, results, strict=False):
            self._shards.wrote(after, result.update_time)
        for waiting, units in plan.served:
            waiting.answer(units)
        return None

    def _write(self, batch: AsyncWriteBatch, change: Change, units: tuple[UnitRef, ...]) -> None:
        for unit in change.gives:
            exists = self._client.write_option(exists=True)
            batch.delete(self._client.document(unit_path(self._event_id, unit.tier_id, unit.number)), option=exists)
        for unit in units:
            document = self._client.document(unit_path(self._event_id, unit.tier_id, unit.number))
            batch.create(document, {"orderId": change.order_id, "state": "held"})
        change.write(batch, units)

    async def _after_rejection(self, plan: Allocation, rejected: Exception) -> None:
        """Find out whose fault it was: a shard moved on (try again) or a document of somebody's own (split).

        A commit that the database did not answer refuses nobody: what it did, if anything, the next attempt meets.
        """
        from google.api_core import exceptions as failed

        group = plan.group
        unanswered = isinstance(rejected, (failed.ServerError, failed.RetryError, failed.ResourceExhausted))
        await self._shards.look_at(plan.before.values())
        moved_on = [before for before in plan.before.values() if self._shards.moved_on(before)]
        raced = bool(moved_on) or isinstance(rejected, failed.Aborted)
        for waiting in group:
            waiting.attempts += 1
        attempts = max(waiting.attempts for waiting in group)
        if raced and attempts > 1:  # moving on did not help: those who contend for the same must not meet again
            longest_s = min(self._pace.seconds * attempts, LONGEST_PAUSE_S)
            await asyncio.sleep(random.uniform(0, longest_s))  # noqa: S311  # only jitter
        if unanswered and attempts < MOST_UNANSWERED:
            self._line.put_back(group)
        elif unanswered or (raced and attempts >= MOST_ATTEMPTS):
            for waiting in group:
                waiting.refuse(Busy())
        elif raced and attempts % RACES_BEFORE_SPLIT:
            self._line.put_back(group)
        elif len(group) > 1:
            middle = len(group) // 2
            await self._serve(group[:middle])
            await self._serve(group[middle:])
        elif raced:
            self._line.put_back(group)
        else:
            own = isinstance(rejected, (failed.Conflict, failed.FailedPrecondition, failed.NotFound))
            group[0].refuse(Refused(str(rejected)) if own else rejected)

    def _turn_away(self, waiting: Waiting, known: View) -> None:
        change = waiting.change
        closed = closed_tier(change, known)
        if not change.takes:
            waiting.refuse(Refused("the units were given back before"))
        elif closed is not None:
            waiting.refuse(SalesClosed(tierId=closed))
        elif self._search.is_over(waiting):
            tier_id, left = missing_tier(change, known)
            waiting.refuse(SoldOut(tierId=tier_id, available=left))
        else:
            self._search.join(waiting)


@lru_cache(maxsize=EVENTS_KEPT)
def _inventory(client: AsyncClient, event_id: str, reclaim: Callable[[str], Awaitable[None]]) -> EventInventory:
    return EventInventory(client, event_id, reclaim)


def inventory(event_id: str, reclaim: Callable[[str], Awaitable[None]]) -> EventInventory:
    """This process's inventory of the event; `reclaim` releases the event's expired holds."""
    return _inventory(clients.firestore(), event_id, reclaim)
