"""Calls a private function as Google's services do: over HTTP, with an OIDC token for exactly that URL."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Final

import httpx

if TYPE_CHECKING:
    from collections.abc import Mapping

    from emulators.identity import LocalIdentity

log = logging.getLogger(__name__)

TIMEOUT_S: Final = 60
CONNECTIONS: Final = 100
# Signing takes a millisecond, so a token is used again, but never near the end of its hour.
TOKEN_REUSED_S: Final = 600
UNREACHABLE: Final = httpx.codes.BAD_GATEWAY


class PrivateCaller:
    """One connection pool and one service account for every stand-in that calls functions."""

    def __init__(self, identity: LocalIdentity, service_account: str) -> None:
        self._identity = identity
        self._service_account = service_account
        self._tokens: dict[str, tuple[float, str]] = {}
        # The environment's proxies are not for loopback calls.
        self._client = httpx.AsyncClient(
            timeout=httpx.Timeout(TIMEOUT_S, pool=None),
            limits=httpx.Limits(max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS),
            trust_env=False,
        )

    async def post(self, url: str, content: bytes, headers: Mapping[str, str]) -> int:
        """The function's status; 502 where no answer came."""
        authorized = {**headers, "authorization": f"Bearer {self._token(url)}"}
        try:
            reply = await self._client.post(url, content=content, headers=authorized)
        except httpx.HTTPError as failure:
            log.warning("%s did not answer: %r", url, failure)
            return UNREACHABLE
        if not reply.is_success:
            log.warning("%s answered %s", url, reply.status_code)
        return reply.status_code

    async def close(self) -> None:
        await self._client.aclose()

    def _token(self, audience: str) -> str:
        now = time.monotonic()
        made, token = self._tokens.get(audience, (0.0, ""))
        if not token or now - made > TOKEN_REUSED_S:
            token = self._identity.token(audience, self._service_account)
            self._tokens[audience] = (now, token)
        return token
