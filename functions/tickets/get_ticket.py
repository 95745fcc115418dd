"""GET /v1/tickets/{ticketId}."""

from __future__ import annotations

from common.access import Access
from common.endpoint import Call, endpoint
from common.errors import NotFound
from common.tickets import qr, store
from common.tickets.qr_picture import svg
from common.tickets.rules import code_of, holds, reply_of
from common.tickets.schemas import TicketWithCode


@endpoint(
    "GET",
    "/v1/tickets/{ticketId}",
    access=Access.SIGNED_IN,
    returns=TicketWithCode,
    secrets=("TICKET_SIGNING_KEY",),
)
async def get_ticket(call: Call) -> TicketWithCode:
    """Read a ticket of the caller with the code that opens the door."""
    ticket = await store.find(call.path["ticketId"])
    if ticket is None or not holds(call.user, ticket):
        raise NotFound
    text = qr.encode(code_of(ticket))
    return TicketWithCode(**reply_of(ticket).model_dump(), qr=text, qr_svg=svg(text))
