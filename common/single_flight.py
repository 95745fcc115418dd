"""Those who ask for the same thing at the same time share one call."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Hashable

ResultT = TypeVar("ResultT")


class SingleFlight(Generic[ResultT]):
    """One running call a key; whoever comes while it runs gets its result or its error."""

    def __init__(self) -> None:
        self._running: dict[Hashable, asyncio.Future[ResultT]] = {}

    def is_running(self, key: Hashable) -> bool:
        """Whether a call of this key is under way."""
        return key in self._running

    def start(self, key: Hashable, work: Callable[[], Awaitable[ResultT]]) -> asyncio.Future[ResultT]:
        """Begin the call, unless one is under way: from now on `is_running` says so."""
        running = self._running.get(key)
        if running is None:
            running = self._running[key] = asyncio.ensure_future(work())
            running.add_done_callback(lambda _: self._running.pop(key))
        return running

    async def do(self, key: Hashable, work: Callable[[], Awaitable[ResultT]]) -> ResultT:
        """The result of `work`, ours or that of the call that is under way."""
        # A caller who gives up must not end the call for the others.
        return await asyncio.shield(self.start(key, work))
