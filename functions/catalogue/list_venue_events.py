"""GET /v1/venues/{venueId}/events."""

from __future__ import annotations

from common import clock
from common.access import Access
from common.caching import Cache
from common.catalogue import events
from common.catalogue.kinds import VENUE
from common.catalogue.schemas import EventsQuery
from common.endpoint import Call, Resources, endpoint
from common.errors import InvalidCursor, NotFound
from common.listings.cards import ListingCard
from common.paging import Page
from common.wire import Empty


@endpoint(
    "GET",
    "/v1/venues/{venueId}/events",
    access=Access.PUBLIC,
    cache=Cache(30),
    query=EventsQuery,
    returns=Page[ListingCard],
    errors=(InvalidCursor, NotFound),
    resources=Resources(memory_mb=1024),
)
async def list_venue_events(call: Call[Empty, EventsQuery]) -> Page[ListingCard]:
    """The listed events of a venue; none of one that nobody knows."""
    return await events.page(VENUE, VENUE.id_in(call.path["venueId"]), call.query, clock.now())
