"""PATCH /v1/tours/{tourId}."""

from __future__ import annotations

from common import clock
from common.catalogue import pages, store
from common.catalogue.policy import TOUR_ORGANIZERS
from common.catalogue.schemas import TourPage, TourPatch
from common.endpoint import Call, Resources, endpoint
from common.errors import Forbidden, NotFound


@endpoint(
    "PATCH",
    "/v1/tours/{tourId}",
    access=TOUR_ORGANIZERS,
    body=TourPatch,
    returns=TourPage,
    errors=(Forbidden, NotFound),
    resources=Resources(memory_mb=1024),
)
async def update_tour(call: Call[TourPatch]) -> TourPage:
    """Change a tour; what is absent stays. A new title makes a new slug, and the old ones keep working."""
    now = clock.now()
    tour = await TOUR_ORGANIZERS.tour(call)
    await store.change_tour(tour.tour_id, call.body, now)
    return await pages.tour_page(tour.tour_id, call.user, now)
