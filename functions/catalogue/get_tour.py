"""GET /v1/tours/{tourId}."""

from __future__ import annotations

from common import clock
from common.access import Access
from common.caching import Cache
from common.catalogue import pages
from common.catalogue.kinds import TOUR
from common.catalogue.schemas import TourPage
from common.endpoint import Call, Resources, endpoint
from common.errors import NotFound


@endpoint(
    "GET",
    "/v1/tours/{tourId}",
    access=Access.PUBLIC,
    cache=Cache(30),
    returns=TourPage,
    errors=(NotFound,),
    resources=Resources(memory_mb=1024),
)
async def get_tour(call: Call) -> TourPage:
    """A tour with its events in order, by its id or by any slug that ends with it.

    Before its first event is listed it is there for members of the organization only.
    """
    return await pages.tour_page(TOUR.id_in(call.path["tourId"]), call.caller, clock.now())
