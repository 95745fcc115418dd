"""POST /v1/events/{eventId}/guests."""

from __future__ import annotations

from typing import Final

from common import clock
from common.endpoint import Call, endpoint
from common.errors import Forbidden
from common.events.rules import EventCancelled, EventCompleted, EventNotPublished, require_on_sale
from common.guests import rules, store
from common.guests.schemas import GuestsReply, GuestsRequest
from common.organizations.policy import event_role
from common.organizations.schemas import Role

STAFF: Final = event_role(Role.OWNER, Role.MANAGER, Role.COORDINATOR)


@endpoint(
    "POST",
    "/v1/events/{eventId}/guests",
    access=STAFF,
    body=GuestsRequest,
    returns=GuestsReply,
    errors=(Forbidden, EventNotPublished, EventCancelled, EventCompleted),
    max_body_bytes=512 * 1024,
)
async def invite_guests(call: Call[GuestsRequest]) -> GuestsReply:
    """Put people on the event's guest list; a private event is visible to them from now on.

    Each is told once: by push if the number or user is known and has a device, else by SMS. The same number or user
    twice is one guest, and repeating the call changes nothing; somebody who was removed is invited anew.
    """
    now = clock.now()
    event = (await STAFF.event(call)).event
    require_on_sale(event, now)
    wanted = [rules.new_guest(event.event_id, each, call.user.user_id, now) for each in call.body.guests]
    return GuestsReply(guests=tuple(map(rules.guest_reply, await store.invite(wanted, now))))
