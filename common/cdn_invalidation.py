"""Tells Cloud CDN that what it keeps under a tag is no longer true."""

from __future__ import annotations

from uuid import NAMESPACE_URL, uuid5

from common.config import config
from common.google_token import google_access_token
from common.rest import http
from common.wire import Record


class Tagged(Record):
    """What to call back."""

    tag: str


class NotInvalidated(Exception):
    """Cloud CDN did not take the request; the task tries again."""


async def invalidate(tag: str, request: str) -> None:
    """Have everything that carries the tag fetched anew. A repeat of the same `request` counts once."""
    bearer = await google_access_token()
    url_map = f"projects/{config().project}/global/urlMaps/{config().cdn_url_map}"
    reply = await http().post(
        f"{config().compute_api_base}/compute/v1/{url_map}/invalidateCache",
        params={"requestId": str(uuid5(NAMESPACE_URL, f"urn:marquee:purge:{request}"))},
        headers={"Authorization": f"Bearer {bearer}"},
        json={"cacheTags": [tag]},
    )
    if not reply.is_success:
        raise NotInvalidated(f"Cloud CDN answered {reply.status_code}: {reply.text[:200]}")
