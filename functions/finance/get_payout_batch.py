"""GET /v1/payout-batches/{date}."""

from __future__ import annotations

from common.access import Access
from common.endpoint import Call, endpoint
from common.errors import Forbidden, InvalidCursor
from common.finance import store
from common.finance.payouts import payout_reply
from common.finance.schemas import PayoutPage, PayoutsQuery
from common.wire import Empty


@endpoint(
    "GET",
    "/v1/payout-batches/{date}",
    access=Access.ADMIN,
    query=PayoutsQuery,
    returns=PayoutPage,
    errors=(Forbidden, InvalidCursor),
)
async def get_payout_batch(call: Call[Empty, PayoutsQuery]) -> PayoutPage:
    """The payouts of a day (2026-11-21, UTC), for the bank: those created on it, and those that had failed before.

    Transfer those that are `pending`, each under its payoutId, by which the bank knows a repeat.
    """
    found, cursor = await store.payouts_of_batch(call.path["date"], call.query.limit, call.query.cursor)
    return PayoutPage(items=tuple(map(payout_reply, found)), next_cursor=cursor)
