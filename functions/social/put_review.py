"""PUT /v1/events/{eventId}/review."""

from __future__ import annotations

import asyncio

from common import clock
from common.access import Access
from common.accounts import store as accounts
from common.endpoint import Call, endpoint
from common.errors import NotFound
from common.events import store as events
from common.events.rules import EventCancelled
from common.organizations.policy import require_visible
from common.organizations.store import role_of
from common.social import reviews, rules
from common.social.schemas import ReviewReply, ReviewRequest
from common.tickets import store as tickets
from common.tickets.schemas import TicketStatus


@endpoint(
    "PUT",
    "/v1/events/{eventId}/review",
    access=Access.SIGNED_IN,
    body=ReviewRequest,
    returns=ReviewReply,
    errors=(NotFound, EventCancelled, rules.EventNotStarted, rules.OwnReview, rules.NotAttended),
)
async def put_review(call: Call[ReviewRequest]) -> ReviewReply:
    """Review an event that has begun, once; a second review replaces the first.

    For those whose ticket was used at the door, and after the end of an event at whose door nobody was scanned for
    everybody with a valid ticket. Members of the organization do not review its events. The name that is shown is the
    caller's display name, or Guest.
    """
    now, user_id = clock.now(), call.user.user_id
    event = await require_visible(await events.recent(call.path["eventId"]), call.caller)
    rules.check_review_time(event, now)
    role, held, profile = await asyncio.gather(
        role_of(event.org_id, user_id), tickets.of_holder_at(call.user, event.event_id), accounts.profile(user_id)
    )
    if role is not None:
        raise rules.OwnReview("It is an event of your organization.")
    proof = rules.proof_of_attendance(held, over=event.ends_at <= now)
    unscanned = proof is TicketStatus.VALID and not await tickets.anybody_was_admitted(event.event_id)
    if proof is not TicketStatus.USED and not unscanned:
        raise rules.NotAttended
    name = profile.display_name if profile else None
    return rules.review_reply(await reviews.put(user_id, event.event_id, call.body, name, now))
