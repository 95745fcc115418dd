"""POST /v1/organizations."""

from __future__ import annotations

from common import clock
from common.access import Access
from common.endpoint import Call, Idempotency, endpoint
from common.organizations import store
from common.organizations.schemas import Organization, OrganizationReply, OrganizationRequest, Role


@endpoint(
    "POST",
    "/v1/organizations",
    access=Access.SIGNED_IN,
    body=OrganizationRequest,
    returns=OrganizationReply,
    status=201,
    idempotency=Idempotency.RECORDED,
)
async def create_organization(call: Call[OrganizationRequest]) -> OrganizationReply:
    """Found an organization; the caller is its owner."""
    now = clock.now()
    organization = await store.create(
        Organization(
            org_id=call.id_for("org"),
            name=call.body.name,
            country=call.body.country,
            currency=call.body.currency,
            owner_ids=(call.user.user_id,),
            created_at=now,
            updated_at=now,
        )
    )
    return OrganizationReply(
        org_id=organization.org_id,
        name=organization.name,
        country=organization.country,
        currency=organization.currency,
        role=Role.OWNER,
        created_at=organization.created_at,
    )
