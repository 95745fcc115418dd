"""PATCH /v1/events/{eventId}."""

from __future__ import annotations

from typing import Final

from common import clock
from common.catalogue.rules import UnknownTour
from common.catalogue.store import require_tour
from common.endpoint import Call, endpoint
from common.errors import Forbidden
from common.events import rules, store
from common.events.schemas import EventPatch, EventReply
from common.organizations.policy import event_role
from common.organizations.schemas import Role

ORGANIZERS: Final = event_role(Role.OWNER, Role.MANAGER)


@endpoint(
    "PATCH",
    "/v1/events/{eventId}",
    access=ORGANIZERS,
    body=EventPatch,
    returns=EventReply,
    errors=(
        Forbidden,
        rules.EventStateConflict,
        rules.EventCancelled,
        rules.EventCompleted,
        rules.TiersFixed,
        rules.EventIncomplete,
        UnknownTour,
    ),
)
async def update_event(call: Call[EventPatch]) -> EventReply:
    """Change an event; what is absent stays.

    Once it is published its tiers are fixed, once it is cancelled or over all of it is.
    """
    now = clock.now()
    seen = await ORGANIZERS.event(call)
    await require_tour(call.body.tour_id, seen.event.org_id)
    after = rules.changed(seen.event, call.body, now)
    await store.change(seen, after)
    return rules.event_reply(after, now)
