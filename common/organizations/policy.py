"""Who may act for an organization: strangers do not learn that a thing exists, members learn what they lack."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from common.access import Access, SignIn
from common.errors import Forbidden, NotFound
from common.events import rules
from common.events import store as events
from common.guests import store as guests
from common.organizations.store import role_of

if TYPE_CHECKING:
    from common.endpoint import Call
    from common.events.schemas import Event
    from common.events.store import StoredEvent
    from common.organizations.schemas import Role
    from common.tokens import Caller


def organization_role(*roles: Role) -> Access:
    """One of these roles in the organization that the path, or else the body, names as `orgId`."""

    async def authorize(call: Call[Any, Any]) -> None:
        await require_role(call.path.get("orgId") or call.body.org_id, call.user, roles)

    return Access(_name("organization_role", roles), SignIn.REQUIRED, authorize)


async def require_role(org_id: str, caller: Caller, roles: tuple[Role, ...]) -> None:
    """Refuse whoever has none of these roles in the organization; strangers do not learn that it exists."""
    role = await role_of(org_id, caller.user_id)
    if role is None:
        raise NotFound("There is no such organization.")
    if role not in roles:
        raise Forbidden


@dataclass(frozen=True)
class EventAccess(Access):
    """One of some roles in the organization of the event that the path names as `eventId`.

    The handler takes its event from here, together with the check: an event is read once, and never unchecked.
    """

    roles: tuple[Role, ...] = ()

    async def event(self, call: Call[Any, Any]) -> StoredEvent:
        """The event, as it was read. NotFound or Forbidden where the caller's role is not one of these."""
        stored = await events.stored(call.path["eventId"])
        if stored is None:
            raise NotFound("There is no such event.")
        role = await role_of(stored.event.org_id, call.user.user_id)
        if role in self.roles:
            return stored
        if role is None:
            await require_visible(stored.event, call.user)
        raise Forbidden


def event_role(*roles: Role) -> EventAccess:
    """One of these roles in the organization of the event that the path names as `eventId`."""
    return EventAccess(_name("event_role", roles), SignIn.REQUIRED, roles=roles)


async def require_visible(event: Event | None, caller: Caller | None) -> Event:
    """The event, where the caller may know of it; of a public one nothing is asked and nothing is read."""
    if event is None or not (rules.is_visible_to_all(event) or await _is_visible_to(event, caller)):
        raise NotFound("There is no such event.")
    return event


async def _is_visible_to(event: Event, caller: Caller | None) -> bool:
    """Whether an event that is not for all is for this caller: for its organization's members, and, once it is
    published, for its guests. Both are read afresh, beside each other.
    """
    if caller is None:
        return False
    role = role_of(event.org_id, caller.user_id)
    if not rules.is_visible_to_guests(event):
        return await role is not None
    found, invited = await asyncio.gather(role, guests.admits(event.event_id, caller))
    return found is not None or invited


def _name(kind: str, roles: tuple[Role, ...]) -> str:
    return f"{kind}:{','.join(roles)}"
