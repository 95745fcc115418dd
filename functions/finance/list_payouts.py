"""GET /v1/organizations/{orgId}/payouts."""

from __future__ import annotations

from common.endpoint import Call, endpoint
from common.errors import Forbidden, InvalidCursor, NotFound
from common.finance import store
from common.finance.payouts import payout_reply
from common.finance.schemas import PayoutPage, PayoutsQuery
from common.organizations.policy import organization_role
from common.organizations.schemas import Role
from common.wire import Empty


@endpoint(
    "GET",
    "/v1/organizations/{orgId}/payouts",
    access=organization_role(Role.OWNER),
    query=PayoutsQuery,
    returns=PayoutPage,
    errors=(Forbidden, NotFound, InvalidCursor),
)
async def list_payouts(call: Call[Empty, PayoutsQuery]) -> PayoutPage:
    """The organization's payouts, newest first."""
    found, cursor = await store.payouts_of_organization(call.path["orgId"], call.query.limit, call.query.cursor)
    return PayoutPage(items=tuple(map(payout_reply, found)), next_cursor=cursor)
