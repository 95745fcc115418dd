"""The token for Google's REST APIs: whose it is, the environment says."""

from __future__ import annotations

import asyncio
from functools import cache
from typing import TYPE_CHECKING

from common.config import config

if TYPE_CHECKING:
    from google.auth.credentials import Credentials

CLOUD_PLATFORM_SCOPE = "https://www.googleapis.com/auth/cloud-platform"
EMULATORS_OPERATOR = "owner"


@cache
def _credentials() -> Credentials:
    import google.auth
    from google.auth.exceptions import DefaultCredentialsError

    try:
        credentials, _ = google.auth.default(scopes=[CLOUD_PLATFORM_SCOPE])
    except DefaultCredentialsError as missing:
        raise RuntimeError("no Google credentials and no emulator: set one of them") from missing
    return credentials


async def google_access_token() -> str:
    """A bearer token for Google's REST APIs; the emulators know their operator by a word."""
    if config().firebase_auth_emulator_host:
        return EMULATORS_OPERATOR
    credentials = _credentials()
    if not credentials.valid:
        from google.auth.transport.requests import Request

        await asyncio.to_thread(credentials.refresh, Request())
    return str(credentials.token)
