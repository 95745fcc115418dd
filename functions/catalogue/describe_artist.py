"""PUT /v1/artists/{artistId}."""

from __future__ import annotations

from common import clock
from common.catalogue import pages, rules, store
from common.catalogue.kinds import ARTIST
from common.catalogue.policy import DESCRIBERS, require_event
from common.catalogue.schemas import ArtistDescription, ArtistEntry, ArtistPage
from common.endpoint import Call, Resources, endpoint
from common.errors import Forbidden, NotFound


@endpoint(
    "PUT",
    "/v1/artists/{artistId}",
    access=DESCRIBERS,
    body=ArtistDescription,
    returns=ArtistPage,
    errors=(Forbidden, NotFound, rules.NoEventThere, rules.DescribedByAnother, rules.NameDiffers),
    resources=Resources(memory_mb=1024),
)
async def describe_artist(call: Call[ArtistDescription]) -> ArtistPage:
    """Describe an artist with whom the organization published an event; it replaces what was said.

    The first organization to describe them keeps the description. Admins change any, and hand it over to whom they
    name.
    """
    now, said, artist_id = clock.now(), call.body, ARTIST.id_in(call.path["artistId"])
    seen = await pages.artist_page(artist_id, now)
    name = said.name or seen.name
    if rules.artist_id(name) != artist_id:
        raise rules.NameDiffers
    await require_event(ARTIST, artist_id, call)
    entry = ArtistEntry(**rules.entry_fields(said, name, now), genres=tuple(dict.fromkeys(said.genres)))
    await store.describe(ARTIST, artist_id, entry, call.user.is_admin)
    return await pages.artist_page(artist_id, now)
