"""GET /v1/events/{eventId}/review."""

from __future__ import annotations

from common.access import Access
from common.endpoint import Call, endpoint
from common.errors import NotFound
from common.social import reviews, rules
from common.social.schemas import ReviewReply


@endpoint("GET", "/v1/events/{eventId}/review", access=Access.SIGNED_IN, returns=ReviewReply, errors=(NotFound,))
async def get_my_review(call: Call) -> ReviewReply:
    """The caller's own review of an event, to be shown and edited."""
    mine = reviews.review_id(call.user.user_id, call.path["eventId"])
    return rules.review_reply(await reviews.find(mine))
