"""The SQLite tables of all listed events: their columns, their words, and who plays where."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, Final

from common.catalogue import genres
from common.geo import Point, distance_km
from common.ids import fingerprint
from common.text import fold

if TYPE_CHECKING:
    import sqlite3
    from datetime import datetime

    from common.listings.schemas import Listing

# `listings` is for reading: all columns and the listing itself as JSON. The documents are apart, so that a search reads
# through narrow rows; who does not ask for `document` does not pay for it. Moments are whole seconds since 1970.
# `genres` holds the ancestors of an event's genres too. `standing` grows by one each time what happened around the
# event doubles, so that ranks are steady while people page. The texts are folded words alone, which no query language
# can be hidden in; where a word stands within a column of `texts` is not kept, nor how long the columns are.
SCHEMA: Final = """
CREATE TABLE facts (
    id INTEGER PRIMARY KEY, event_id TEXT NOT NULL UNIQUE, changed_at REAL NOT NULL, city TEXT NOT NULL,
    org_id TEXT NOT NULL, venue_id TEXT NOT NULL, tour_id TEXT, timezone TEXT NOT NULL,
    starts_at INTEGER NOT NULL, ends_at INTEGER NOT NULL, published_at INTEGER NOT NULL,
    price INTEGER NOT NULL, next_price_at INTEGER, currency TEXT NOT NULL, age INTEGER NOT NULL,
    available INTEGER NOT NULL, popularity INTEGER NOT NULL, trending REAL NOT NULL, standing INTEGER NOT NULL,
    latitude REAL NOT NULL, longitude REAL NOT NULL
);
CREATE TABLE documents (id INTEGER PRIMARY KEY, document TEXT NOT NULL);
CREATE VIEW listings AS SELECT facts.*, documents.document FROM facts LEFT JOIN documents ON documents.id = facts.id;
CREATE INDEX by_city_start ON facts (city, starts_at);
CREATE INDEX by_start ON facts (starts_at);
CREATE INDEX by_end ON facts (ends_at);
CREATE INDEX by_city_trending ON facts (city, trending DESC, starts_at, event_id);
CREATE INDEX by_organization ON facts (org_id);
CREATE INDEX by_venue ON facts (venue_id, starts_at);
CREATE INDEX by_tour ON facts (tour_id) WHERE tour_id IS NOT NULL;
CREATE INDEX by_timezone ON facts (timezone);
CREATE INDEX by_trending ON facts (trending DESC, starts_at, event_id);
CREATE INDEX by_popularity ON facts (popularity DESC, starts_at, event_id);
CREATE INDEX by_city_popularity ON facts (city, popularity DESC, starts_at, event_id);
CREATE INDEX by_price ON facts (currency, price, starts_at, event_id);
CREATE INDEX by_city_price ON facts (city, currency, price, starts_at, event_id);
CREATE INDEX by_published ON facts (published_at DESC);
CREATE INDEX by_city_published ON facts (city, published_at DESC);
-- Every column that the feed filters by: it looks through these, and never at the rows, whose documents lie between.
CREATE INDEX feed_by_city ON facts (city, starts_at, event_id, timezone, latitude, longitude,
    ends_at, published_at, price, currency, age, available, popularity, trending);
CREATE INDEX feed_by_start ON facts (starts_at, event_id, timezone, latitude, longitude, city,
    ends_at, published_at, price, currency, age, available, popularity, trending);
CREATE INDEX feed_by_place ON facts (latitude, longitude, starts_at, event_id, timezone, city,
    ends_at, published_at, price, currency, age, available, popularity, trending);
