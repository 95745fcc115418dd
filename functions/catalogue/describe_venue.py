"""PUT /v1/venues/{venueId}."""

from __future__ import annotations

from common import clock
from common.catalogue import pages, rules, store
from common.catalogue.kinds import VENUE
from common.catalogue.policy import DESCRIBERS, require_event
from common.catalogue.schemas import VenueDescription, VenueEntry, VenuePage
from common.endpoint import Call, Resources, endpoint
from common.errors import Forbidden, NotFound
from common.events.schemas import Venue


@endpoint(
    "PUT",
    "/v1/venues/{venueId}",
    access=DESCRIBERS,
    body=VenueDescription,
    returns=VenuePage,
    errors=(Forbidden, NotFound, rules.NoEventThere, rules.DescribedByAnother, rules.NameDiffers),
    resources=Resources(memory_mb=1024),
)
async def describe_venue(call: Call[VenueDescription]) -> VenuePage:
    """Describe a venue in which the organization published an event; it replaces what was said.

    The first organization to describe it keeps the description. Admins change any, and hand it over to whom they name.
    """
    now, said, venue_id = clock.now(), call.body, VENUE.id_in(call.path["venueId"])
    seen = await pages.venue_page(venue_id, now)
    name = said.name or seen.name
    if rules.venue_id(name, seen.city) != venue_id:
        raise rules.NameDiffers
    await require_event(VENUE, venue_id, call)
    place = Venue(name=name, **{field: getattr(seen, field) for field in Venue.model_fields if field != "name"})
    capacity = {"capacity": said.capacity, "timezone": said.timezone}
    entry = VenueEntry(**rules.entry_fields(said, name, now), **capacity, venue=place)
    await store.describe(VENUE, venue_id, entry, call.user.is_admin)
    return await pages.venue_page(venue_id, now)
