"""Who owns an organization after a role changed: it is never nobody."""

from __future__ import annotations

from typing import TYPE_CHECKING

from common.errors import Problem
from common.organizations.schemas import Role

if TYPE_CHECKING:
    from datetime import datetime

    from common.organizations.schemas import Organization


class LastOwner(Problem):
    status, code, title = 409, "last_owner", "The organization would have no owner left"


def with_role(organization: Organization, user_id: str, role: Role, now: datetime) -> Organization:
    """The organization after this person got this role."""
    others = tuple(owner for owner in organization.owner_ids if owner != user_id)
    owners = (*others, user_id) if role is Role.OWNER else others
    if not owners:
        raise LastOwner
    return organization.model_copy(update={"owner_ids": owners, "updated_at": now})
