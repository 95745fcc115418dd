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
    """Describe the organization on its public page, or name the account at Paystack that ticket sales are paid to.

    The account holds for payments begun from now on. Owners only: it says where the money goes.
    """
    organization = await store.change(call.path["orgId"], call.body, clock.now())
    seen = {name: getattr(organization, name) for name in OrganizationReply.model_fields if name != "role"}
    return OrganizationReply(**seen, role=Role.OWNER)
