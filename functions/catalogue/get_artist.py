"""GET /v1/artists/{artistId}."""

from __future__ import annotations

from common import clock
from common.access import Access
from common.caching import Cache
from common.catalogue import pages
from common.catalogue.kinds import ARTIST
from common.catalogue.schemas import ArtistPage
from common.endpoint import Call, Resources, endpoint
from common.errors import NotFound


@endpoint(
    "GET",
    "/v1/artists/{artistId}",
    access=Access.PUBLIC,
    cache=Cache(30),
    returns=ArtistPage,
    errors=(NotFound,),
    resources=Resources(memory_mb=1024),
)
async def get_artist(call: Call) -> ArtistPage:
    """The page of an artist, by its id or by any slug that ends with it.

    It is there as soon as an event with them is listed, whoever describes it later.
    """
    return await pages.artist_page(ARTIST.id_in(call.path["artistId"]), clock.now())
