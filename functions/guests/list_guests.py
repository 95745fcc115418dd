"""GET /v1/events/{eventId}/guests."""

from __future__ import annotations

from typing import Final

from common.endpoint import Call, endpoint
from common.errors import Forbidden, InvalidCursor
from common.guests import rules, store
from common.guests.schemas import GuestPage, GuestsQuery
from common.organizations.policy import event_role
from common.organizations.schemas import Role
from common.wire import Empty

STAFF: Final = event_role(Role.OWNER, Role.MANAGER, Role.COORDINATOR)


@endpoint(
    "GET",
    "/v1/events/{eventId}/guests",
    access=STAFF,
    query=GuestsQuery,
    returns=GuestPage,
    errors=(Forbidden, InvalidCursor),
)
async def list_guests(call: Call[Empty, GuestsQuery]) -> GuestPage:
    """The event's guest list, the latest invitations first, also of one status only."""
    event = (await STAFF.event(call)).event
    asked = call.query
    guests, cursor = await store.page_of_event(event.event_id, asked.status, asked.limit, asked.cursor)
    return GuestPage(items=tuple(map(rules.guest_reply, guests)), next_cursor=cursor)
