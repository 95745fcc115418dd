"""Which listings fit a feed, as conditions in SQL, and which index of the listings to look through for them."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from common.events.rules import LONGEST_EVENT
from common.feed import nights
from common.feed.bounding_box import within_circle
from common.feed.schemas import NEARBY_KM, FeedMode, FeedSort
from common.geo import Point
from common.social.schemas import Taste
from common.text import fold

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from common.feed.schemas import FeedQuery

# Up to so many events of the wanted genres are looked at one by one; above, most events are of these genres anyway.
FEW: Final = 3_000
NIGHTS: Final = {FeedMode.TONIGHT: nights.tonight, FeedMode.WEEKEND: nights.weekend}
FOLLOWED: Final = """(
    SELECT id FROM facts WHERE venue_id IN (SELECT value FROM json_each(?))
    UNION SELECT id FROM facts WHERE org_id IN (SELECT value FROM json_each(?))
    UNION SELECT id FROM artists WHERE artist_id IN (SELECT value FROM json_each(?))
)"""

OF_GENRES: Final = "FROM genres WHERE genre IN (SELECT value FROM json_each(?))"


class Kind(StrEnum):
    """What a condition is about: a facet leaves the conditions of its own kind out."""

    ALWAYS = "always"
    NIGHT = "night"
    FOLLOWED = "followed"
    HIDDEN = "hidden"
    CITY = "city"
    RADIUS = "radius"
    GENRES = "genres"
    DATES = "dates"
    PRICE = "price"
    CURRENCY = "currency"
    FREE = "free"
    AGE = "age"
    AVAILABLE = "available"
    PREFERRED = "preferred"
    RING = "ring"
    SAMPLE = "sample"
    POSITION = "position"


# What nearly every event fulfils.
UNSELECTIVE: Final = {Kind.ALWAYS, Kind.HIDDEN, Kind.AGE, Kind.AVAILABLE, Kind.POSITION}


@dataclass(frozen=True)
class Condition:
    """An expression over the columns of `facts`, and the values of its question marks."""

    sql: str
    values: tuple[Any, ...] = ()


@dataclass(frozen=True)
class Moment:
    """When the feed is asked for, and since when its pages are: they show what had been published by then."""

    now: datetime
    as_of: datetime


@dataclass(frozen=True)
class Visitor:
    """Who asks, with what is known of them: nothing of somebody who is not signed in."""

    user_id: str = ""
    taste: Taste = field(default_factory=Taste)
    genres: tuple[str, ...] = ()
    city: str = ""


@dataclass(frozen=True)
class Matching:
    """The listings that fit all of some conditions."""

    db: sqlite3.Connection
    conditions: Mapping[Kind, Condition] = field(default_factory=dict)

    def without(self, *kinds: Kind) -> Matching:
        """The same question without these conditions."""
        return replace(self, conditions={kind: each for kind, each in self.conditions.items() if kind not in kinds})

    def narrowed(self, kind: Kind, condition: Condition) -> Matching:
        """The same question with one more condition, in place of one of this kind."""
        return replace(self, conditions={**self.conditions, kind: condition})

    def select(
        self, columns: str, more: str, *values: Any, source: Condition | None = None, join: str = ""
    ) -> list[tuple[Any, ...]]:
        """The rows that fit, of this source if one is given; `more` follows the conditions in the statement."""
        implied = None
        if source is None:
            source, implied = self._source()
        stated = [each for kind, each in self.conditions.items() if kind is not implied]
        where = " AND ".join(f"({each.sql})" for each in stated)
        bound = [value for each in (source, *stated) for value in each.values]
        # Every word of the statement is ours; what a caller says is among the values.
        statement = f"SELECT {columns} FROM {source.sql} {join} WHERE {where} {more}"  # noqa: S608
        return self.db.execute(statement, (*bound, *values)).fetchall()

    def _source(self) -> tuple[Condition, Kind | None]:
        """Where to look, and which condition that fulfils: SQLite's planner knows no counts, and chooses badly."""
        if followed := self.conditions.get(Kind.FOLLOWED):
            return among(Condition(FOLLOWED, followed.values)), Kind.FOLLOWED
        if Kind.CITY in self.conditions:
            return through("feed_by_city"), None
        if Kind.RADIUS in self.conditions:
            return through("feed_by_place"), None
        genres = self.conditions.get(Kind.GENRES)
        if genres and self._are_few(genres):
            return among(Condition(f"(SELECT DISTINCT id {OF_GENRES})", genres.values)), Kind.GENRES
        return through("feed_by_start"), None

    def _are_few(self, genres: Condition) -> bool:
        wanted = f"SELECT 1 {OF_GENRES} LIMIT ?"  # words of our own
        return len(self.db.execute(wanted, (*genres.values, FEW)).fetchall()) < FEW


def through(index: str) -> Condition:
    """All listings, in the order of this index."""
    return Condition(f"facts INDEXED BY {index}")


def among(ids: Condition) -> Condition:
    """The listings of these ids, in their order."""
    return Condition(f"{ids.sql} AS wanted CROSS JOIN facts ON facts.id = wanted.id", ids.values)


