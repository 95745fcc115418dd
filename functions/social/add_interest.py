"""POST /v1/events/{eventId}/interest."""

from __future__ import annotations

from functools import partial

from common import clock
from common.access import Access
from common.endpoint import Call, endpoint
from common.errors import NotFound
from common.events import store as events
from common.events.rules import EventCancelled, EventCompleted, require_open
from common.organizations.policy import require_visible
from common.social import interests, rules
from common.social.schemas import InterestKind, InterestReply, InterestRequest


@endpoint(
    "POST",
    "/v1/events/{eventId}/interest",
    access=Access.SIGNED_IN,
    body=InterestRequest,
    returns=InterestReply,
    errors=(NotFound, EventCancelled, EventCompleted),
)
async def add_interest(call: Call[InterestRequest]) -> InterestReply:
    """Say what the caller did with an event; each person counts once for each kind.

    Who is `going` is `interested`. `not_interested` ends liking, interest and going and hides the event from the
    caller's feed; each of the three ends it. What is called off or over is nothing to go to.
    """
    now, kind = clock.now(), call.body.kind
    event = await require_visible(await events.recent(call.path["eventId"]), call.caller)
    if kind in (InterestKind.INTERESTED, InterestKind.GOING):
        require_open(event, now)
    done = partial(rules.noted, kind=kind, now=now)
    return rules.interest_reply(await interests.change(call.user.user_id, event.event_id, done, now))
