"""Firestore, and what `close` closes: every remote service is opened at its first use, once a process.

The others are in files of their own (`common/messaging.py`, `common/rest.py`, `common/google_token.py`), so that a
bundle has only the libraries of those it speaks to.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, Final

from common.config import config

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from functools import _lru_cache_wrapper

    from google.cloud.firestore import AsyncClient

_open: Final[dict[_lru_cache_wrapper[Any], Callable[[], Awaitable[None]]]] = {}


def opened(getter: _lru_cache_wrapper[Any], close: Callable[[], Awaitable[None]]) -> None:
    """Have `close` called when all is closed, and the getter open anew after that."""
    _open[getter] = close


async def close() -> None:
    """Close what is open and forget it, so that the next use connects as the environment then says."""
    while _open:
        getter, close_it = _open.popitem()
        getter.cache_clear()
        await close_it()


@cache
def firestore() -> AsyncClient:
    """Firestore; FIRESTORE_EMULATOR_HOST is read by the library itself."""
    from google.cloud.firestore import AsyncClient

    client = AsyncClient(project=config().project)

    async def disconnect() -> None:  # the client connects no sooner than it is used
        await client._firestore_api.transport.close()

    opened(firestore, disconnect)
    return client
