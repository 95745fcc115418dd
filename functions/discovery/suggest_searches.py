"""GET /v1/search/suggestions."""

from __future__ import annotations

from common.access import Access
from common.caching import Cache
from common.endpoint import Call, Resources, endpoint
from common.search import search
from common.search.schemas import SuggestionQuery, Suggestions
from common.wire import Empty


@endpoint(
    "GET",
    "/v1/search/suggestions",
    access=Access.PUBLIC,
    cache=Cache(30),
    query=SuggestionQuery,
    returns=Suggestions,
    resources=Resources(memory_mb=2048),
)
async def suggest_searches(call: Call[Empty, SuggestionQuery]) -> Suggestions:
    """What somebody who is still typing may mean: genres, cities, artists, venues and events."""
    return await search.suggest(call.query)
