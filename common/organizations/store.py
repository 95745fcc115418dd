"""Organizations in Firestore: organizations/{orgId} and organizations/{orgId}/members/{userId}."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from common import clients
from common.errors import NotFound, TemporarilyUnavailable
from common.organizations import rules
from common.organizations.schemas import Member, Organization, Role

if TYPE_CHECKING:
    from datetime import datetime

    from google.cloud.firestore import AsyncDocumentReference

    from common.organizations.schemas import OrganizationPatch

MOST_ATTEMPTS: Final = 5


def _organization(org_id: str) -> AsyncDocumentReference:
    return clients.firestore().collection("organizations").document(org_id)


def _member(org_id: str, user_id: str) -> AsyncDocumentReference:
    return _organization(org_id).collection("members").document(user_id)


async def find(org_id: str) -> Organization | None:
    """The organization of this id."""
    snapshot = await _organization(org_id).get()
    return Organization.of(snapshot.to_dict()) if snapshot.exists else None


async def role_of(org_id: str, user_id: str) -> Role | None:
    """The person's role in the organization, None for strangers."""
    snapshot = await _member(org_id, user_id).get()
    return Member.of(snapshot.to_dict()).role if snapshot.exists else None


async def owners_of(org_id: str) -> tuple[str, ...]:
    """The user ids of the owners."""
    found = await find(org_id)
    return found.owner_ids if found else ()


async def create(new: Organization) -> Organization:
    """Store a new organization with its creator as owner, in one commit. A repeat gets what the first stored."""
    from google.api_core.exceptions import AlreadyExists

    (owner_id,) = new.owner_ids
    owner = Member(
        org_id=new.org_id, user_id=owner_id, role=Role.OWNER, appointed_by=owner_id, updated_at=new.created_at
    )
    batch = clients.firestore().batch()
    batch.create(_organization(new.org_id), new.document())
    batch.create(_member(new.org_id, owner_id), owner.document())
    try:
        await batch.commit()
    except AlreadyExists:
        return Organization.of((await _organization(new.org_id).get()).to_dict())
    return new


async def agree_commission(org_id: str, basis_points: int | None, now: datetime) -> None:
    """Keep the rate of commission that was agreed with the organization; None: by volume."""
    from google.api_core.exceptions import NotFound as NoSuchDocument

    try:
        await _organization(org_id).update({"commissionBasisPoints": basis_points, "updatedAt": now})
    except NoSuchDocument:
        raise NotFound("There is no such organization.") from None


async def change(org_id: str, patch: OrganizationPatch, now: datetime) -> Organization:
    """Write what the patch gives and nothing else, so that of two changes at once neither is lost."""
    given = patch.model_dump(by_alias=True, exclude_unset=True)
    given |= {name: () for name in ("images", "links") if name in given and given[name] is None}
    await _organization(org_id).update(given | {"updatedAt": now})
    return Organization.of((await _organization(org_id).get()).to_dict())


async def put_member(org_id: str, user_id: str, role: Role, appointed_by: str, now: datetime) -> Member:
    """Give a person a role. The organization is written too: of two changes at once the second one decides anew."""
    from google.api_core.exceptions import FailedPrecondition

    member = Member(org_id=org_id, user_id=user_id, role=role, appointed_by=appointed_by, updated_at=now)
    for _ in range(MOST_ATTEMPTS):
        snapshot = await _organization(org_id).get()
        if not snapshot.exists:
            raise NotFound
        changed = rules.with_role(Organization.of(snapshot.to_dict()), user_id, role, now)
        batch = clients.firestore().batch()
        seen = clients.firestore().write_option(last_update_time=snapshot.update_time)
        batch.update(_organization(org_id), changed.document(), option=seen)
        batch.set(_member(org_id, user_id), member.document())
        try:
            await batch.commit()
        except FailedPrecondition:
            continue
        return member
    raise TemporarilyUnavailable("Too many changed the organization at the same time.")
