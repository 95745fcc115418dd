"""POST /v1/events/{eventId}/invitation."""

from __future__ import annotations

from common import clock
from common.access import Access
from common.endpoint import Call, endpoint
from common.errors import NotFound
from common.events import store as events
from common.events.rules import EventCancelled, EventCompleted, require_open
from common.guests import rules, store
from common.guests.schemas import AnswerRequest, InvitationReply
from common.organizations.policy import require_visible


@endpoint(
    "POST",
    "/v1/events/{eventId}/invitation",
    access=Access.SIGNED_IN,
    body=AnswerRequest,
    returns=InvitationReply,
    errors=(NotFound, EventCancelled, EventCompleted),
)
async def answer_invitation(call: Call[AnswerRequest]) -> InvitationReply:
    """Accept or decline an invitation, as often as one likes; it buys no ticket.

    An invitation to a phone number becomes the caller's own with their first answer.
    """
    now = clock.now()
    event = await require_visible(await events.find(call.path["eventId"]), call.user)
    require_open(event, now)
    guest = await store.answer(event.event_id, call.user, call.body.answer, now)
    return rules.invitation_reply(guest, event, now)
