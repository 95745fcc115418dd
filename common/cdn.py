"""Tells Cloud CDN that what it keeps under a tag is no longer true."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final
from uuid import NAMESPACE_URL, uuid5

from common import clients
from common.config import config
from common.outbox import PlannedTask
from common.wire import Record

if TYPE_CHECKING:
    from datetime import datetime

# A change is committed within 30 s of its moment, and a reply that was read before that is kept within 30 s more:
# no function runs longer.
LAST_FILL: Final = timedelta(seconds=75)


class Tagged(Record):
    """What to call back."""

    tag: str


class NotInvalidated(Exception):
    """Cloud CDN did not take the request; the task tries again."""


def purges(tag: str, changed_at: datetime) -> tuple[PlannedTask, ...]:
    """What the commit of a change plans; nothing where no CDN is told.

    Once at once, for those who ask next, and once after the last reply that was read before the change is kept.
    """
    if not config().cdn_url_map:
        return ()
    payload = {"tag": tag}
    after = changed_at + LAST_FILL
    return (
        PlannedTask(function="purge_cache", name=tag, payload=payload, once_every_s=1),
        PlannedTask(function="purge_cache", name=f"{tag}-{after:%Y%m%d%H%M%S}-last", payload=payload, at=after),
    )


async def invalidate(tag: str, request: str) -> None:
    """Have everything that carries the tag fetched anew. A repeat of the same `request` counts once."""
    bearer = await clients.google_access_token()
    url_map = f"projects/{config().project}/global/urlMaps/{config().cdn_url_map}"
    reply = await clients.http().post(
        f"{config().compute_api_base}/compute/v1/{url_map}/invalidateCache",
        params={"requestId": str(uuid5(NAMESPACE_URL, f"urn:marquee:purge:{request}"))},
        headers={"Authorization": f"Bearer {bearer}"} if bearer else {},
        json={"cacheTags": [tag]},
    )
    if not reply.is_success:
        raise NotInvalidated(f"Cloud CDN answered {reply.status_code}: {reply.text[:200]}")
