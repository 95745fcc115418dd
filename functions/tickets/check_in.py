"""POST /v1/events/{eventId}/check-ins."""

from __future__ import annotations

from typing import Final

from common.endpoint import Call, endpoint
from common.errors import Forbidden
from common.ids import new_id
from common.organizations.policy import event_role
from common.organizations.schemas import Role
from common.tickets import qr, store
from common.tickets.rules import Scan
from common.tickets.schemas import CheckInReply, CheckInRequest, TicketCode

AT_THE_DOOR: Final = event_role(Role.DOOR, Role.COORDINATOR, Role.MANAGER, Role.OWNER)


@endpoint(
    "POST",
    "/v1/events/{eventId}/check-ins",
    access=AT_THE_DOOR,
    body=CheckInRequest,
    returns=CheckInReply,
    errors=(Forbidden, qr.QrInvalid, store.ScanIdReused),
    secrets=("TICKET_SIGNING_KEY",),
)
async def check_in(call: Call[CheckInRequest]) -> CheckInReply:
    """Scan a ticket at the door; every role of the event's organization may.

    The answer is 200 with a `result`; only a text that we never signed is refused. A `scanId` makes a repeat safe.
    """
    stored = await AT_THE_DOOR.event(call)
    asked = call.body
    scan = Scan(
        scan_id=asked.scan_id or new_id("scn"),
        code=_code(asked.qr),
        by=call.user.user_id,
        gate=asked.gate,
        device_id=asked.device_id,
        made_at=asked.scanned_at,
    )
    return await store.check_in(stored.event, scan)


def _code(text: str) -> TicketCode:
    try:
        return qr.decode(text)
    except qr.QrInvalid:
        raise qr.QrInvalid(result="unknown") from None
