"""Every listed event in this process's memory, as SQLite tables that are at most two seconds behind Firestore."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar
from weakref import WeakKeyDictionary

from common import clients, clock, log
from common.listings import snapshots as index_snapshots
from common.listings import tables as listing_tables
from common.listings.schemas import Listing
from common.listings.store import LISTINGS
from common.listings.tables import SCHEMA
from common.single_flight import SingleFlight

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from google.cloud.firestore import AsyncClient, DocumentSnapshot

    from common.listings.snapshots import Snapshot

AnswerT = TypeVar("AnswerT")
Change = tuple[Listing, datetime]
FRESH_FOR_S: Final = 2.0
# A commit's time stamp is set a moment before others can read it: each look reaches back over the last one.
OVERLAP: Final = timedelta(seconds=10)
BEFORE_ALL: Final = datetime(2020, 1, 1, tzinfo=UTC)
PAGE: Final = 1_000
# So many changes are taken over in one turn of the event loop, a few tenths of a millisecond each.
AT_ONCE: Final = 50
# A process that lives longer starts afresh from a snapshot, which heals whatever its copy may have missed.
LIVES_S: Final = 24 * 3600.0
_indexes: WeakKeyDictionary[AsyncClient, ListingIndex] = WeakKeyDictionary()
_refreshing = SingleFlight["ListingIndex"]()


class ListingIndex:
    """The tables of `SCHEMA` in `db`, and the moment up to which they are complete.

    All changes are made on the event loop, each in one go: whoever asks `db` there meets whole changes only. What may
    take longer than a few milliseconds goes through `ask`, in another thread, and changes wait for its end.
    """

    def __init__(self, snapshot: Snapshot | None = None) -> None:
        self.db = sqlite3.connect(":memory:", check_same_thread=False, isolation_level=None)
        # Here and never again: SQLite refuses to replace a function while any statement of the connection is at work.
        self.db.create_function("distance_km", 4, listing_tables.distance_between, deterministic=True)
        if snapshot is None:
            self.db.executescript(SCHEMA)
        else:
            self.db.deserialize(snapshot.image)
        self.generation = snapshot.generation if snapshot else None
        self.complete_to = snapshot.complete_to if snapshot else BEFORE_ALL
        # The newest change in it, and how many times it changed here.
        self.changed_to = snapshot.changed_to if snapshot else BEFORE_ALL
        self.version = 0
        self.loaded_at = time.monotonic()
        self.looked_at = float("-inf")
        self._lock = threading.Lock()

    async def ask(self, question: Callable[[sqlite3.Connection], AnswerT]) -> AnswerT:
        """The answer of the tables as they are at one moment, found beside the event loop."""
        return await asyncio.to_thread(self._locked, question)

    def _locked(self, question: Callable[[sqlite3.Connection], AnswerT]) -> AnswerT:
        with self._lock:
            return question(self.db)

    async def image(self) -> tuple[bytes, datetime, datetime]:
        """All tables as bytes, up to when they are complete, and their newest change."""

        def copy(db: sqlite3.Connection) -> tuple[bytes, datetime, datetime]:
            return db.serialize(), self.complete_to, self.changed_to

        return await self.ask(copy)

    def apply(self, changed: Iterable[Change], now: datetime) -> None:
        """Take over listings as they were at their changes; what is known as new already is skipped."""
        with self._lock, _Transaction(self.db):
            for listing, changed_at in changed:
                self._take_over(listing, changed_at, now)
            self._drop_ended(now)
            self._reprice(now)

    def _take_over(self, listing: Listing, changed_at: datetime, now: datetime) -> None:
        stamp = changed_at.timestamp()
        known = self.db.execute(
            "SELECT id, changed_at, document FROM listings WHERE event_id = ?", (listing.event_id,)
        ).fetchone()
        if known and known[1] >= stamp:
            return
        shown = listing.listed and listing.ends_at > now
        if known and shown and listing_tables.says_the_same(listing, Listing.model_validate_json(known[2])):
            listing_tables.update(self.db, known[0], listing, stamp, now)
        else:
            if known:
                listing_tables.remove(self.db, known[0])
            if shown:
                listing_tables.insert(self.db, listing, stamp, now)
            if known:
                listing_tables.remove_idle(self.db)
        self.changed_to = max(self.changed_to, changed_at)
        self.version += bool(known or shown)

    def _drop_ended(self, now: datetime) -> None:
        ended = self.db.execute("SELECT id FROM facts WHERE ends_at <= ?", (int(now.timestamp()),)).fetchall()
        for (row,) in ended:
            listing_tables.remove(self.db, row)
        if ended:
            listing_tables.remove_idle(self.db)
            self.version += 1

    def _reprice(self, now: datetime) -> None:
        """Early-bird prices end by the clock, without anybody writing it."""
        due = "SELECT id, document FROM listings WHERE next_price_at <= ?"
        for row, document in self.db.execute(due, (int(now.timestamp()),)).fetchall():
            listing = Listing.model_validate_json(document)
            self.db.execute(
                "UPDATE facts SET price = ?, next_price_at = ? WHERE id = ?",
                (listing.lowest_price_minor(now), listing_tables.next_price_at(listing, now), row),
            )


class _Transaction:
    """BEGIN … COMMIT around a change of many rows: without it SQLite commits each."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def __enter__(self) -> None:
        self._db.execute("BEGIN")

    def __exit__(self, kind: object, *_: object) -> None:
        self._db.execute("COMMIT" if kind is None else "ROLLBACK")


