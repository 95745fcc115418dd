"""POST /v1/events/{eventId}/updates."""

from __future__ import annotations

from typing import Final

from common import clock
from common.endpoint import Call, Idempotency, endpoint
from common.errors import Forbidden
from common.events.rules import EventCancelled, EventCompleted, EventNotPublished, require_on_sale
from common.organizations.policy import event_role
from common.organizations.schemas import Role
from common.updates import rules, store
from common.updates.schemas import UpdateReply, UpdateRequest

STAFF: Final = event_role(Role.OWNER, Role.MANAGER, Role.COORDINATOR)


@endpoint(
    "POST",
    "/v1/events/{eventId}/updates",
    access=STAFF,
    body=UpdateRequest,
    returns=UpdateReply,
    status=201,
    errors=(Forbidden, EventNotPublished, EventCancelled, EventCompleted),
    idempotency=Idempotency.RECORDED,
)
async def create_update(call: Call[UpdateRequest]) -> UpdateReply:
    """Tell everybody who holds a ticket something about the event, by push and mail.

    Each person is told once, however many tickets they hold; an SMS goes to those who have no mail address. A new
    time, venue or name and a cancellation are told without this call.
    """
    now = clock.now()
    event = (await STAFF.event(call)).event
    require_on_sale(event, now)
    update = rules.announced(event, call.body, call.id_for("upd"), call.user.user_id, now)
    return rules.update_reply(await store.post(update))
