"""GET /v1/events/{eventId}."""

from __future__ import annotations

from common import clock
from common.access import Access
from common.endpoint import Call, endpoint
from common.events import rules, store
from common.events.schemas import EventReply
from common.organizations.policy import require_visible


@endpoint("GET", "/v1/events/{eventId}", access=Access.PUBLIC, returns=EventReply)
async def get_event(call: Call) -> EventReply:
    """An event with its tiers.

    Drafts are there for members of the organization only, private events for them and for the guests on their list.
    """
    event = await require_visible(await store.find(call.path["eventId"]), call.caller)
    return rules.event_reply(event, clock.now())
