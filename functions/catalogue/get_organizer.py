"""GET /v1/organizers/{orgId}."""

from __future__ import annotations

from common import clock
from common.access import Access
from common.catalogue import pages
from common.catalogue.kinds import ORGANIZER
from common.catalogue.schemas import OrganizerPage
from common.endpoint import Call, endpoint
from common.errors import NotFound


@endpoint("GET", "/v1/organizers/{orgId}", access=Access.PUBLIC, returns=OrganizerPage, errors=(NotFound,))
async def get_organizer(call: Call) -> OrganizerPage:
    """The public page of an organization, by its id or by any slug that ends with it.

    Its members write on it with `PATCH /v1/organizations/{orgId}`.
    """
    return await pages.organizer_page(ORGANIZER.id_in(call.path["orgId"]), clock.now())
