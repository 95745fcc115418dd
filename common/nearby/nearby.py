"""A page of what is nearest, read ring by ring from the inside out: no page reads all of a dense city."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from common.geo import Point, geohash
from common.nearby import rules, store
from common.nearby.rings import Rings, density_of

if TYPE_CHECKING:
    from collections.abc import Hashable
    from datetime import datetime

    from common.nearby.schemas import EventCard, NearbyQuery
    from common.paging import Page

# Characters of the geohash under which a density is remembered: about 5 km, else about 20 to 40 km.
CELLS: Final = (5, 4)


async def nearby_page(query: NearbyQuery, now: datetime) -> Page[EventCard]:
    """The page, exact as of each ring's query. Rings before the cursor are not read again."""
    after = rules.position(query)
    start_km = after[0] if after else 0.0
    keys = _keys(query, start_km)
    rings = Rings(query.radius_km, start_km, query.limit + 1, store.remembered_density(keys))
    ring, found = rings.first(), rules.Found(query, after)
    while True:
        read = await store.read_ring(ring, query, now)
        if read.cut:
            ring = rings.after_cut(ring, read.share)
            continue
        found.add(read.events)
        fitting = found.within(ring.outer_km)
        wider = rings.after_short(ring, fitting) if fitting < rings.wanted else None
        if wider is None:
            store.remember_density(keys, density_of(fitting, start_km, ring.outer_km))
            return found.page(ring.outer_km)
        ring = wider


def _keys(query: NearbyQuery, start_km: float) -> tuple[Hashable, ...]:
    """What the density depends on, from exact to coarse: place, filters, and how far out the page begins."""
    place = Point(query.latitude, query.longitude)
    filters = (query.genre, query.from_, query.to, query.max_price_minor)
    out = int(2 * math.log2(1 + start_km))
    return tuple((geohash(place, cell), filters, step) for step in dict.fromkeys((out, 0)) for cell in CELLS)
