"""GET /v1/events/{eventId}/updates."""

from __future__ import annotations

from common.access import Access
from common.caching import Cache
from common.endpoint import Call, endpoint
from common.errors import InvalidCursor
from common.events import store as events
from common.organizations.policy import require_visible
from common.updates import rules, store
from common.updates.schemas import UpdatePage, UpdatesQuery
from common.wire import Empty


@endpoint(
    "GET",
    "/v1/events/{eventId}/updates",
    access=Access.PUBLIC,
    cache=Cache(30),
    query=UpdatesQuery,
    returns=UpdatePage,
    errors=(InvalidCursor,),
)
async def list_updates(call: Call[Empty, UpdatesQuery]) -> UpdatePage:
    """What was told about an event, newest first, for everybody who may see the event."""
    event = await require_visible(await events.find(call.path["eventId"]), call.caller)
    updates, cursor = await store.page(event.event_id, call.query.limit, call.query.cursor)
    return UpdatePage(items=tuple(map(rules.update_reply, updates)), next_cursor=cursor)
