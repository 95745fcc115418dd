"""The listed events that fit a search, in its order, from the tables of the index.

The order is that of a sum: where the words are found (text_search), how much happens around the event, how soon it is,
whether it can still be had, and how near it is where nearness was asked for. It is as of the moment of the first page,
and of two with one sum the lower event id comes first, so that pages neither repeat nor skip. What moves an event
between two pages is its own change alone: a new start, tickets that run out, or a doubling of what happens around it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from common.events.rules import LONGEST_EVENT
from common.geo import EARTH_RADIUS_KM
from common.listings.schemas import Listing
from common.search.query_words import vocabulary
from common.search.text_search import hits

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from common.search.schemas import Interpretation, Place
    from common.search.text_search import Term

WEEK_S: Final = 7 * 24 * 3600
# Who came for the last minutes does not count as having come: what ends within the hour is not on that evening.
RUNNING_FOR_S: Final = 3600
LONGEST_S: Final = int(LONGEST_EVENT.total_seconds())
STANDING: Final = 0.15
SOON: Final = 2.0
AVAILABLE: Final = 1.0
NEAR: Final = 2.0


class Position(NamedTuple):
    """The last event of a page."""

    score: float
    event_id: str


@dataclass(frozen=True)
class Wish:
    """What is looked for: filters, words, and whether all of the words are needed."""

    filters: Interpretation
    words: tuple[Term, ...] = ()
    any_word: bool = False


class Found(NamedTuple):
    score: float
    event_id: str
    listing: Listing


def events(
    db: sqlite3.Connection, wish: Wish, as_of: datetime, now: datetime, after: Position | None, limit: int
) -> list[Found]:
    """The best events after the position."""
    conditions, values = _where(wish.filters, now)
    source = "facts l"
    parameters: list[Any] = []
    if wish.words:
        counted, parameters = hits(wish.words, wish.any_word)
        source = f"({counted}) h CROSS JOIN facts l ON l.id = h.id"
    score, weights = _score(wish, as_of)
    beyond = ("(score < ? OR (score = ? AND event_id > ?))", [after.score, *after]) if after else ("1", [])
    rows = db.execute(
        f"""
        WITH best AS (
            SELECT id, event_id, score FROM (
                SELECT l.id AS id, l.event_id AS event_id, {score} AS score
                FROM {source} WHERE {" AND ".join(conditions)}
            ) WHERE {beyond[0]} ORDER BY score DESC, event_id LIMIT ?
        )
        SELECT best.score, best.event_id, l.document FROM best JOIN documents l ON l.id = best.id
        ORDER BY best.score DESC, best.event_id
        """,  # noqa: S608  # put together from texts of our own; every value is a parameter
        [*weights, *parameters, *values, *beyond[1], limit],
    )
    return [
        Found(score, event_id, Listing.model_validate_json(document)) for score, event_id, document in rows.fetchall()
    ]


def _score(wish: Wish, as_of: datetime) -> tuple[str, list[Any]]:
    parts = [
        f"{STANDING} * l.standing",
        f"{SOON} / (1 + MAX(l.starts_at - ?, 0) / {WEEK_S}.0)",
        f"{AVAILABLE} * l.available",
    ]
    values: list[Any] = [int(as_of.timestamp())]
    if wish.words:
        parts.append(f"h.points * 1.0 / {len(wish.words)}")
    if wish.filters.near:
        near = wish.filters.near
        parts.append(f"{NEAR} * (1 - distance_km(l.latitude, l.longitude, ?, ?) / ?)")
        values += [near.latitude, near.longitude, near.radius_km]
    return " + ".join(parts), values


def _where(filters: Interpretation, now: datetime) -> tuple[list[str], list[Any]]:
    # Not by its index, which leaves nearly all of them.
    conditions, values = ["+l.ends_at > ?"], [int(now.timestamp())]
    for condition, given in _conditions(filters):
        conditions.append(condition)
        values += given
    return conditions, values


def _conditions(filters: Interpretation) -> Iterator[tuple[str, Sequence[Any]]]:
    if filters.city is not None:
        spellings = vocabulary().spellings(filters.city)
        yield f"l.city IN ({', '.join('?' * len(spellings))})", spellings
    if filters.near is not None:
        yield from _inside(filters.near)
    yield from _times(filters)
    if filters.genres:
        named = ", ".join("?" * len(filters.genres))
        yield f"l.id IN (SELECT id FROM genres WHERE genre IN ({named}))", filters.genres  # noqa: S608
    bounds = {
        "l.price >= ?": filters.min_price_minor,
        "l.price <= ?": filters.max_price_minor,
        "l.currency = ?": filters.currency,
        "l.age >= ?": filters.min_age,
        "l.age <= ?": filters.max_age,
    }
    yield from ((condition, [bound]) for condition, bound in bounds.items() if bound is not None)
    if filters.available:
        yield "l.available", []


def _times(filters: Interpretation) -> Iterator[tuple[str, Sequence[Any]]]:
    begins = int(filters.from_.timestamp()) if filters.from_ else None
    if begins is not None and filters.running:
        yield "l.starts_at >= ?", [begins - LONGEST_S]  # for the index
        yield "(l.starts_at >= ? OR l.ends_at > ?)", [begins, begins + RUNNING_FOR_S]
    elif begins is not None:
        yield "l.starts_at >= ?", [begins]
    if filters.to is not None:
        yield "l.starts_at < ?" if filters.running else "l.starts_at <= ?", [int(filters.to.timestamp())]


def _inside(place: Place) -> Iterator[tuple[str, Sequence[Any]]]:
    """A box that an index can tell, then the circle."""
    tall = math.degrees(place.radius_km / EARTH_RADIUS_KM)
    yield "l.latitude BETWEEN ? AND ?", [place.latitude - tall, place.latitude + tall]
    narrowest = math.cos(math.radians(min(90.0, abs(place.latitude) + tall)))
    wide = tall / narrowest if narrowest > 0.01 else 360.0
    if place.longitude - wide >= -180 and place.longitude + wide <= 180:
        yield "l.longitude BETWEEN ? AND ?", [place.longitude - wide, place.longitude + wide]
    inside = "distance_km(l.latitude, l.longitude, ?, ?) <= ?"
    yield inside, [place.latitude, place.longitude, place.radius_km]
