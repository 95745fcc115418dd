"""GET /v1/events/{eventId}/interest."""

from __future__ import annotations

from common.access import Access
from common.endpoint import Call, endpoint
from common.social import interests, rules
from common.social.schemas import InterestReply


@endpoint("GET", "/v1/events/{eventId}/interest", access=Access.SIGNED_IN, returns=InterestReply)
async def get_interest(call: Call) -> InterestReply:
    """What the caller did with an event; nothing where they never said anything of it."""
    return rules.interest_reply(await interests.interest_of(call.user.user_id, call.path["eventId"]))
