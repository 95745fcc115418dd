"""GET /v1/events/{eventId}."""

from __future__ import annotations

from common import clock
from common.access import Access
from common.caching import Cache, Until, by_event
from common.endpoint import Call, endpoint
from common.events import rules, store
from common.events.schemas import EventReply
from common.organizations.policy import require_visible


@endpoint("GET", "/v1/events/{eventId}", access=Access.PUBLIC, returns=EventReply, cache=Cache(3600, tag=by_event))
async def get_event(call: Call) -> Until:
    """An event with its tiers.

    Drafts are there for members of the organization only, private events for them and for the guests on their list.
    """
    event = await require_visible(await store.find(call.path["eventId"]), call.caller)
    now = clock.now()
    return Until(rules.event_reply(event, now), rules.next_change(event, now))
