"""GET /v1/payouts/{payoutId}."""

from __future__ import annotations

from common.access import Access
from common.endpoint import Call, endpoint
from common.errors import Forbidden, NotFound
from common.finance import store
from common.finance.payouts import payout_reply
from common.finance.schemas import PayoutReply
from common.organizations.schemas import Role
from common.organizations.store import role_of


@endpoint("GET", "/v1/payouts/{payoutId}", access=Access.SIGNED_IN, returns=PayoutReply, errors=(Forbidden, NotFound))
async def get_payout(call: Call) -> PayoutReply:
    """A payout with its events, for the owners of its organization and for admins."""
    payout = await store.find_payout(call.path["payoutId"])
    role = await role_of(payout.org_id, call.user.user_id) if payout and not call.user.is_admin else None
    if payout is None or (role is None and not call.user.is_admin):
        raise NotFound("There is no such payout.")
    if role is not Role.OWNER and not call.user.is_admin:
        raise Forbidden
    return payout_reply(payout)
