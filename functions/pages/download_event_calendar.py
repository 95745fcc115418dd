"""GET /e/{slug}/event.ics."""

from __future__ import annotations

from starlette.responses import RedirectResponse, Response

from common.access import Access
from common.caching import Cache
from common.endpoint import Call, endpoint
from common.events import store
from common.organizations.policy import require_visible
from common.pages import calendar_file, links


@endpoint(
    "GET",
    "/e/{slug}/event.ics",
    access=Access.PUBLIC,
    cache=Cache(3600, tag=links.by_slug),
    media_type=calendar_file.MEDIA_TYPE,
    moves=True,
)
async def download_event_calendar(call: Call) -> Response:
    """An event for people's calendars. Imported again after a change, it changes the entry."""
    event = await require_visible(await store.find(links.event_id_of(call.path["slug"])), call.caller)
    path = links.calendar_path(event)
    if path != f"/e/{call.path['slug']}/event.ics":
        return RedirectResponse(path, 301)
    headers = {"Content-Disposition": f'attachment; filename="{event.slug or event.event_id}.ics"'}
    return Response(calendar_file.calendar_file(event), 200, headers, calendar_file.MEDIA_TYPE)
