"""GET /v1/events/{eventId}/refund-run."""

from __future__ import annotations

from typing import Final

from common.endpoint import Call, endpoint
from common.errors import Forbidden, NotFound
from common.organizations.policy import event_role
from common.organizations.schemas import Role
from common.payments import event_refunds
from common.payments.schemas import RefundRunReply

ORGANIZERS: Final = event_role(Role.OWNER, Role.MANAGER)


@endpoint("GET", "/v1/events/{eventId}/refund-run", access=ORGANIZERS, returns=RefundRunReply, errors=(Forbidden,))
async def get_refund_run(call: Call) -> RefundRunReply:
    """How far the orders of a cancelled event are given back. 404 for an event that was not cancelled."""
    seen = await ORGANIZERS.event(call)
    run = await event_refunds.find(seen.event.event_id)
    if run is None:
        raise NotFound("The event was not cancelled.")
    return event_refunds.run_reply(run)
