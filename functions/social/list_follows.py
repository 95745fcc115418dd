"""GET /v1/follows."""

from __future__ import annotations

from common.access import Access
from common.endpoint import Call, endpoint
from common.errors import InvalidCursor
from common.social import rules, store
from common.social.schemas import FollowPage, FollowsQuery
from common.wire import Empty


@endpoint(
    "GET", "/v1/follows", access=Access.SIGNED_IN, query=FollowsQuery, returns=FollowPage, errors=(InvalidCursor,)
)
async def list_follows(call: Call[Empty, FollowsQuery]) -> FollowPage:
    """Whom the caller follows, the newest first; all, or those of one kind."""
    follows, cursor = await store.page_of_follower(call.user.user_id, call.query)
    return FollowPage(items=tuple(map(rules.follow_reply, follows)), next_cursor=cursor)
