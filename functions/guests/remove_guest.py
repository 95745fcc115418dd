"""DELETE /v1/events/{eventId}/guests/{guestId}."""

from __future__ import annotations

from typing import Final

from common.endpoint import Call, endpoint
from common.errors import Forbidden
from common.guests import store
from common.organizations.policy import event_role
from common.organizations.schemas import Role

STAFF: Final = event_role(Role.OWNER, Role.MANAGER, Role.COORDINATOR)


@endpoint("DELETE", "/v1/events/{eventId}/guests/{guestId}", access=STAFF, status=204, errors=(Forbidden,))
async def remove_guest(call: Call) -> None:
    """Take a guest off the list: no booking of a private event that they begin after this reply succeeds.

    What they hold or bought before stays theirs; an organizer refunds it where that is wanted. Repeating it changes
    nothing.
    """
    event = (await STAFF.event(call)).event
    await store.remove(event.event_id, call.path["guestId"])
