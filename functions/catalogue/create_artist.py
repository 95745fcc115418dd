"""POST /v1/artists."""

from __future__ import annotations

from common import clock
from common.catalogue import pages, rules, store
from common.catalogue.kinds import ARTIST
from common.catalogue.policy import ORGANIZERS
from common.catalogue.schemas import ArtistEntry, ArtistPage, ArtistRequest
from common.endpoint import Call, Resources, endpoint
from common.errors import Forbidden, NotFound
from common.organizations.policy import organization_role


@endpoint(
    "POST",
    "/v1/artists",
    access=organization_role(*ORGANIZERS),
    body=ArtistRequest,
    returns=ArtistPage,
    status=201,
    errors=(Forbidden, NotFound),
    resources=Resources(memory_mb=1024),
)
async def create_artist(call: Call[ArtistRequest]) -> ArtistPage:
    """Make the page of an artist before their first event.

    The same name is the same artist, however it is spelled: a repeat gets the page that is there.
    """
    now = clock.now()
    artist_id = rules.artist_id(call.body.name)
    await store.add(ARTIST, artist_id, ArtistEntry(name=call.body.name, created_at=now))
    return await pages.artist_page(artist_id, now)
