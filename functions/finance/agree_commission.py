"""PUT /v1/organizations/{orgId}/commission."""

from __future__ import annotations

from common import clock
from common.access import Access
from common.endpoint import Call, endpoint
from common.errors import Forbidden, NotFound
from common.finance.schemas import CommissionTerms, CommissionTermsReply
from common.organizations import store


@endpoint(
    "PUT",
    "/v1/organizations/{orgId}/commission",
    access=Access.ADMIN,
    body=CommissionTerms,
    returns=CommissionTermsReply,
    errors=(Forbidden, NotFound),
)
async def agree_commission(call: Call[CommissionTerms]) -> CommissionTermsReply:
    """Agree a rate of commission with an organization, 5 to 15 %; null: by volume again.

    It applies to the events that are settled from now on.
    """
    await store.agree_commission(call.path["orgId"], call.body.basis_points, clock.now())
    return CommissionTermsReply(org_id=call.path["orgId"], basis_points=call.body.basis_points)
