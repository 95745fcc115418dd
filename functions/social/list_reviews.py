"""GET /v1/events/{eventId}/reviews."""

from __future__ import annotations

from common.access import Access
from common.caching import Cache
from common.endpoint import Call, endpoint
from common.errors import InvalidCursor, NotFound
from common.events import store as events
from common.organizations.policy import require_visible
from common.social import reviews, rules
from common.social.schemas import ReviewPage, ReviewsQuery
from common.wire import Empty


@endpoint(
    "GET",
    "/v1/events/{eventId}/reviews",
    access=Access.PUBLIC,
    cache=Cache(30),
    query=ReviewsQuery,
    returns=ReviewPage,
    errors=(NotFound, InvalidCursor),
)
async def list_reviews(call: Call[Empty, ReviewsQuery]) -> ReviewPage:
    """What those who were there say of an event, the newest or the most helpful first.

    By helpfulness a review may be met twice or passed over where votes move it from page to page meanwhile.
    """
    event = await require_visible(await events.recent(call.path["eventId"]), call.caller)
    found, cursor = await reviews.page(event.event_id, call.query)
    return ReviewPage(items=tuple(map(rules.review_reply, found)), next_cursor=cursor)
