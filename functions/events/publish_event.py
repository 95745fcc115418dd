"""POST /v1/events/{eventId}/publish."""

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
    "/v1/events/{eventId}/publish",
    access=ORGANIZERS,
    returns=EventReply,
    errors=(
        Forbidden,
        rules.EventStateConflict,
        rules.AlreadyPublished,
        rules.EventCancelled,
        rules.EventCompleted,
        rules.EventIncomplete,
    ),
)
async def publish_event(call: Call) -> EventReply:
    """Put a draft on sale; it needs a genre, a tier and an end in the future."""
    now = clock.now()
    seen = await ORGANIZERS.event(call)
    after = rules.published(seen.event, now)
    await store.publish(seen, after)
    return rules.event_reply(after, now)
