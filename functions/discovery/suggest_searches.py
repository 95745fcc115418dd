"""GET /v1/search/suggestions."""

from __future__ import annotations

from common.access import Access
from common.discovery import search
from common.discovery.search_schemas import SuggestionQuery, Suggestions
from common.endpoint import Call, Resources, endpoint
from common.wire import Empty


@endpoint(
    "GET",
    "/v1/search/suggestions",
    access=Access.PUBLIC,
    query=SuggestionQuery,
    returns=Suggestions,
    resources=Resources(memory_mb=2048),
)
async def suggest_searches(call: Call[Empty, SuggestionQuery]) -> Suggestions:
    """What somebody who is still typing may mean: genres, cities, artists, venues and events."""
    return await search.suggest(call.query)
