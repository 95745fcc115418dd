"""How Stripe's SDK reaches the network here: through the connections that every other call shares."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import httpx
import stripe

from common.rest import http

if TYPE_CHECKING:
    from collections.abc import Mapping


class SharedTransport(stripe.HTTPClient):
    """The SDK's own httpx transport keeps a second pool, and hands bodies over in a way that httpx deprecates."""

    name = "httpx"

    def __init__(self, timeout_s: float) -> None:
        super().__init__()
        self._timeout_s = timeout_s

    async def request_async(
        self, method: str, url: str, headers: Mapping[str, str] | None, post_data: Any = None
    ) -> tuple[bytes, int, Mapping[str, str]]:
        """One call; what the network does to it is worth the SDK's retry."""
        try:
            reply = await http().request(
                method, url, headers=headers, content=post_data or None, timeout=self._timeout_s
            )
        except httpx.HTTPError as failure:
            raise stripe.APIConnectionError(type(failure).__name__, should_retry=True) from failure
        return reply.content, reply.status_code, reply.headers

    async def sleep_async(self, secs: float) -> None:
        """The SDK's pause before a retry."""
        await asyncio.sleep(secs)
