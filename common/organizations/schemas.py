"""The shapes of organizations and of the roles that people have in them."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Self

from pydantic import StringConstraints, model_validator

from common.catalogue.schemas import About, Link, Links
from common.events.schemas import Image, Images
from common.money import Currency
from common.wire import Name, Record, UtcDatetime, Wire

Country = Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")]


class Role(StrEnum):
    """What a person may do for an organization. Owners also appoint the others."""

    OWNER = "owner"
    MANAGER = "manager"
    COORDINATOR = "coordinator"
    DOOR = "door"


class OrganizationRequest(Wire):
    """POST /v1/organizations: the country as ISO 3166 code, the currency in which all its tiers are priced."""

    name: Name
    country: Country
    currency: Currency


class OrganizationPatch(Wire):
    """PATCH /v1/organizations/{orgId}: what is absent stays, null takes it away.

    `paystackSubaccount` is the account at Paystack that its ticket sales are paid to; null: none, to us. All else
    is for its public page.
    """

    paystack_subaccount: Annotated[str, StringConstraints(pattern=r"^ACCT_[A-Za-z0-9]{1,40}$")] | None = None
    description: About | None = None
    images: Images | None = None
    links: Links | None = None

    @model_validator(mode="after")
    def _changes_something(self) -> Self:
        if not self.model_fields_set:
            raise ValueError("nothing to change")
        return self


class MemberRequest(Wire):
    """PUT /v1/organizations/{orgId}/members/{userId}."""

    role: Role


class Organization(Record):
    """organizations/{orgId}. The owners stand in it, so that one guarded write keeps at least one of them."""

    org_id: str
    name: str
    country: str
    currency: str
    owner_ids: tuple[str, ...]
    created_at: UtcDatetime
    updated_at: UtcDatetime
    # Agreed with an admin; None: by volume.
    commission_basis_points: int | None = None
    paystack_subaccount: str | None = None
    description: str | None = None
    images: tuple[Image, ...] = ()
    links: tuple[Link, ...] = ()


class Member(Record):
    """organizations/{orgId}/members/{userId}."""

    org_id: str
    user_id: str
    role: Role
    appointed_by: str
    updated_at: UtcDatetime


class OrganizationReply(Wire):
    """An organization, and the caller's role in it."""

    org_id: str
    name: str
    country: str
    currency: str
    role: Role
    created_at: UtcDatetime
    paystack_subaccount: str | None = None
    description: str | None = None
    images: tuple[Image, ...] = ()
    links: tuple[Link, ...] = ()


class MemberReply(Wire):
    """A person's role in an organization."""

    org_id: str
    user_id: str
    role: Role
    updated_at: UtcDatetime
