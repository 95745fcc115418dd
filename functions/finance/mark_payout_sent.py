"""POST /v1/payouts/{payoutId}/sent."""

from __future__ import annotations

from functools import partial

from common import clock
from common.access import Access
from common.endpoint import Call, endpoint
from common.errors import Forbidden, NotFound
from common.finance import rules, store
from common.finance.payouts import payout_reply
from common.finance.schemas import PayoutReply, SentRequest


@endpoint(
    "POST",
    "/v1/payouts/{payoutId}/sent",
    access=Access.ADMIN,
    body=SentRequest,
    returns=PayoutReply,
    errors=(Forbidden, NotFound, rules.PayoutStateConflict),
)
async def mark_payout_sent(call: Call[SentRequest]) -> PayoutReply:
    """Say that a pending payout was handed to the bank, under the bank's reference."""
    decide = partial(rules.sent, bank_reference=call.body.bank_reference, now=clock.now())
    return payout_reply(await store.change_payout(call.path["payoutId"], decide))
