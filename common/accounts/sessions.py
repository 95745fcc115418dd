"""Sign-out: the identity service stops renewing the person's tokens, on every device.

Over REST: loading firebase_admin would take longer than all else that a sign-out waits for.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Final

from common import clock, log
from common.config import config
from common.errors import TemporarilyUnavailable
from common.google_token import google_access_token
from common.rest import http

if TYPE_CHECKING:
    import httpx

# The code of an error, which an explanation may follow.
GONE: Final = re.compile(r"USER_NOT_FOUND\b")


class NotRevoked(Exception):
    """What the identity service answered instead."""


async def revoke(user_id: str) -> None:
    """Revoke all refresh tokens of this person. An account that is gone has none left."""
    import httpx
    from google.auth.exceptions import GoogleAuthError

    try:
        reply = await _end_sessions(user_id)
        if reply.is_success:
            return
        if not _is_gone(reply):
            raise NotRevoked(f"{reply.status_code} {reply.text[:200]}")
    except (httpx.HTTPError, GoogleAuthError, NotRevoked) as failed:
        log.error("refresh tokens were not revoked", cause=failed)
        raise TemporarilyUnavailable("The sign-in service does not answer right now.") from failed
    log.info("signed out an account that the identity service no longer has")


async def _end_sessions(user_id: str) -> httpx.Response:
    """Have it believe no token whose sign-in lies before this second."""
    return await http().post(
        f"{config().identity_api_base}/v1/projects/{config().project}/accounts:update",
        headers={"Authorization": f"Bearer {await google_access_token()}"},
        json={"localId": user_id, "validSince": int(clock.now().timestamp())},
    )


def _is_gone(reply: httpx.Response) -> bool:
    try:
        return GONE.match(reply.json()["error"]["message"]) is not None
    except (json.JSONDecodeError, KeyError, TypeError):
        return False