def matching(db: sqlite3.Connection, asked: FeedQuery, visitor: Visitor, moment: Moment) -> Matching:
    """The listings that fit the question, prices aside: these need a currency first."""
    found = {Kind.ALWAYS: _always(moment)}
    if asked.mode in NIGHTS:
        found[Kind.NIGHT] = _night(db, asked.mode, moment)
    if asked.mode is FeedMode.FOLLOWED:
        found[Kind.FOLLOWED] = followed_by(visitor.taste)
    if visitor.taste.hidden_event_ids:
        hidden = json.dumps(visitor.taste.hidden_event_ids)
        found[Kind.HIDDEN] = Condition("event_id NOT IN (SELECT value FROM json_each(?))", (hidden,))
    if asked.city is not None:
        found[Kind.CITY] = in_city(fold(asked.city))
    if (place := place_of(asked)) and (radius := radius_of(asked)):
        found[Kind.RADIUS] = within(place, radius)
    if asked.genres is not None:
        found[Kind.GENRES] = of_genres(asked.genres.split(","))
    if asked.from_ is not None or asked.to is not None:
        found[Kind.DATES] = _dates(asked)
    if asked.free:
        found[Kind.FREE] = Condition("price = 0")
    if asked.age is not None:
        found[Kind.AGE] = Condition("age <= ?", (asked.age,))
    if asked.available:
        found[Kind.AVAILABLE] = Condition("available")
    return Matching(db, found)


def priced(fitting: Matching, asked: FeedQuery, common: str | None) -> Matching:
    """Those of the price range, in one currency, if prices matter: the asked one, else the `common` one."""
    currency = compared_currency(asked, common)
    if currency is None:
        return fitting
    fitting = fitting.narrowed(Kind.CURRENCY, in_currency(currency))
    bounds = (("price >= ?", asked.min_price_minor), ("price <= ?", asked.max_price_minor))
    return fitting.narrowed(Kind.PRICE, _bounded(bounds)) if any(bound is not None for _, bound in bounds) else fitting


def compared_currency(asked: FeedQuery, common: str | None) -> str | None:
    """In which prices are compared; None where none are."""
    compares = asked.sort is FeedSort.PRICE or asked.min_price_minor is not None or asked.max_price_minor is not None
    return (common or "") if compares and asked.currency is None else asked.currency


def place_of(asked: FeedQuery) -> Point | None:
    """From where distances are measured."""
    if asked.latitude is None or asked.longitude is None:
        return None
    return Point(asked.latitude, asked.longitude)


def radius_of(asked: FeedQuery) -> float | None:
    """How far away an event may be."""
    return asked.radius_km or (NEARBY_KM if asked.mode is FeedMode.NEARBY else None)


def in_city(city: str) -> Condition:
    """In the city of this folded name."""
    return Condition("city = ?", (city,))


def in_currency(currency: str) -> Condition:
    """Paid in this currency."""
    return Condition("currency = ?", (currency,))


def within(place: Point, radius_km: float) -> Condition:
    """In the circle."""
    return Condition(*within_circle(place, radius_km))


def followed_by(taste: Taste) -> Condition:
    """Of a venue, an organization or an artist whom somebody follows."""
    followed = (taste.venue_ids, taste.org_ids, taste.artist_ids)
    return Condition(f"facts.id IN {FOLLOWED}", tuple(json.dumps(ids) for ids in followed))


def of_genres(genres: list[str] | tuple[str, ...]) -> Condition:
    """Of one of these genres or below it: the table holds the ancestors too."""
    return Condition(f"EXISTS (SELECT 1 {OF_GENRES} AND id = facts.id)", (json.dumps(genres),))


def seconds(moment: datetime) -> int:
    """A moment as the tables have it."""
    return int(moment.timestamp())


def _always(moment: Moment) -> Condition:
    began, now, as_of = seconds(moment.now - LONGEST_EVENT), seconds(moment.now), seconds(moment.as_of)
    return Condition("starts_at >= ? AND ends_at > ? AND published_at <= ?", (began - 1, now, as_of))


def _dates(asked: FeedQuery) -> Condition:
    moments = (("starts_at >= ?", asked.from_), ("starts_at <= ?", asked.to))
    return _bounded((sql, None if moment is None else seconds(moment)) for sql, moment in moments)


def _bounded(bounds: Iterable[tuple[str, int | None]]) -> Condition:
    given = [(sql, bound) for sql, bound in bounds if bound is not None]
    return Condition(" AND ".join(sql for sql, _ in given), tuple(bound for _, bound in given))


def _night(db: sqlite3.Connection, mode: FeedMode, moment: Moment) -> Condition:
    """Each event by the clock of its own zone; zones in which the night is at the same time share one condition."""
    spans = nights.spans(NIGHTS[mode], _timezones(db), moment.as_of)
    if not spans:
        return Condition("FALSE")
    one = "(starts_at < ? AND ends_at > ? AND timezone IN (SELECT value FROM json_each(?)))"
    each = " OR ".join([one] * len(spans))
    bounds = ((seconds(ends), seconds(begins), json.dumps(zones)) for (begins, ends), zones in spans.items())
    # The bound of them all is what an index can use.
    last = max(seconds(ends) for _, ends in spans)
    return Condition(f"starts_at < ? AND ({each})", (last, *(value for values in bounds for value in values)))


def _timezones(db: sqlite3.Connection) -> list[str]:
    """Each zone once: one look into the index for each, instead of one for each listing."""
    found: list[str] = []
    following = "SELECT min(timezone) FROM facts WHERE timezone > ?"
    while (zone := db.execute(following, (found[-1] if found else "",)).fetchone()[0]) is not None:
        found.append(zone)
    return found
