"""From a hundred thousand listings the few hundred that may suit somebody, and what the rules need to know of them."""

from __future__ import annotations

import json
from collections import defaultdict
from typing import TYPE_CHECKING, Final

from common.feed.filters import Condition, Kind, Matching, among, in_city, of_genres, place_of
from common.feed.orders import nearest
from common.feed.ranking import Suitor, Wishes
from common.feed.schemas import ReasonCode
from common.geo import Point
from common.text import fold

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection, Iterable, Iterator

    from common.feed.filters import Visitor
    from common.feed.schemas import FeedQuery
    from common.social.schemas import Taste

# Are no more than these left by the filters, then all of them are ranked.
ALL: Final = 150
OF_EACH_SOURCE: Final = 30
# How far down the order of a source it is looked for events that fit.
LOOKED_AT: Final = 1_000
SAME_CITY_KM: Final = 50.0
NEAR_KM: Final = 200.0
LEADING: Final = {"trending": "trending", "published": "published_at"}
SOONEST: Final = "ORDER BY starts_at, event_id LIMIT ?"
# The genres come as one text with this between them, which no name contains.
BETWEEN: Final = "\x1f"
# In the order of the fields of a Suitor.
DESCRIBED: Final = """
SELECT id, event_id, city, venue_id, starts_at, published_at, price, currency, popularity, latitude, longitude,
       (SELECT group_concat(genre, char(31)) FROM genres WHERE genres.id = facts.id)
FROM facts WHERE id IN (SELECT value FROM json_each(?))
"""
FAVOURITES: Final = """(
    SELECT coming.id FROM json_each(?) AS followed CROSS JOIN facts AS coming ON coming.id IN (
        SELECT id FROM facts WHERE venue_id = followed.value AND ends_at > ? ORDER BY starts_at LIMIT 5
    )
    UNION SELECT id FROM artists WHERE artist_id IN (SELECT value FROM json_each(?))
)"""
WHOSE: Final = "SELECT id, venue_id, org_id FROM facts WHERE id IN (SELECT value FROM json_each(?))"
# From the artists to their events, which are few.
WITH_ARTISTS: Final = """
SELECT id FROM artists WHERE artist_id IN (SELECT value FROM json_each(?)) AND +id IN (SELECT value FROM json_each(?))
"""


def wishes_of(fitting: Matching, asked: FeedQuery, visitor: Visitor) -> Wishes:
    """What is known of the visitor, and where they are: in the city that they name, where they stand, at home."""
    place = place_of(asked)
    if asked.city is not None:
        city = fold(asked.city)
    else:
        city = visitor.city if place is None else _city_at(fitting, place)
    return Wishes(visitor.genres, city, place or _place_of(fitting.db, city))


def suitors(fitting: Matching, visitor: Visitor, wishes: Wishes, place: Point | None, now: int) -> list[Suitor]:
    """All that fit where they are few, else the soonest, trending, newest, nearest and followed of them.

    A filter that few events pass may leave a source short; the soonest are always there. `place` is where somebody
    stands; that of the wishes may be somewhere in their city.
    """
    soonest = _ids(fitting, SOONEST, ALL + 1)
    if len(soonest) <= ALL:
        return _described(fitting.db, soonest, visitor)
    ids = set(soonest[:OF_EACH_SOURCE])
    if visitor.taste.venue_ids or visitor.taste.artist_ids:
        ids.update(_ids(fitting, SOONEST, OF_EACH_SOURCE, source=_favourites(visitor.taste, now)))
    if Kind.CITY in fitting.conditions or not wishes.city:
        ids.update(*_leading(fitting, wishes))
    else:
        here = fitting.narrowed(Kind.CITY, in_city(wishes.city))
        ids.update(_ids(here, SOONEST, OF_EACH_SOURCE), *_leading(here, wishes), _trending(fitting))
    if place is not None:
        ids.update(row.id for row in nearest(fitting, place, NEAR_KM, None, OF_EACH_SOURCE))
    return _described(fitting.db, ids, visitor)


