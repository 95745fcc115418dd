"""GET /e/{slug}."""

from __future__ import annotations

import asyncio

from starlette.responses import RedirectResponse, Response

from common import clock
from common.access import Access
from common.caching import Cache, Until
from common.endpoint import Call, endpoint
from common.events import rules, store
from common.organizations import store as organizations
from common.organizations.policy import require_visible
from common.pages import html, links
from common.pages.view import event_view


@endpoint(
    "GET",
    "/e/{slug}",
    access=Access.PUBLIC,
    cache=Cache(30, tag=links.by_slug),
    media_type=html.MEDIA_TYPE,
    moves=True,
    refusal=html.refusal,
)
async def show_event_page(call: Call) -> Response | Until:
    """The page of an event, for people and for the previews of shared links.

    The id at the end of the slug says which event; under an older title it redirects to the present one.
    """
    event = await require_visible(await store.find(links.event_id_of(call.path["slug"])), call.caller)
    path = links.page_path(event)
    if path != f"/e/{call.path['slug']}":
        return RedirectResponse(path, 301)
    now = clock.now()
    available, organization = await asyncio.gather(store.availability(event, now), organizations.find(event.org_id))
    organizer = organization.name if organization else ""
    return Until(html.event_page(event_view(event, organizer, available, now)), rules.next_change(event, now))
