"""POST /v1/tours."""

from __future__ import annotations

from common import clock
from common.catalogue import pages, store
from common.catalogue.policy import ORGANIZERS
from common.catalogue.schemas import Tour, TourPage, TourRequest
from common.endpoint import Call, Idempotency, Resources, endpoint
from common.errors import Forbidden, NotFound
from common.organizations.policy import organization_role


@endpoint(
    "POST",
    "/v1/tours",
    access=organization_role(*ORGANIZERS),
    body=TourRequest,
    returns=TourPage,
    status=201,
    errors=(Forbidden, NotFound),
    idempotency=Idempotency.RECORDED,
    resources=Resources(memory_mb=1024),
)
async def create_tour(call: Call[TourRequest]) -> TourPage:
    """Begin a tour. Events join it with their `tourId`; the first that is listed announces it."""
    now = clock.now()
    said = {name: getattr(call.body, name) for name in TourRequest.model_fields}
    new = Tour(tour_id=call.id_for("tour"), created_at=now, updated_at=now, **said)
    return pages.page_of_tour(await store.create_tour(new), now)
