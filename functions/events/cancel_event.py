"""POST /v1/events/{eventId}/cancel."""

from __future__ import annotations

from typing import Final

from common import clock
from common.endpoint import Call, endpoint
from common.errors import Forbidden
from common.events import rules, store
from common.events.schemas import EventReply
from common.organizations.policy import event_role
from common.organizations.schemas import Role

ORGANIZERS: Final = event_role(Role.OWNER, Role.MANAGER)


@endpoint(
    "POST",
    "/v1/events/{eventId}/cancel",
    access=ORGANIZERS,
    returns=EventReply,
    errors=(Forbidden, rules.EventStateConflict, rules.EventCancelled, rules.EventCompleted),
)
async def cancel_event(call: Call) -> EventReply:
    """Call an event off; its sale closes at once, and whoever holds a ticket is told.

    Holds are released and paid orders refunded by tasks: `GET /v1/events/{eventId}/refund-run` tells how far that is.
    """
    now = clock.now()
    seen = await ORGANIZERS.event(call)
    after = rules.cancelled(seen.event, now)
    await store.cancel(seen, after)
    return rules.event_reply(after, now)
