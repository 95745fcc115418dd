"""DELETE /v1/events/{eventId}/interest/{kind}."""

from __future__ import annotations

from functools import partial

from common import clock
from common.access import Access
from common.endpoint import Call, endpoint
from common.errors import NotFound
from common.social import interests, rules
from common.social.schemas import InterestReply


@endpoint(
    "DELETE",
    "/v1/events/{eventId}/interest/{kind}",
    access=Access.SIGNED_IN,
    returns=InterestReply,
    errors=(NotFound,),
)
async def remove_interest(call: Call) -> InterestReply:
    """Take one of these back; what is left. Who is no longer `interested` is not `going` either."""
    kind = rules.interest_kind(call.path["kind"])
    back = partial(rules.withdrawn, kind=kind)
    return rules.interest_reply(await interests.change(call.user.user_id, call.path["eventId"], back, clock.now()))
