"""GET /v1/events/{eventId}/statement."""

from __future__ import annotations

from typing import Final

from common.endpoint import Call, endpoint
from common.errors import Forbidden
from common.finance import statements
from common.finance.schemas import StatementReply
from common.organizations.policy import event_role
from common.organizations.schemas import Role

ORGANIZERS: Final = event_role(Role.OWNER, Role.MANAGER)


@endpoint("GET", "/v1/events/{eventId}/statement", access=ORGANIZERS, returns=StatementReply, errors=(Forbidden,))
async def get_statement(call: Call) -> StatementReply:
    """What the event sold, what was taken off, and what its organizer is owed.

    The commission is an estimate until the event is settled, some days after its end. The ledger is summed up by the
    database: the call costs the same whatever was sold.
    """
    seen = await ORGANIZERS.event(call)
    return await statements.of_event(seen.event)