def _ids(fitting: Matching, more: str, *values: int, source: Condition | None = None) -> list[int]:
    return [id for (id,) in fitting.select("facts.id", more, *values, source=source)]


def _leading(fitting: Matching, wishes: Wishes) -> Iterator[list[int]]:
    """What trends, what is new, and what trends of the preferred genres."""
    yield _trending(fitting)
    yield _ids(fitting, "LIMIT ?", OF_EACH_SOURCE, source=_top("published", fitting.conditions.get(Kind.CITY)))
    if wishes.genres:
        yield _trending(fitting.narrowed(Kind.PREFERRED, of_genres(wishes.genres)))


def _favourites(taste: Taste, now: int) -> Condition:
    """The next events of followed venues, and those of followed artists: to follow an organization earns no score."""
    return among(Condition(FAVOURITES, (json.dumps(taste.venue_ids), now, json.dumps(taste.artist_ids))))


def _trending(fitting: Matching) -> list[int]:
    return _ids(fitting, "LIMIT ?", OF_EACH_SOURCE, source=_top("trending", fitting.conditions.get(Kind.CITY)))


def _top(name: str, city: Condition | None) -> Condition:
    """The first listings by a column, from the index in its order."""
    index, where = (f"by_city_{name}", f"WHERE {city.sql}") if city else (f"by_{name}", "")
    first = f"INDEXED BY {index} {where} ORDER BY {LEADING[name]} DESC LIMIT {LOOKED_AT}"
    # Words of our own.
    return among(Condition(f"(SELECT id FROM facts {first})", city.values if city else ()))  # noqa: S608


def _described(db: sqlite3.Connection, ids: Collection[int], visitor: Visitor) -> list[Suitor]:
    followed = whom_followed(db, ids, visitor.taste)
    nothing: frozenset[ReasonCode] = frozenset()
    rows = db.execute(DESCRIBED, (json.dumps(tuple(ids)),))
    return [
        Suitor._make((*columns, frozenset((genres or "").split(BETWEEN)), followed.get(columns[0], nothing)))
        for *columns, genres in rows
    ]


def whom_followed(db: sqlite3.Connection, ids: Iterable[int], taste: Taste) -> dict[int, frozenset[ReasonCode]]:
    """What of these listings somebody follows, where they follow anything of them."""
    wanted = json.dumps(tuple(ids))
    venues, organizations = frozenset(taste.venue_ids), frozenset(taste.org_ids)
    found: dict[int, set[ReasonCode]] = defaultdict(set)
    if venues or organizations:
        for id, venue_id, org_id in db.execute(WHOSE, (wanted,)):
            if venue_id in venues:
                found[id].add(ReasonCode.FOLLOWED_VENUE)
            if org_id in organizations:
                found[id].add(ReasonCode.FOLLOWED_ORGANIZER)
    if taste.artist_ids:
        for (id,) in db.execute(WITH_ARTISTS, (json.dumps(taste.artist_ids), wanted)):
            found[id].add(ReasonCode.FOLLOWED_ARTIST)
    return {id: frozenset(codes) for id, codes in found.items()}


def _city_at(fitting: Matching, place: Point) -> str:
    """The city of the event nearest to where somebody stands."""
    any_event = Matching(fitting.db, {Kind.ALWAYS: fitting.conditions[Kind.ALWAYS]})
    for row in nearest(any_event, place, SAME_CITY_KM, None, 1):
        (city,) = fitting.db.execute("SELECT city FROM facts WHERE id = ?", (row.id,)).fetchone()
        return str(city)
    return ""


def _place_of(db: sqlite3.Connection, city: str) -> Point | None:
    """Where one of its venues is: a city has no coordinates of its own."""
    found = db.execute("SELECT latitude, longitude FROM facts WHERE city = ? LIMIT 1", (city,)).fetchone()
    return Point(*found) if found else None
