"""GET /v1/events/{eventId}/social."""

from __future__ import annotations

from common.access import Access
from common.caching import Cache
from common.endpoint import Call, endpoint
from common.events import store as events
from common.organizations.policy import require_visible
from common.social import counters
from common.social.schemas import EventSocial


@endpoint("GET", "/v1/events/{eventId}/social", access=Access.PUBLIC, cache=Cache(30), returns=EventSocial)
async def get_event_social(call: Call) -> EventSocial:
    """How many viewed, liked, shared, want to go and attend, and how it is rated.

    Interest and ratings are exact some seconds after the last change, attendees within two minutes.
    """
    event = await require_visible(await events.recent(call.path["eventId"]), call.caller)
    return await counters.of_event(event.event_id)
