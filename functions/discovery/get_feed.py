"""GET /v1/events/feed."""

from __future__ import annotations

import asyncio

from common import clock
from common.access import Access
from common.caching import Cache
from common.endpoint import Call, Resources, endpoint
from common.errors import InvalidCursor, Unauthenticated
from common.feed import feed
from common.feed.schemas import FeedMode, FeedPage, FeedQuery
from common.listings import index as listing_index
from common.wire import Empty


@endpoint(
    "GET",
    "/v1/events/feed",
    access=Access.PUBLIC,
    cache=Cache(30),
    query=FeedQuery,
    returns=FeedPage,
    errors=(InvalidCursor,),
    # Every listed event is in memory.
    resources=Resources(memory_mb=1024),
)
async def get_feed(call: Call[Empty, FeedQuery]) -> FeedPage:
    """Events to go to: tonight, this weekend, of whom one follows, trending, nearby, or recommended with reasons.

    Nothing that the caller marked as not interesting. All pages show what was published before the first was asked for.
    The order recommended serves at most fifty events.
    """
    if call.query.mode is FeedMode.FOLLOWED and call.caller is None:
        raise Unauthenticated("Sign in to see the events of whom you follow.")
    index, visitor = await asyncio.gather(listing_index.current(), feed.visitor_of(call.caller, call.query))
    return feed.feed_page(index, call.query, visitor, clock.now())
