"""PATCH /v1/organizations/{orgId}."""

from __future__ import annotations

from common import clock
from common.endpoint import Call, endpoint
from common.organizations import store
from common.organizations.policy import organization_role
from common.organizations.schemas import OrganizationPatch, OrganizationReply, Role


@endpoint(
    "PATCH",
    "/v1/organizations/{orgId}",
    access=organization_role(Role.OWNER),
    body=OrganizationPatch,
    returns=OrganizationReply,
)
async def update_organization(call: Call[OrganizationPatch]) -> OrganizationReply:
    """Name the account at Paystack to which ticket sales are paid directly.

    It holds for payments begun from now on. Owners only: it says where the money goes.
    """
    organization = await store.name_subaccount(call.path["orgId"], call.body.paystack_subaccount, clock.now())
    return OrganizationReply(
        org_id=organization.org_id,
        name=organization.name,
        country=organization.country,
        currency=organization.currency,
        role=Role.OWNER,
        created_at=organization.created_at,
        paystack_subaccount=organization.paystack_subaccount,
    )
