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
        rules.FixedAfterSales,
        rules.FixedAfterStart,
        rules.EventIncomplete,
        UnknownTour,
    ),
)
async def update_event(call: Call[EventPatch]) -> EventReply:
    """Change an event as far as its state allows; what is absent stays, null takes away what it can be without.

    A draft changes freely. Once published its tiers are fixed, its start stays ahead, and whoever holds a ticket is
    told of a new time, venue or name. While units are held or sold the age restriction is only lowered, and a public
    event stays public. Once it has started, startsAt, doorsAt, timezone and venue are fixed; once it is cancelled or
    over, everything is.
    """
    now = clock.now()
    seen = await ORGANIZERS.event(call)
    await require_tour(call.body.tour_id, seen.event.org_id)
    after = rules.changed(seen.event, call.body, now)
    await store.change(seen, after)
    return rules.event_reply(after, now)
