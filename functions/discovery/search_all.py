"""GET /v1/search."""

from __future__ import annotations

from common import clock
from common.access import Access
from common.caching import Cache
from common.endpoint import Call, Resources, endpoint
from common.search import search
from common.search.schemas import FoundAll, SearchAllQuery
from common.wire import Empty


@endpoint(
    "GET",
    "/v1/search",
    access=Access.PUBLIC,
    cache=Cache(30),
    query=SearchAllQuery,
    returns=FoundAll,
    resources=Resources(memory_mb=2048),
)
async def search_all(call: Call[Empty, SearchAllQuery]) -> FoundAll:
    """The best events, venues and artists for some words; for more events ask /v1/events/search."""
    return await search.find_all(call.query, clock.now())