async def current() -> ListingIndex:
    """The index of this process, which misses nothing that was written more than `FRESH_FOR_S` ago."""
    client = clients.firestore()
    index = _indexes.get(client)
    if index is None or time.monotonic() - index.looked_at > FRESH_FOR_S:
        return await _refreshing.do(client, partial(_refreshed, client))
    return index


async def _refreshed(client: AsyncClient) -> ListingIndex:
    index = _indexes.get(client)
    if index is None or time.monotonic() - index.loaded_at > LIVES_S:
        index = await _loaded()
    await _catch_up(index)
    _indexes[client] = index
    return index


async def _loaded() -> ListingIndex:
    """A new copy: the last snapshot where there is one that fits, else every listing."""
    snapshot = await index_snapshots.load()
    if snapshot is not None:
        return await asyncio.to_thread(ListingIndex, snapshot)
    return await rebuilt()


async def renewed() -> ListingIndex:
    """The index of this process, made anew from the listings themselves."""
    _indexes[clients.firestore()] = await rebuilt()
    return await current()


async def rebuilt() -> ListingIndex:
    """A copy made from every listing that is not over. Nobody reads it yet, so it is filled beside the event loop."""
    from google.cloud.firestore import FieldFilter

    began, now, index = time.monotonic(), clock.now(), ListingIndex()
    listings = clients.firestore().collection(LISTINGS)
    # First of all: what is written while the listings are read is asked for afterwards.
    if newest := await listings.order_by("changedAt", direction="DESCENDING").limit(1).get():
        index.complete_to = newest[0].get("changedAt")
    query = listings.where(filter=FieldFilter("endsAt", ">", now)).order_by("endsAt").limit(PAGE)
    count = 0
    while found := await query.get():
        await asyncio.to_thread(lambda page: index.apply(_changes(page), now), found)
        count += len(found)
        if len(found) < PAGE:
            break
        query = query.start_after(found[-1])
    log.info("listing index rebuilt", listings=count, seconds=round(time.monotonic() - began, 3))
    return index


async def _catch_up(index: ListingIndex) -> None:
    """Ask for what was written since the last look, and a little before."""
    from google.cloud.firestore import FieldFilter

    looked_at = time.monotonic()
    query = (
        clients.firestore()
        .collection(LISTINGS)
        .where(filter=FieldFilter("changedAt", ">", index.complete_to - OVERLAP))
        .order_by("changedAt")
        .limit(PAGE)
    )
    complete_to = index.complete_to
    index.apply([], clock.now())
    while found := await query.get():
        for first in range(0, len(found), AT_ONCE):
            index.apply(_changes(found[first : first + AT_ONCE]), clock.now())
            await asyncio.sleep(0)
        if len(found) < PAGE:
            # By the database's clock nothing else was there when it answered: next time it is not asked for again.
            complete_to = max(complete_to, _read_at(found[-1]))
            break
        complete_to = found[-1].get("changedAt")
        query = query.start_after(found[-1])
    index.complete_to = max(index.complete_to, complete_to)
    index.looked_at = looked_at


def _changes(found: Sequence[DocumentSnapshot]) -> list[Change]:
    return [_change(each.to_dict() or {}) for each in found]


def _change(fields: dict[str, Any]) -> Change:
    return Listing.of(fields), fields["changedAt"]


def _read_at(found: DocumentSnapshot) -> datetime:
    read_at: datetime = found.read_time
    return read_at
