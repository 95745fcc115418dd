"""POST /v1/refunds/{refundId}/retry."""

from __future__ import annotations

from common.access import Access
from common.endpoint import Call, endpoint
from common.errors import NotFound
from common.organizations.schemas import Role
from common.organizations.store import role_of
from common.payments import refund_execution, store
from common.payments.refund_rules import RefundNotFailed
from common.payments.refunds import refund_reply
from common.payments.schemas import RefundReply


@endpoint(
    "POST", "/v1/refunds/{refundId}/retry", access=Access.SIGNED_IN, returns=RefundReply, errors=(RefundNotFailed,)
)
async def retry_refund(call: Call) -> RefundReply:
    """Try a failed refund once more, for owners and managers of the organization.

    Nothing is paid twice: every earlier attempt has failed at the provider for good.
    """
    refund = await store.find_refund(call.path["refundId"])
    if refund is None or await role_of(refund.org_id, call.user.user_id) not in {Role.OWNER, Role.MANAGER}:
        raise NotFound("There is no such refund.")
    return refund_reply(await refund_execution.retry(refund))
