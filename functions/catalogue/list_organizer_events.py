"""GET /v1/organizers/{orgId}/events."""

from __future__ import annotations

from common import clock
from common.access import Access
from common.caching import Cache
from common.catalogue import events
from common.catalogue.kinds import ORGANIZER
from common.catalogue.schemas import EventsQuery
from common.endpoint import Call, Resources, endpoint
from common.errors import InvalidCursor, NotFound
from common.listings.cards import ListingCard
from common.paging import Page
from common.wire import Empty


@endpoint(
    "GET",
    "/v1/organizers/{orgId}/events",
    access=Access.PUBLIC,
    cache=Cache(30),
    query=EventsQuery,
    returns=Page[ListingCard],
    errors=(InvalidCursor, NotFound),
    resources=Resources(memory_mb=1024),
)
async def list_organizer_events(call: Call[Empty, EventsQuery]) -> Page[ListingCard]:
    """The listed events of an organizer; none of one that nobody knows."""
    return await events.page(ORGANIZER, ORGANIZER.id_in(call.path["orgId"]), call.query, clock.now())
