"""GET /v1/organizers/{orgId}/events."""

from __future__ import annotations

from common import clock
from common.access import Access
from common.catalogue import events
from common.catalogue.kinds import ORGANIZER
from common.catalogue.schemas import EventsQuery, EventSummary
from common.endpoint import Call, endpoint
from common.errors import InvalidCursor, NotFound
from common.paging import Page
from common.wire import Empty


@endpoint(
    "GET",
    "/v1/organizers/{orgId}/events",
    access=Access.PUBLIC,
    query=EventsQuery,
    returns=Page[EventSummary],
    errors=(InvalidCursor, NotFound),
)
async def list_organizer_events(call: Call[Empty, EventsQuery]) -> Page[EventSummary]:
    """The listed events of an organizer; none of one that nobody knows."""
    return await events.page(ORGANIZER, ORGANIZER.id_in(call.path["orgId"]), call.query, clock.now())
