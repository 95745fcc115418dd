"""Events around a place in Firestore, one query a ring, and what this process remembers of how dense they lie."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from weakref import WeakKeyDictionary

from pydantic.alias_generators import to_camel

from common import clients
from common.events.store import EVENTS
from common.geo import Point, cover, share_before
from common.nearby.schemas import ListedEvent

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator
    from datetime import datetime

    from google.cloud.firestore import AsyncClient

    from common.firestore_reads import Comparison
    from common.geo import GeohashRange
    from common.nearby.rings import Ring
    from common.nearby.schemas import NearbyQuery

FIELDS: Final = (*map(to_camel, ListedEvent.model_fields), "listedGeohash")
# The order names the index: place before time, because it leaves far fewer. All else is only filtered by.
INDEX: Final = ("listedGeohash", "endsAt", "startsAt", "floorPriceMinor", "venue.latitude", "venue.longitude")
MOST_RANGES: Final = 16
# Firestore refuses more filters and sort orders, counted after the common filters are taken into each alternative.
MOST_CONDITIONS: Final = 100
CONDITIONS_A_RANGE: Final = 6
MOST_REMEMBERED: Final = 10_000
_densities: WeakKeyDictionary[AsyncClient, OrderedDict[Hashable, float]] = WeakKeyDictionary()


@dataclass(frozen=True)
class RingRead:
    """Public events that are not over: all in a ring that may fit, and a few around.

    Where the guard cut them, they came from so much of the ring, between nothing and all.
    """

    events: tuple[ListedEvent, ...]
    share: float
    cut: bool


async def read_ring(ring: Ring, query: NearbyQuery, now: datetime) -> RingRead:
    """One query.

    The ranges find the index entries, and their boxes leave out most of those that lie around: an entry costs a
    thousandth of a document.
    """
    from common.firestore_reads import PlainQuery

    common = list(_common_filters(query, now))
    most = (MOST_CONDITIONS - len(INDEX)) // (CONDITIONS_A_RANGE + len(common))
    ranges = cover(Point(query.latitude, query.longitude), ring.outer_km, min(most, MOST_RANGES), ring.inner_km)
    asked = PlainQuery(EVENTS, FIELDS, INDEX, ring.guard)
    asked.where(*common)
    asked.where_any(map(_in_range, ranges))
    found = await asked.get()
    if len(found) == ring.guard:
        return RingRead((), share_before(found[-1]["listedGeohash"], ranges), cut=True)
    return RingRead(tuple(ListedEvent.of(fields).at(now) for fields in found), 1.0, cut=False)


def _common_filters(query: NearbyQuery, now: datetime) -> Iterator[Comparison]:
    if query.from_ is None or query.from_ < now:  # else what is over is left out by its start
        yield "endsAt", ">", now
    if query.from_ is not None:
        yield "startsAt", ">=", query.from_
    if query.to is not None:
        yield "startsAt", "<=", query.to
    if query.genre is not None:
        yield "genres", "array_contains", query.genre
    if query.max_price_minor is not None:
        yield "floorPriceMinor", "<=", query.max_price_minor


def _in_range(cell: GeohashRange) -> tuple[Comparison, ...]:
    return (
        ("listedGeohash", ">=", cell.start),
        ("listedGeohash", "<", cell.end),
        ("venue.latitude", ">=", cell.box.south),
        ("venue.latitude", "<=", cell.box.north),
        ("venue.longitude", ">=", cell.box.west),
        ("venue.longitude", "<=", cell.box.east),
    )


def remembered_density(keys: tuple[Hashable, ...]) -> float | None:
    """What was last found under the first of these that is known."""
    known = _densities.get(clients.firestore()) or OrderedDict()
    return next((known[key] for key in keys if key in known), None)


def remember_density(keys: tuple[Hashable, ...], density: float) -> None:
    """Keep it under all of these, the oldest making room."""
    known = _densities.setdefault(clients.firestore(), OrderedDict())
    for key in keys:
        known[key] = density
        known.move_to_end(key)
    while len(known) > MOST_REMEMBERED:
        known.popitem(last=False)
