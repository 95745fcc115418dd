"""How a message can fail to go out: for now, or for good with this recipient."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from common.errors import Problem
from common.rest import http

if TYPE_CHECKING:
    import httpx


class MessageNotSent(Problem):
    """Worth trying again; a message that never goes out ends where dead letters do."""

    status, code, title = 503, "message_not_sent", "The message could not be sent"


class RecipientRefused(Problem):
    """Never worth trying again: the address or device is gone or does not want our messages."""

    status, code, title = 422, "recipient_refused", "The recipient cannot be reached at this address"


async def post(url: str, **request: Any) -> httpx.Response:
    """Call a message provider; no answer, overload and failures on its side are MessageNotSent."""
    import httpx

    try:
        reply = await http().post(url, **request)
    except httpx.HTTPError as failure:
        raise MessageNotSent(f"{type(failure).__name__} from {httpx.URL(url).host}") from failure
    if reply.status_code in (401, 403, 429) or reply.status_code >= 500:
        raise MessageNotSent(f"{httpx.URL(url).host} answered {reply.status_code}")
    return reply


def told(reply: httpx.Response) -> dict[str, Any]:
    """The JSON object of a reply; anything else is MessageNotSent."""
    try:
        document = reply.json()
    except ValueError as wrong:
        raise MessageNotSent(f"{reply.url.host} answered {reply.status_code} without JSON") from wrong
    if not isinstance(document, dict):
        raise MessageNotSent(f"{reply.url.host} answered {reply.status_code} without an object")
    return document
