"""GET /v1/tickets."""

from __future__ import annotations

from common import clock
from common.access import Access
from common.endpoint import Call, endpoint
from common.tickets import store
from common.tickets.rules import sort_lists
from common.tickets.schemas import TicketLists


@endpoint("GET", "/v1/tickets", access=Access.SIGNED_IN, returns=TicketLists)
async def list_tickets(call: Call) -> TicketLists:
    """List the caller's tickets, also those sent to their verified phone number."""
    return sort_lists(await store.of_holder(call.user), clock.now())
