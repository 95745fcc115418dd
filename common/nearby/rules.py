"""Which of the events found near a place fit, in which order, and where a page of them ends."""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING, Final

from common.errors import InvalidCursor
from common.geo import Point, distance_km
from common.money import Money
from common.nearby.schemas import EventCard
from common.paging import Page, decode_cursor, encode_cursor

if TYPE_CHECKING:
    from collections.abc import Iterable

    from common.nearby.schemas import ListedEvent, NearbyQuery

METRES: Final = 3

# Nearest first; of two at one place the lower id, so that pages neither repeat nor skip.
Position = tuple[float, str]


class Found:
    """What was read around the place of a query so far: only what fits and comes after its cursor."""

    def __init__(self, query: NearbyQuery, after: Position | None) -> None:
        self._query, self._after = query, after
        self._center = Point(query.latitude, query.longitude)
        self._placed: dict[str, tuple[Position, ListedEvent]] = {}

    def add(self, events: Iterable[ListedEvent]) -> None:
        """Take in what a ring had. An event that moved meanwhile is where it was read last."""
        for event in events:
            distance = distance_km(self._center, Point(event.venue.latitude, event.venue.longitude))
            position = (distance, event.event_id)
            self._placed.pop(event.event_id, None)
            if _fits(event, self._query) and (self._after is None or position > self._after):
                self._placed[event.event_id] = position, event

    def within(self, reach_km: float) -> int:
        """How many lie no farther than that."""
        return sum(position[0] <= reach_km for position, _ in self._placed.values())

    def page(self, reach_km: float) -> Page[EventCard]:
        """The page, given that nothing nearer than that is missing."""
        query = self._query
        near = (placed for placed in self._placed.values() if placed[0][0] <= min(reach_km, query.radius_km))
        first = heapq.nsmallest(query.limit + 1, near, key=lambda placed: placed[0])
        shown = first[: query.limit]
        return Page(
            items=tuple(_card(event, distance) for (distance, _), event in shown),
            next_cursor=encode_cursor(_question(query), *shown[-1][0]) if len(first) > query.limit else None,
        )


def _fits(event: ListedEvent, query: NearbyQuery) -> bool:
    return (
        (query.from_ is None or event.starts_at >= query.from_)
        and (query.to is None or event.starts_at <= query.to)
        and (query.max_price_minor is None or event.min_price_minor <= query.max_price_minor)
    )


def _card(event: ListedEvent, distance: float) -> EventCard:
    return EventCard(
        event_id=event.event_id,
        org_id=event.org_id,
        title=event.title,
        starts_at=event.starts_at,
        ends_at=event.ends_at,
        timezone=event.timezone,
        venue=event.venue,
        genres=event.genres,
        age_restriction=event.age_restriction,
        min_price=Money(amount_minor=event.min_price_minor, currency=event.currency),
        currency=event.currency,
        distance_km=round(distance, METRES),
    )


def _question(query: NearbyQuery) -> str:
    """What a cursor belongs to: the place and every filter, but not the size of the page."""
    return "nearby " + query.model_dump_json(exclude={"cursor", "limit"})


def position(query: NearbyQuery) -> Position | None:
    """Where the page before ended; None for the first. InvalidCursor if it cannot have."""
    if query.cursor is None:
        return None
    distance, event_id = decode_cursor(query.cursor, _question(query), float, str)
    if not 0 <= float(distance) <= query.radius_km:
        raise InvalidCursor
    return float(distance), str(event_id)
