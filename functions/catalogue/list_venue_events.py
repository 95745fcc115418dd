"""GET /v1/venues/{venueId}/events."""

from __future__ import annotations

from common import clock
from common.access import Access
from common.catalogue import events
from common.catalogue.kinds import VENUE
from common.catalogue.schemas import EventsQuery, EventSummary
from common.endpoint import Call, endpoint
from common.errors import InvalidCursor, NotFound
from common.paging import Page
from common.wire import Empty


@endpoint(
    "GET",
    "/v1/venues/{venueId}/events",
    access=Access.PUBLIC,
    query=EventsQuery,
    returns=Page[EventSummary],
    errors=(InvalidCursor, NotFound),
)
async def list_venue_events(call: Call[Empty, EventsQuery]) -> Page[EventSummary]:
    """The listed events of a venue; none of one that nobody knows."""
    return await events.page(VENUE, VENUE.id_in(call.path["venueId"]), call.query, clock.now())
