"""GET /v1/tours/{tourId}/events."""

from __future__ import annotations

from common import clock
from common.access import Access
from common.catalogue import events
from common.catalogue.kinds import TOUR
from common.catalogue.schemas import EventsQuery, EventSummary
from common.endpoint import Call, endpoint
from common.errors import InvalidCursor, NotFound
from common.paging import Page
from common.wire import Empty


@endpoint(
    "GET",
    "/v1/tours/{tourId}/events",
    access=Access.PUBLIC,
    query=EventsQuery,
    returns=Page[EventSummary],
    errors=(InvalidCursor, NotFound),
)
async def list_tour_events(call: Call[Empty, EventsQuery]) -> Page[EventSummary]:
    """The listed events of a tour; none of one that nobody knows."""
    return await events.page(TOUR, TOUR.id_in(call.path["tourId"]), call.query, clock.now())
