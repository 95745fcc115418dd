"""What caches may keep of a reply, for how long, and by which tag a change calls it back."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from starlette.responses import Response

from common import clock
from common.config import config

if TYPE_CHECKING:
    from datetime import datetime

    from common.wire import Wire

# What a CDN may serve where nobody tells it of changes.
UNTOLD_S: Final = 30
PERMANENTLY: Final = 301
LISTED_TAG: Final = re.compile(r'(?:W/)?("[^"]*")')
Tag = Callable[[Mapping[str, str]], str]


@dataclass(frozen=True)
class Cache:
    """How long a reply to a caller without a token may be served again without asking us.

    `shared_s` is the CDN's, `browser_s` the caller's own. `tag` names, from the path's parameters, the thing whose
    change calls the reply back (common/cdn.py); while no CDN is told of changes, such a reply is kept for `UNTOLD_S`.
    Replies to callers with a token are theirs alone: kept, but asked for each time.
    """

    shared_s: int
    browser_s: int = 0
    tag: Tag | None = None


@dataclass(frozen=True)
class Until:
    """A reply that the clock alone makes untrue: at the end of a price, or of the event."""

    reply: Wire | Response
    changes_at: datetime | None


def event_tag(event_id: str) -> str:
    """What everything carries that shows this event."""
    return f"event-{event_id}"


def by_event(path: Mapping[str, str]) -> str:
    """The tag of a route that names its event as `eventId`."""
    return event_tag(path["eventId"])


def with_caching(
    response: Response,
    cache: Cache,
    path: Mapping[str, str],
    *,
    signed_in: bool,
    if_none_match: str | None,
    changes_at: datetime | None,
) -> Response:
    """The reply with what caches need to know; a 304 in its place for whoever has it already. Others are not kept."""
    if response.status_code not in {200, PERMANENTLY}:
        return response
    headers = response.headers
    if signed_in:
        headers["Cache-Control"] = "private, no-cache"
        headers.add_vary_header("Authorization")
    else:
        # Never late: Cloud CDN would serve what ran out for another day, unless the reply itself says otherwise.
        headers["Cache-Control"] = (
            f"public, max-age={_within(cache.browser_s, changes_at)}"
            f", s-maxage={_within(_shared_s(cache), changes_at)}, stale-while-revalidate=0"
        )
        if cache.tag is not None:
            headers["Cache-Tag"] = cache.tag(path)
    if response.status_code == PERMANENTLY:
        return response
    headers["ETag"] = f'"{hashlib.sha256(bytes(response.body)).hexdigest()[:32]}"'
    return _not_modified(response) if _matches(if_none_match, headers["ETag"]) else response


def _shared_s(cache: Cache) -> int:
    told = cache.tag is None or config().cdn_url_map
    return cache.shared_s if told else min(cache.shared_s, UNTOLD_S)


def _within(seconds: int, changes_at: datetime | None) -> int:
    if changes_at is None:
        return seconds
    return max(0, min(seconds, int((changes_at - clock.now()).total_seconds())))


def _matches(if_none_match: str | None, etag: str) -> bool:
    if if_none_match is None:
        return False
    # A proxy that compressed the body marks its tag as weak; the comparison is weak too (RFC 9110, 13.1.2).
    return if_none_match.strip() == "*" or etag in LISTED_TAG.findall(if_none_match)


def _not_modified(response: Response) -> Response:
    """All headers of the reply but those of its body: a cache takes them over for what it has kept."""
    kept = {name: value for name, value in response.headers.items() if name not in {"content-length", "content-type"}}
    return Response(status_code=304, headers=kept)
