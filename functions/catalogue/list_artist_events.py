"""GET /v1/artists/{artistId}/events."""

from __future__ import annotations

from common import clock
from common.access import Access
from common.catalogue import events
from common.catalogue.kinds import ARTIST
from common.catalogue.schemas import EventsQuery, EventSummary
from common.endpoint import Call, endpoint
from common.errors import InvalidCursor, NotFound
from common.paging import Page
from common.wire import Empty


@endpoint(
    "GET",
    "/v1/artists/{artistId}/events",
    access=Access.PUBLIC,
    query=EventsQuery,
    returns=Page[EventSummary],
    errors=(InvalidCursor, NotFound),
)
async def list_artist_events(call: Call[Empty, EventsQuery]) -> Page[EventSummary]:
    """The listed events of an artist; none of one that nobody knows."""
    return await events.page(ARTIST, ARTIST.id_in(call.path["artistId"]), call.query, clock.now())
