"""Who may write on a public page: organizers where they have a part in it, and admins."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from common.access import Access, SignIn
from common.catalogue import store
from common.catalogue.kinds import TOUR
from common.catalogue.rules import NoEventThere
from common.errors import NotFound, ValidationFailed
from common.organizations import store as organizations
from common.organizations.policy import require_role
from common.organizations.schemas import Role

if TYPE_CHECKING:
    from common.catalogue.kinds import Kind
    from common.catalogue.schemas import Tour
    from common.endpoint import Call

ORGANIZERS: Final = (Role.OWNER, Role.MANAGER)


async def _describes(call: Call[Any, Any]) -> None:
    org_id = call.body.org_id
    if org_id is None:
        if not call.user.is_admin:
            missing = {"field": "orgId", "code": "missing", "message": "say which organization describes it"}
            raise ValidationFailed(errors=[missing])
    elif not call.user.is_admin:
        await require_role(org_id, call.user, ORGANIZERS)
    elif await organizations.find(org_id) is None:
        raise NotFound("There is no such organization.")


# An owner or manager of the organization that the body names, or an admin, who may name any or none.
DESCRIBERS: Final = Access(f"describers:{','.join(ORGANIZERS)},admin", SignIn.REQUIRED, _describes)


async def require_event(kind: Kind, id_: str, call: Call[Any, Any]) -> None:
    """Refuse an organization that published nothing there or with them. A draft or a private event is no claim."""
    if not call.user.is_admin and not await store.has_event(kind, id_, call.body.org_id):
        raise NoEventThere


@dataclass(frozen=True)
class TourAccess(Access):
    """An owner or manager of the organization whose tour the path names. The handler takes the tour from here."""

    async def tour(self, call: Call[Any, Any]) -> Tour:
        """The tour, as it was read. NotFound to strangers, Forbidden to members with a lesser role."""
        tour = await store.find_tour(TOUR.id_in(call.path["tourId"]))
        if tour is None:
            raise TOUR.unknown()
        await require_role(tour.org_id, call.user, ORGANIZERS)
        return tour


TOUR_ORGANIZERS: Final = TourAccess(f"tour_role:{','.join(ORGANIZERS)}", SignIn.REQUIRED)