CREATE INDEX by_next_price ON facts (next_price_at) WHERE next_price_at IS NOT NULL;
CREATE TABLE genres (genre TEXT NOT NULL, id INTEGER NOT NULL, PRIMARY KEY (genre, id)) WITHOUT ROWID;
CREATE INDEX genres_of ON genres (id);
CREATE TABLE artists (artist_id TEXT NOT NULL, id INTEGER NOT NULL, PRIMARY KEY (artist_id, id)) WITHOUT ROWID;
CREATE INDEX artists_of ON artists (id);
CREATE TABLE venues (
    id INTEGER PRIMARY KEY, venue_id TEXT NOT NULL UNIQUE, name TEXT NOT NULL, address TEXT NOT NULL,
    city TEXT NOT NULL, city_key TEXT NOT NULL, timezone TEXT NOT NULL,
    latitude REAL NOT NULL, longitude REAL NOT NULL, upcoming INTEGER NOT NULL
);
CREATE INDEX venues_of_city ON venues (city_key);
CREATE INDEX idle_venues ON venues (upcoming) WHERE upcoming = 0;
CREATE TABLE performers (
    id INTEGER PRIMARY KEY, artist_id TEXT NOT NULL UNIQUE, name TEXT NOT NULL, upcoming INTEGER NOT NULL
);
CREATE INDEX idle_performers ON performers (upcoming) WHERE upcoming = 0;
CREATE VIRTUAL TABLE texts USING fts5(
    title, artists, venue, genres, organizer, place, summary,
    tokenize = 'ascii', prefix = '2 3', detail = column, columnsize = 0
);
CREATE TABLE words (word TEXT PRIMARY KEY, events INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX idle_words ON words (events) WHERE events = 0;
CREATE VIRTUAL TABLE venue_texts USING fts5(name, place, tokenize = 'ascii', prefix = '2 3');
CREATE VIRTUAL TABLE performer_texts USING fts5(name, tokenize = 'ascii', prefix = '2 3');
"""
COLUMNS: Final = (
    *("event_id", "changed_at", "city", "org_id", "venue_id", "tour_id", "timezone", "starts_at", "ends_at"),
    *("published_at", "price", "next_price_at", "currency", "age", "available", "popularity", "trending", "standing"),
    *("latitude", "longitude"),
)
INSERT: Final = f"INSERT INTO facts ({', '.join(COLUMNS)}) VALUES ({', '.join('?' * len(COLUMNS))})"  # noqa: S608
UPDATE: Final = f"UPDATE facts SET {', '.join(f'{name} = ?' for name in COLUMNS)} WHERE id = ?"  # noqa: S608
ADD_WORD: Final = "INSERT INTO words VALUES (?, 1) ON CONFLICT (word) DO UPDATE SET events = events + 1"
ADD_VENUE: Final = """
INSERT INTO venues (venue_id, name, address, city, city_key, timezone, latitude, longitude, upcoming)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, 1)
ON CONFLICT (venue_id) DO UPDATE SET upcoming = upcoming + 1 RETURNING id, upcoming
"""
ADD_PERFORMER: Final = """
INSERT INTO performers (artist_id, name, upcoming) VALUES (?, ?, 1)
ON CONFLICT (artist_id) DO UPDATE SET upcoming = upcoming + 1 RETURNING id, upcoming
"""
TEXTS: Final = "title, artists, venue, genres, organizer, place, summary"
# What the words of an event come from; while none of it changes, its rows of words stay.
SAID: Final = ("title", "summary", "org_name", "venue", "venue_id", "genres", "artists", "artist_ids", "timezone")


@cache
def version() -> str:
    """Changes with the tables, with the genre tree that is spread over them, and with how words are folded."""
    tree = "\n".join(f"{node.genre}\t{node.parent}" for node in genres.tree().values())
    return fingerprint(SCHEMA.encode(), tree.encode(), fold("Fẹlá Kútì · अरिजीत · D'Souza").encode())[:16]


def distance_between(latitude: float, longitude: float, other_latitude: float, other_longitude: float) -> float:
    """The function `distance_km` of the statements that ask these tables."""
    return distance_km(Point(latitude, longitude), Point(other_latitude, other_longitude))


def says_the_same(listing: Listing, other: Listing) -> bool:
    """Whether the two are found by the same words."""
    return all(getattr(listing, name) == getattr(other, name) for name in SAID)


def insert(db: sqlite3.Connection, listing: Listing, stamp: float, now: datetime) -> None:
    """A listing that is in no table yet."""
    row = db.execute(INSERT, _values(listing, stamp, now)).lastrowid
    db.execute("INSERT INTO documents VALUES (?, ?)", (row, listing.model_dump_json(by_alias=True)))
    named = {each for genre in listing.genres for each in genres.with_ancestors(genre)}
    db.executemany("INSERT INTO genres VALUES (?, ?)", [(genre, row) for genre in named])
    db.executemany("INSERT INTO artists VALUES (?, ?)", [(each, row) for each in set(listing.artist_ids)])
    texts = _texts(listing, named)
    db.execute(f"INSERT INTO texts (rowid, {TEXTS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)", (row, *texts))  # noqa: S608
    db.executemany(ADD_WORD, [(word,) for word in _words(texts)])
    _add_venue(db, listing)
    for artist_id, name in dict(zip(listing.artist_ids, listing.artists, strict=False)).items():
        [(place, upcoming)] = db.execute(ADD_PERFORMER, (artist_id, name)).fetchall()
        if upcoming == 1:  # new, or the only event of theirs said something else
            db.execute("INSERT OR REPLACE INTO performer_texts (rowid, name) VALUES (?, ?)", (place, fold(name)))


def update(db: sqlite3.Connection, row: int, listing: Listing, stamp: float, now: datetime) -> None:
    """New counts, times or prices of a listing whose words are the same."""
    db.execute(UPDATE, (*_values(listing, stamp, now), row))
    db.execute("UPDATE documents SET document = ? WHERE id = ?", (listing.model_dump_json(by_alias=True), row))


def remove(db: sqlite3.Connection, row: int) -> None:
    """The listing from all tables, and with the last of their events its venue and artists."""
    db.execute(
        "UPDATE venues SET upcoming = upcoming - 1 WHERE venue_id = (SELECT venue_id FROM listings WHERE id = ?)",
        (row,),
    )
    db.execute(
        "UPDATE performers SET upcoming = upcoming - 1 WHERE artist_id IN (SELECT artist_id FROM artists WHERE id = ?)",
        (row,),
    )
    texts = db.execute(f"SELECT {TEXTS} FROM texts WHERE rowid = ?", (row,)).fetchone()  # noqa: S608
    db.executemany("UPDATE words SET events = events - 1 WHERE word = ?", [(word,) for word in _words(texts)])
    tables = ("facts", "documents", "genres", "artists")
    for table, key in (*((name, "id") for name in tables), ("texts", "rowid")):
        db.execute(f"DELETE FROM {table} WHERE {key} = ?", (row,))  # noqa: S608  # names of our own


def remove_idle(db: sqlite3.Connection) -> None:
    """Venues and artists that have nothing to come, and words that nobody uses any more."""
    db.execute("DELETE FROM words WHERE events = 0")
    for table in ("venue", "performer"):
        idle = f"SELECT id FROM {table}s WHERE upcoming = 0"  # noqa: S608  # names of our own
        db.execute(f"DELETE FROM {table}_texts WHERE rowid IN ({idle})")  # noqa: S608
        db.execute(f"DELETE FROM {table}s WHERE upcoming = 0")  # noqa: S608


def next_price_at(listing: Listing, now: datetime) -> int | None:
    """When the lowest price that holds now ends."""
    until = next((price.until for price in listing.min_prices if now < price.until), None)
    return int(until.timestamp()) if until else None


def _add_venue(db: sqlite3.Connection, listing: Listing) -> None:
    venue = listing.venue
    values = (listing.venue_id, venue.name, venue.address, venue.city, fold(venue.city), listing.timezone)
    [(place, upcoming)] = db.execute(ADD_VENUE, (*values, venue.latitude, venue.longitude)).fetchall()
    if upcoming == 1:
        where = f"{fold(venue.address)} {fold(venue.city)}"
        named = (place, fold(venue.name), where)
        db.execute("INSERT OR REPLACE INTO venue_texts (rowid, name, place) VALUES (?, ?, ?)", named)


def _texts(listing: Listing, named: set[str]) -> tuple[str, ...]:
    venue = listing.venue
    return (
        fold(listing.title),
        " ".join(map(fold, listing.artists)),
        fold(venue.name),
        " ".join(sorted(map(fold, named))),
        fold(listing.org_name),
        f"{fold(venue.address)} {fold(venue.city)}",
        fold(listing.summary),
    )


def _words(texts: tuple[str, ...]) -> set[str]:
    return {word for text in texts for word in text.split()}


def _values(listing: Listing, stamp: float, now: datetime) -> tuple[Any, ...]:
    interest = listing.interest
    return (
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
        next_price_at(listing, now),
        listing.currency,
        listing.age_restriction,
        listing.available,
        listing.attendees + interest.going + interest.interested + interest.liked,
        listing.trending,
        (listing.attendees * 3 + listing.posts * 2 + interest.going + interest.interested).bit_length(),
        listing.venue.latitude,
        listing.venue.longitude,
    )
