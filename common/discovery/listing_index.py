"""Every listed event in this process's memory, as SQLite tables that are at most two seconds behind Firestore."""

from __future__ import annotations

import sqlite3
import time
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakKeyDictionary

from common import clients, clock
from common.catalogue.genres import with_ancestors
from common.discovery.listings import LISTINGS
from common.discovery.schemas import Listing
from common.single_flight import SingleFlight
from common.text import fold

if TYPE_CHECKING:
    from collections.abc import Iterable

    from google.cloud.firestore import AsyncClient

FRESH_FOR_S: Final = 2.0
# A commit's time stamp is set a moment before others can read it: each look reaches back over the last one.
OVERLAP: Final = timedelta(seconds=10)
BEFORE_ALL: Final = datetime(2020, 1, 1, tzinfo=UTC)
PAGE: Final = 1_000
# Moments are whole seconds since 1970. `genres` holds the ancestors of an event's genres too.
SCHEMA: Final = """
CREATE TABLE listings (
    id INTEGER PRIMARY KEY, event_id TEXT NOT NULL UNIQUE, changed_at REAL NOT NULL, city TEXT NOT NULL,
    org_id TEXT NOT NULL, venue_id TEXT NOT NULL, tour_id TEXT, timezone TEXT NOT NULL,
    starts_at INTEGER NOT NULL, ends_at INTEGER NOT NULL, published_at INTEGER NOT NULL,
    price INTEGER NOT NULL, next_price_at INTEGER, currency TEXT NOT NULL, age INTEGER NOT NULL,
    available INTEGER NOT NULL, popularity INTEGER NOT NULL, trending REAL NOT NULL,
    latitude REAL NOT NULL, longitude REAL NOT NULL, document TEXT NOT NULL
);
CREATE INDEX by_city_start ON listings (city, starts_at);
CREATE INDEX by_start ON listings (starts_at);
CREATE INDEX by_end ON listings (ends_at);
CREATE INDEX by_city_trending ON listings (city, trending DESC, starts_at, event_id);
CREATE INDEX by_organization ON listings (org_id);
CREATE INDEX by_venue ON listings (venue_id, starts_at);
CREATE INDEX by_timezone ON listings (timezone);
CREATE INDEX by_trending ON listings (trending DESC, starts_at, event_id);
CREATE INDEX by_popularity ON listings (popularity DESC, starts_at, event_id);
CREATE INDEX by_city_popularity ON listings (city, popularity DESC, starts_at, event_id);
CREATE INDEX by_price ON listings (currency, price, starts_at, event_id);
CREATE INDEX by_city_price ON listings (city, currency, price, starts_at, event_id);
CREATE INDEX by_published ON listings (published_at DESC);
CREATE INDEX by_city_published ON listings (city, published_at DESC);
-- Every column that the feed filters by: it looks through these, and never at the rows, whose documents lie between.
CREATE INDEX feed_by_city ON listings (city, starts_at, event_id, timezone, latitude, longitude,
    ends_at, published_at, price, currency, age, available, popularity, trending);
CREATE INDEX feed_by_start ON listings (starts_at, event_id, timezone, latitude, longitude, city,
    ends_at, published_at, price, currency, age, available, popularity, trending);
CREATE INDEX feed_by_place ON listings (latitude, longitude, starts_at, event_id, timezone, city,
    ends_at, published_at, price, currency, age, available, popularity, trending);
CREATE INDEX by_next_price ON listings (next_price_at) WHERE next_price_at IS NOT NULL;
CREATE TABLE genres (genre TEXT NOT NULL, id INTEGER NOT NULL, PRIMARY KEY (genre, id)) WITHOUT ROWID;
CREATE INDEX genres_of ON genres (id);
CREATE TABLE artists (artist_id TEXT NOT NULL, id INTEGER NOT NULL, PRIMARY KEY (artist_id, id)) WITHOUT ROWID;
CREATE INDEX artists_of ON artists (id);
"""
INSERT: Final = """
INSERT INTO listings (event_id, changed_at, city, org_id, venue_id, tour_id, timezone, starts_at, ends_at, published_at,
                      price, next_price_at, currency, age, available, popularity, trending, latitude, longitude, document)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
_indexes: WeakKeyDictionary[AsyncClient, ListingIndex] = WeakKeyDictionary()
_refreshing = SingleFlight["None"]()


class ListingIndex:
    """The tables of `SCHEMA` in `db`, and the moment up to which they are complete."""

    def __init__(self) -> None:
        self.db = sqlite3.connect(":memory:", check_same_thread=False, isolation_level=None)
        self.db.executescript(SCHEMA)
        self.complete_to = BEFORE_ALL
        self.looked_at = float("-inf")

    def apply(self, changed: Iterable[tuple[Listing, datetime]], now: datetime) -> None:
        """Take over listings as they were at their changes; what is known as new already is skipped."""
        with self._commit():
            for listing, changed_at in changed:
                stamp = changed_at.timestamp()
                known = self.db.execute(
                    "SELECT id, changed_at FROM listings WHERE event_id = ?", (listing.event_id,)
                ).fetchone()
                if known and known[1] >= stamp:
                    continue
                if known:
                    self._remove(known[0])
                if listing.listed and listing.ends_at > now:
                    self._insert(listing, stamp, now)
            self._reprice(now)

    def _commit(self) -> _Transaction:
        return _Transaction(self.db)

    def _insert(self, listing: Listing, stamp: float, now: datetime) -> None:
        next_price_at = next((price.until for price in listing.min_prices if now < price.until), None)
        interest = listing.interest
        values = (
            listing.event_id,
            stamp,
            fold(listing.venue.city),
            listing.org_id,
            listing.venue_id,
            listing.tour_id,
            listing.timezone,
            int(listing.starts_at.timestamp()),
            int(listing.ends_at.timestamp()),
            int(listing.published_at.timestamp()),
            listing.lowest_price_minor(now),
            int(next_price_at.timestamp()) if next_price_at else None,
            listing.currency,
            listing.age_restriction,
            listing.available,
            listing.attendees + interest.going + interest.interested + interest.liked,
            listing.trending,
            listing.venue.latitude,
            listing.venue.longitude,
            listing.model_dump_json(by_alias=True),
        )
        row = self.db.execute(INSERT, values).lastrowid
        genres = {each for genre in listing.genres for each in with_ancestors(genre)}
        self.db.executemany("INSERT INTO genres VALUES (?, ?)", [(genre, row) for genre in genres])
        self.db.executemany("INSERT INTO artists VALUES (?, ?)", [(each, row) for each in set(listing.artist_ids)])

    def _remove(self, row: int) -> None:
        for table in ("listings", "genres", "artists"):
            self.db.execute(f"DELETE FROM {table} WHERE id = ?", (row,))  # noqa: S608  # three names of our own

    def _reprice(self, now: datetime) -> None:
        """Early-bird prices end by the clock, without anybody writing it."""
        due = "SELECT id, document FROM listings WHERE next_price_at <= ?"
        for row, document in self.db.execute(due, (int(now.timestamp()),)).fetchall():
            listing = Listing.model_validate_json(document)
            following = next((price.until for price in listing.min_prices if now < price.until), None)
            self.db.execute(
                "UPDATE listings SET price = ?, next_price_at = ? WHERE id = ?",
                (listing.lowest_price_minor(now), following and int(following.timestamp()), row),
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
    if index is None:
        index = _indexes[client] = ListingIndex()
    if time.monotonic() - index.looked_at > FRESH_FOR_S:
        await _refreshing.do((client, "listings"), partial(_refresh, index))
    return index


async def _refresh(index: ListingIndex) -> None:
    """Ask for what was written since the last look, and a little before."""
    from google.cloud.firestore import FieldFilter

    looked_at = time.monotonic()
    complete_to = index.complete_to
    query = (
        clients.firestore()
        .collection(LISTINGS)
        .where(filter=FieldFilter("changedAt", ">", index.complete_to - OVERLAP))
        .order_by("changedAt")
        .limit(PAGE)
    )
    while found := await query.get():
        index.apply([_changed(each.to_dict() or {}) for each in found], clock.now())
        complete_to = found[-1].get("changedAt")
        if len(found) < PAGE:
            break
        query = query.start_after(found[-1])
    index.complete_to = max(index.complete_to, complete_to)
    index.looked_at = looked_at


def _changed(fields: dict[str, Any]) -> tuple[Listing, datetime]:
    return Listing.of(fields), fields["changedAt"]
