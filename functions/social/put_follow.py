"""PUT /v1/follows/{kind}/{targetId}."""

from __future__ import annotations

from common import clock
from common.access import Access
from common.endpoint import Call, endpoint
from common.errors import NotFound
from common.social import rules, store
from common.social.schemas import FollowReply, FollowRequest


@endpoint(
    "PUT",
    "/v1/follows/{kind}/{targetId}",
    access=Access.SIGNED_IN,
    body=FollowRequest,
    returns=FollowReply,
    errors=(NotFound, rules.FollowLimitReached),
)
async def put_follow(call: Call[FollowRequest]) -> FollowReply:
    """Follow a venue, artist or organization, or change whether to be told of its new events.

    `kind` is `venue`, `artist` or `organization`; up to a thousand of each. A venue or artist is known once a public
    event names it.
    """
    kind = rules.follow_kind(call.path["kind"])
    target_id = call.path["targetId"]
    name = await store.name_of(kind, target_id)
    return rules.follow_reply(
        await store.follow(call.user.user_id, kind, target_id, name, clock.now(), notify=call.body.notify)
    )
