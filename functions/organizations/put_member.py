"""PUT /v1/organizations/{orgId}/members/{userId}."""

from __future__ import annotations

from common import clock
from common.endpoint import Call, endpoint
from common.organizations import store
from common.organizations.policy import organization_role
from common.organizations.rules import LastOwner
from common.organizations.schemas import MemberReply, MemberRequest, Role


@endpoint(
    "PUT",
    "/v1/organizations/{orgId}/members/{userId}",
    access=organization_role(Role.OWNER),
    body=MemberRequest,
    returns=MemberReply,
    errors=(LastOwner,),
)
async def put_member(call: Call[MemberRequest]) -> MemberReply:
    """Give a person a role in the organization, or another one.

    The person need not have signed in yet. The last owner keeps their role.
    """
    member = await store.put_member(
        call.path["orgId"], call.path["userId"], call.body.role, call.user.user_id, clock.now()
    )
    return MemberReply(org_id=member.org_id, user_id=member.user_id, role=member.role, updated_at=member.updated_at)
