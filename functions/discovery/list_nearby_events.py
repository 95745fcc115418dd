"""GET /v1/events/nearby."""

from __future__ import annotations

from common import clock
from common.access import Access
from common.caching import Cache
from common.endpoint import Call, endpoint
from common.errors import InvalidCursor
from common.nearby import nearby
from common.nearby.schemas import EventCard, NearbyQuery
from common.paging import Page
from common.wire import Empty


@endpoint(
    "GET",
    "/v1/events/nearby",
    access=Access.PUBLIC,
    query=NearbyQuery,
    returns=Page[EventCard],
    cache=Cache(30),
    errors=(InvalidCursor,),
)
async def list_nearby_events(call: Call[Empty, NearbyQuery]) -> Page[EventCard]:
    """Published, public events around a place that are not over yet, nearest first."""
    return await nearby.nearby_page(call.query, clock.now())
