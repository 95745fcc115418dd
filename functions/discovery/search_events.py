"""GET /v1/events/search."""

from __future__ import annotations

from common import clock
from common.access import Access
from common.caching import Cache
from common.endpoint import Call, Resources, endpoint
from common.errors import InvalidCursor
from common.search import search
from common.search.schemas import FoundEvents, SearchQuery
from common.wire import Empty


@endpoint(
    "GET",
    "/v1/events/search",
    access=Access.PUBLIC,
    cache=Cache(30),
    query=SearchQuery,
    returns=FoundEvents,
    errors=(InvalidCursor,),
    resources=Resources(memory_mb=2048),
)
async def search_events(call: Call[Empty, SearchQuery]) -> FoundEvents:
    """Events by what somebody would say, such as `techno tonight under 1000` or `free jazz near Bandra this weekend`.

    Words of time, price, place, genre, mood and age become filters, which the reply names in `interpretation`; the
    others are looked for in titles, artists, venues, genres, organizers and summaries, forgiving typing errors, accents
    and scripts. Parameters stand above the words. When nothing fulfils all wishes, `relaxed` says which were left out.
    """
    return await search.find_events(call.query, clock.now())
