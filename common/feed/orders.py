"""The orders of a feed, and the rows of a page: those after a position, each with its own."""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from common.feed.bounding_box import box_around
from common.feed.filters import UNSELECTIVE, Condition, Kind, through
from common.feed.schemas import FeedMode, FeedSort
from common.geo import Point, distance_km

if TYPE_CHECKING:
    from common.feed.filters import Matching
    from common.feed.schemas import FeedQuery

Position = tuple[Any, ...]
# Rings around a place: the first this wide, the next twice as wide, or more where hardly anything was found.
FIRST_REACH_KM: Final = 0.5


@dataclass(frozen=True)
class Row:
    """A listing of a page, with its position in the order."""

    id: int
    position: Position


@dataclass(frozen=True)
class Order:
    """A leading column and its kind, then the start, and of two at once the id: no two events are at one position.

    Each column has an index in its order, for a city and for all. `within` are the conditions that the index decides.
    """

    column: str | None
    kind: type
    descending: bool = False
    within: frozenset[Kind] = frozenset({Kind.CITY})

    @property
    def kinds(self) -> tuple[type, ...]:
        """The types of a position's values."""
        return ((self.kind,) if self.column else ()) + (int, str)

    def rows(self, fitting: Matching, after: Position | None, most: int) -> list[Row]:
        """The first rows after the position."""
        if after is not None:
            fitting = fitting.narrowed(Kind.POSITION, self._after(after))
        columns = f"{self.column}, starts_at, event_id" if self.column else "starts_at, event_id"
        by = columns.replace(",", " DESC,", 1) if self.descending else columns
        source = self._index(fitting)
        found = fitting.select(f"facts.id, {columns}", f"ORDER BY {by} LIMIT ?", most, source=source)
        return [Row(id, tuple(position)) for id, *position in found]

    def _index(self, fitting: Matching) -> Condition | None:
        """The index in this order, where most events in it fit: a page is soon together. Else not this one."""
        if self.column is None or fitting.conditions.keys() - self.within - UNSELECTIVE:
            return None
        return through(f"by_city_{self.column}" if Kind.CITY in fitting.conditions else f"by_{self.column}")

    def _after(self, position: Position) -> Condition:
        if self.column is None:
            return Condition("(starts_at, event_id) > (?, ?)", position)
        beyond = "<" if self.descending else ">"
        same = f"{self.column} {beyond} ? OR (starts_at, event_id) > (?, ?)"
        return Condition(f"{self.column} {beyond}= ? AND ({same})", (position[0], *position))


ORDERS: Final = {
    FeedSort.DATE: Order(None, int),
    FeedSort.PRICE: Order("price", int, within=frozenset({Kind.CITY, Kind.CURRENCY, Kind.PRICE})),
    FeedSort.POPULARITY: Order("popularity", int, descending=True),
}
TRENDING: Final = Order("trending", float, descending=True)


def order_of(asked: FeedQuery) -> Order | None:
    """The order by a column that the question wants; None where it is by distance or by score."""
    if asked.sort is not None:
        return ORDERS.get(asked.sort)
    if asked.mode is FeedMode.TRENDING:
        return TRENDING
    return None if asked.mode in {FeedMode.NEARBY, FeedMode.RECOMMENDED} else ORDERS[FeedSort.DATE]


def is_ranked(asked: FeedQuery) -> bool:
    """Whether the question wants what suits the visitor best."""
    return asked.sort is FeedSort.RECOMMENDED or (asked.sort is None and asked.mode is FeedMode.RECOMMENDED)


DISTANCE_KINDS: Final = (float, int, str)


def nearest(fitting: Matching, place: Point, radius_km: float, after: Position | None, most: int) -> list[Row]:
    """The first rows after the position by distance: ring by ring, so that a dense city is not read as a whole."""
    reach = min(radius_km, FIRST_REACH_KM + (after[0] if after else 0.0))
    while True:
        found = _within(fitting, place, reach, after)
        if len(found) >= most or reach >= radius_km:
            return [Row(id, position) for position, id in heapq.nsmallest(most, found)]
        reach = min(radius_km, reach * (2 if len(found) * 8 > most else 4))


def _within(fitting: Matching, place: Point, reach_km: float, after: Position | None) -> list[tuple[Position, int]]:
    box = box_around(place, reach_km)
    inside = fitting.narrowed(Kind.RING, Condition(box.sql, box.values))
    source = None if Kind.FOLLOWED in inside.conditions else through("feed_by_place")
    columns = "facts.id, latitude, longitude, starts_at, event_id"
    found = []
    distances: dict[tuple[float, float], float] = {}  # many events share a venue
    for id, latitude, longitude, starts_at, event_id in inside.select(columns, "", source=source):
        at = (latitude, longitude)
        if at not in distances:
            distances[at] = distance_km(place, Point(latitude, longitude))
        position = (distances[at], starts_at, event_id)
        if position[0] <= reach_km and (after is None or position > after):
            found.append((position, id))
    return found
