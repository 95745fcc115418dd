"""GET /v1/invitations."""

from __future__ import annotations

from common import clock
from common.access import Access
from common.endpoint import Call, endpoint
from common.errors import InvalidCursor
from common.guests import rules, store
from common.guests.schemas import InvitationPage, InvitationsQuery
from common.wire import Empty


@endpoint(
    "GET",
    "/v1/invitations",
    access=Access.SIGNED_IN,
    query=InvitationsQuery,
    returns=InvitationPage,
    errors=(InvalidCursor,),
)
async def list_invitations(call: Call[Empty, InvitationsQuery]) -> InvitationPage:
    """What the caller is invited to, also by their verified phone number, the latest invitations first."""
    now = clock.now()
    found, cursor = await store.page_of_caller(call.user, call.query.limit, call.query.cursor)
    items = tuple(rules.invitation_reply(guest, event, now) for guest, event in found)
    return InvitationPage(items=items, next_cursor=cursor)
