"""POST /v1/venues."""

from __future__ import annotations

from common import clock
from common.catalogue import pages, rules, store
from common.catalogue.kinds import VENUE
from common.catalogue.policy import ORGANIZERS
from common.catalogue.schemas import VenueEntry, VenuePage, VenueRequest
from common.endpoint import Call, Resources, endpoint
from common.errors import Forbidden, NotFound
from common.events.schemas import Venue
from common.organizations.policy import organization_role


@endpoint(
    "POST",
    "/v1/venues",
    access=organization_role(*ORGANIZERS),
    body=VenueRequest,
    returns=VenuePage,
    status=201,
    errors=(Forbidden, NotFound),
    resources=Resources(memory_mb=1024),
)
async def create_venue(call: Call[VenueRequest]) -> VenuePage:
    """Make the page of a venue before its first event.

    The same name in the same city is the same venue, however it is spelled: a repeat gets the page that is there.
    """
    now = clock.now()
    place = Venue(**{name: getattr(call.body, name) for name in Venue.model_fields})
    venue_id = rules.venue_id(place.name, place.city)
    await store.add(VENUE, venue_id, VenueEntry(name=place.name, venue=place, created_at=now))
    return await pages.venue_page(venue_id, now)
