"""Sign-out: the identity service stops renewing the person's tokens, on every device."""

from __future__ import annotations

import asyncio
from typing import Final

from common import log
from common.config import config
from common.errors import TemporarilyUnavailable

TIMEOUT_S: Final = 10


async def revoke(user_id: str) -> None:
    """Revoke all refresh tokens of this person. An account that is gone has none left."""
    await asyncio.to_thread(_revoke, user_id)


def _revoke(user_id: str) -> None:
    import firebase_admin
    from firebase_admin import auth
    from firebase_admin.exceptions import FirebaseError
    from google.auth.exceptions import GoogleAuthError

    project = config().project
    try:
        app = firebase_admin.get_app(project)
    except ValueError:  # the SDK's way to say that there is none yet
        options = {"projectId": project, "httpTimeout": TIMEOUT_S}
        app = firebase_admin.initialize_app(options=options, name=project)
    try:
        auth.revoke_refresh_tokens(user_id, app)
    except auth.UserNotFoundError:
        log.info("signed out an account that the identity service no longer has")
    except (FirebaseError, GoogleAuthError) as failed:
        log.error("refresh tokens were not revoked", cause=failed)
        raise TemporarilyUnavailable("The sign-in service does not answer right now.") from failed
