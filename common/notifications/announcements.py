"""Those who follow an event's organization, venue or artists hear of it once, page by page of followers.

Each page first plans the next one under a name that its place decides, so that none waits for another, and a page that
runs again neither doubles the rest nor a message.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from common import clock
from common.catalogue.rules import artist_id
from common.events import rules
from common.events import store as events
from common.events.schemas import EventStatus
from common.notifications import messages
from common.notifications.notices import all_of, tell_by_push
from common.organizations import store as organizations
from common.outbox import PlannedTask
from common.relay import create_task
from common.social import store as social
from common.social.schemas import AnnouncePage

if TYPE_CHECKING:
    from common.events.schemas import Event

PAGE: Final = 100


async def announce(page: AnnouncePage) -> None:
    """Tell the followers of one page; nobody of what is private, called off or over by now."""
    event = await events.find(page.event_id)
    if event is None or not _is_news(event):
        return
    # Those of the first page go on with it: whoever changes the event meanwhile makes nobody unheard of.
    targets = page.targets or _targets(event)
    followers = await social.to_be_told(targets[0], page.after, PAGE)
    await _plan_next(page, targets, followers)
    if followers:
        message = messages.event_for_follower(event, await _name(event, targets[0]))
        await all_of(*(tell_by_push(f"{event.event_id} published", follower, message) for follower in followers))


def _is_news(event: Event) -> bool:
    return rules.is_visible_to_all(event) and rules.status_at(event, clock.now()) is EventStatus.PUBLISHED


def _targets(event: Event) -> tuple[str, ...]:
    """Whom people follow to hear of this event."""
    return (*event.artist_ids, event.venue_id, event.org_id)


async def _name(event: Event, target_id: str) -> str:
    names = {artist_id(entry.artist): entry.artist for entry in event.lineup}
    organization = await organizations.find(target_id) if target_id == event.org_id else None
    return names.get(target_id) or (organization.name if organization else event.venue.name)


async def _plan_next(page: AnnouncePage, targets: tuple[str, ...], followers: list[str]) -> None:
    if len(followers) == PAGE:
        following = AnnouncePage(event_id=page.event_id, targets=targets, page=page.page + 1, after=followers[-1])
    elif len(targets) > 1:
        following = AnnouncePage(event_id=page.event_id, targets=targets[1:])
    else:
        return
    name = f"{page.event_id}-{following.targets[0]}-{following.page}"
    await create_task(PlannedTask(function="announce_event", name=name, payload=following.document()))
