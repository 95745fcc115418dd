"""GET /v1/organizers/{orgId}."""

from __future__ import annotations

from common import clock
from common.access import Access
from common.caching import Cache
from common.catalogue import pages
from common.catalogue.kinds import ORGANIZER
from common.catalogue.schemas import OrganizerPage
from common.endpoint import Call, Resources, endpoint
from common.errors import NotFound


@endpoint(
    "GET",
    "/v1/organizers/{orgId}",
    access=Access.PUBLIC,
    cache=Cache(30),
    returns=OrganizerPage,
    errors=(NotFound,),
    resources=Resources(memory_mb=1024),
)
async def get_organizer(call: Call) -> OrganizerPage:
    """The public page of an organization, by its id or by any slug that ends with it.

    Its members write on it with `PATCH /v1/organizations/{orgId}`.
    """
    return await pages.organizer_page(ORGANIZER.id_in(call.path["orgId"]), clock.now())
