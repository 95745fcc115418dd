"""Which of the events found near a place fit, in which order, and where a page of them ends."""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING, Final

from common.discovery.schemas import EventCard
from common.geo import Point, distance_km
from common.money import Money
from common.paging import Page, decode_cursor, encode_cursor

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from common.discovery.schemas import ListedEvent, NearbyQuery

METRES: Final = 3

# Nearest first; of two at one place the lower id, so that pages neither repeat nor skip.
Position = tuple[float, str]


def nearby_page(found: Iterable[ListedEvent], query: NearbyQuery) -> Page[EventCard]:
    """The page of the query among the events that were found around its place."""
    after = _position(query)
    fitting = ((position, event) for position, event in _fitting(found, query) if after is None or position > after)
    first = heapq.nsmallest(query.limit + 1, fitting, key=lambda placed: placed[0])
    shown = first[: query.limit]
    return Page(
        items=tuple(_card(event, distance) for (distance, _), event in shown),
        next_cursor=encode_cursor(_question(query), *shown[-1][0]) if len(first) > query.limit else None,
    )


def _fitting(found: Iterable[ListedEvent], query: NearbyQuery) -> Iterator[tuple[Position, ListedEvent]]:
    center = Point(query.latitude, query.longitude)
    for event in found:
        distance = distance_km(center, Point(event.venue.latitude, event.venue.longitude))
        if distance <= query.radius_km and _fits(event, query):
            yield (distance, event.event_id), event


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


def _position(query: NearbyQuery) -> Position | None:
    if query.cursor is None:
        return None
    distance, event_id = decode_cursor(query.cursor, _question(query), float, str)
    return float(distance), str(event_id)
