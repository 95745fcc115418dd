"""One HTTP client for the services that have no SDK worth its import time."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from common.clients import opened

if TYPE_CHECKING:
    import httpx

HTTP_TIMEOUT_S = 10.0


@cache
def http() -> httpx.AsyncClient:
    """Its connections are kept from one call to the next."""
    import httpx

    client = httpx.AsyncClient(timeout=HTTP_TIMEOUT_S)
    opened(http, client.aclose)
    return client
