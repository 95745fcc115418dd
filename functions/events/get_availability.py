"""GET /v1/events/{eventId}/availability."""

from __future__ import annotations

from common import clock
from common.access import Access
from common.caching import Cache
from common.endpoint import Call, endpoint
from common.events import store
from common.events.schemas import Availability
from common.organizations.policy import require_visible


@endpoint("GET", "/v1/events/{eventId}/availability", access=Access.PUBLIC, returns=Availability, cache=Cache(2))
async def get_availability(call: Call) -> Availability:
    """How many units of each tier can be held right now. A draft has none yet, so it is not found."""
    event = await require_visible(await store.recent(call.path["eventId"]), call.caller)
    return await store.availability(event, clock.now())
