"""POST /v1/payouts/{payoutId}/failed."""

from __future__ import annotations

from functools import partial

from common import clock
from common.access import Access
from common.endpoint import Call, endpoint
from common.errors import Forbidden, NotFound
from common.finance import rules, store
from common.finance.payouts import payout_reply
from common.finance.schemas import FailedRequest, PayoutReply


@endpoint(
    "POST",
    "/v1/payouts/{payoutId}/failed",
    access=Access.ADMIN,
    body=FailedRequest,
    returns=PayoutReply,
    errors=(Forbidden, NotFound, rules.UnknownTransfer),
)
async def mark_payout_failed(call: Call[FailedRequest]) -> PayoutReply:
    """Say that the bank gave a transfer back; the payout joins the next batch.

    The reference tells which transfer: a late repeat does not touch the one after it.
    """
    transfer = call.body.bank_reference
    decide = partial(rules.failed, bank_reference=transfer, reason=call.body.reason, now=clock.now())
    return payout_reply(await store.change_payout(call.path["payoutId"], decide))
