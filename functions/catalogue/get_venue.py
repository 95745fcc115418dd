"""GET /v1/venues/{venueId}."""

from __future__ import annotations

from common import clock
from common.access import Access
from common.caching import Cache
from common.catalogue import pages
from common.catalogue.kinds import VENUE
from common.catalogue.schemas import VenuePage
from common.endpoint import Call, Resources, endpoint
from common.errors import NotFound


@endpoint(
    "GET",
    "/v1/venues/{venueId}",
    access=Access.PUBLIC,
    cache=Cache(30),
    returns=VenuePage,
    errors=(NotFound,),
    resources=Resources(memory_mb=1024),
)
async def get_venue(call: Call) -> VenuePage:
    """The page of a venue, by its id or by any slug that ends with it.

    It is there as soon as an event there is listed, whoever describes it later.
    """
    return await pages.venue_page(VENUE.id_in(call.path["venueId"]), clock.now())
