"""Which events fit and how they are paged, decided without a database."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import InvalidCursor
from common.events.schemas import Venue
from common.geo import Point, distance_km
from common.nearby.rules import Found, position
from common.nearby.schemas import EventCard, ListedEvent, NearbyQuery
from common.paging import Page, encode_cursor

if TYPE_CHECKING:
    from collections.abc import Iterable

NOW = datetime(2030, 5, 1, 12, tzinfo=UTC)


def listed(event_id: str, latitude: float, longitude: float, hours: int = 0, price: int = 0) -> ListedEvent:
    return ListedEvent(
        event_id=event_id,
        org_id="org_a",
        title="Night",
        starts_at=NOW + timedelta(hours=hours),
        ends_at=NOW + timedelta(hours=hours + 5),
        timezone="UTC",
        venue=Venue(name="V", address="A", city="C", latitude=latitude, longitude=longitude),
        genres=("techno",),
        age_restriction=18,
        currency="INR",
        min_price_minor=price,
    )


def nearby_page(found: Iterable[ListedEvent], query: NearbyQuery) -> Page[EventCard]:
    """The page when all of these were read."""
    read = Found(query, position(query))
    read.add(found)
    return read.page(query.radius_km)


def ids(found: list[ListedEvent], query: NearbyQuery) -> list[str]:
    return [card.event_id for card in nearby_page(found, query).items]


def test_the_rim_belongs_to_the_circle() -> None:
    rim = distance_km(Point(0, 0), Point(0, 1))
    found = [listed("a", 0, 1)]
    assert ids(found, NearbyQuery(latitude=0, longitude=0, radius_km=rim)) == ["a"]
    assert ids(found, NearbyQuery(latitude=0, longitude=0, radius_km=rim * (1 - 1e-12))) == []


def test_bounds_are_included() -> None:
    found = [listed("a", 0, 0, hours=5, price=100)]
    at = NOW + timedelta(hours=5)
    second = timedelta(seconds=1)
    for fields, expected in (
        ({"from_": at, "to": at, "max_price_minor": 100}, ["a"]),
        ({"from_": at + second}, []),
        ({"to": at - second}, []),
        ({"max_price_minor": 99}, []),
    ):
        query = NearbyQuery.model_validate({"latitude": 0, "longitude": 0} | fields)
        assert ids(found, query) == expected


PLACES = st.lists(st.tuples(st.integers(-3, 3), st.integers(-3, 3)), max_size=25)


@given(places=PLACES, limit=st.integers(1, 7))
def test_pages_neither_repeat_nor_skip(places: list[tuple[int, int]], limit: int) -> None:
    # Whole tenths of a degree around the center: many events share a distance.
    found = [listed(f"evt_{n:02d}", y / 10, x / 10) for n, (y, x) in enumerate(places)]
    query = NearbyQuery(latitude=0, longitude=0, radius_km=500, limit=limit)
    seen: list[tuple[float, str]] = []
    cursor = None
    for _ in range(len(found) + 1):
        page = nearby_page(reversed(found), query.model_copy(update={"cursor": cursor}))
        seen += [(card.distance_km, card.event_id) for card in page.items]
        cursor = page.next_cursor
        if cursor is None:
            break
        assert len(page.items) == limit
    assert sorted(event_id for _, event_id in seen) == [event.event_id for event in found]
    assert seen == sorted(seen)


def test_an_event_that_joins_or_goes_between_pages_moves_no_other() -> None:
    found = [listed(f"evt_{n}", 0, n / 10) for n in range(6)]
    query = NearbyQuery(latitude=0, longitude=0, radius_km=500, limit=2)
    first = nearby_page(found, query)
    after = [listed("evt_new", 0, 0.05), *found[:1], *found[2:]]
    second = nearby_page(after, query.model_copy(update={"cursor": first.next_cursor}))
    assert [card.event_id for card in second.items] == ["evt_2", "evt_3"]


def test_a_cursor_belongs_to_its_question() -> None:
    found = [listed(f"evt_{n}", 0, n / 10) for n in range(6)]
    query = NearbyQuery(latitude=0, longitude=0, radius_km=500, limit=2)
    cursor = nearby_page(found, query).next_cursor
    assert ids(found, query.model_copy(update={"cursor": cursor, "limit": 3})) == ["evt_2", "evt_3", "evt_4"]
    for change in (
        {"latitude": 0.1},
        {"radius_km": 499.0},
        {"genre": "techno"},
        {"max_price_minor": 5},
        {"from_": NOW},
        {"to": NOW},
    ):
        with pytest.raises(InvalidCursor):
            nearby_page(found, query.model_copy(update=change | {"cursor": cursor}))
    for forged in ("", "x", "e30", encode_cursor("nearby", 1.0, "evt_1"), f"{cursor}A" * 3):
        with pytest.raises(InvalidCursor):
            nearby_page(found, query.model_copy(update={"cursor": forged}))
