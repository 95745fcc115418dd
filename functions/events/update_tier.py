"""PATCH /v1/events/{eventId}/tiers/{tierId}."""

from __future__ import annotations

from typing import Final

from common import clock
from common.endpoint import Call, endpoint
from common.errors import Forbidden
from common.events import rules, store
from common.events.schemas import EventReply, TierPatch
from common.orders.capacity import CapacityBelowSold
from common.organizations.policy import event_role
from common.organizations.schemas import Role

ORGANIZERS: Final = event_role(Role.OWNER, Role.MANAGER)


@endpoint(
    "PATCH",
    "/v1/events/{eventId}/tiers/{tierId}",
    access=ORGANIZERS,
    body=TierPatch,
    returns=EventReply,
    errors=(Forbidden, rules.EventCancelled, rules.EventCompleted, CapacityBelowSold),
)
async def update_tier(call: Call[TierPatch]) -> EventReply:
    """Change a tier, also while it sells; what is absent stays, null takes away what a tier can be without.

    Orders that are held keep their price. The capacity can be any number down to what is held or sold. No booking of a
    paused tier follows this reply. Other prices and limits may be met for five seconds more.
    """
    now = clock.now()
    seen = await ORGANIZERS.event(call)
    after = await store.change_tier(seen.event.event_id, call.path["tierId"], call.body, now)
    return rules.event_reply(after, now)
