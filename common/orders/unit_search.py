"""Before a tier is sold out: expired holds are released and its shards are seen as they are. Once for all who ask."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from common import clock

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from datetime import datetime

    from common.orders.known_shards import KnownShards
    from common.orders.waiting_line import Waiting

# Sold out is said again without looking for this long: what another process gives back is found so much later.
SOLD_OUT_FOR: Final = timedelta(milliseconds=500)


class UnitSearch:
    """Who found too few units, and when such units were last searched. `len` is how many wait for that."""

    def __init__(
        self,
        shards: KnownShards,
        release_expired: Callable[[], Awaitable[None]],
        try_again: Callable[[Sequence[Waiting]], None],
    ) -> None:
        self._shards = shards
        self._release_expired = release_expired
        self._try_again = try_again
        self._short: list[Waiting] = []
        self._searching: asyncio.Task[None] | None = None
        self._released: datetime | None = None
        self._searched: dict[str, datetime] = {}

    def __len__(self) -> int:
        return len(self._short)

    def forget(self) -> None:
        """Search at the next occasion, however short ago the last one was."""
        self._released = None
        self._searched.clear()

    def is_over(self, waiting: Waiting) -> bool:
        """Whether what is missing was searched, for this caller or a moment ago."""
        return waiting.searched or all(_is_recent(self._searched.get(tier_id)) for tier_id in waiting.change.takes)

    def join(self, waiting: Waiting) -> None:
        """Have it searched; then the caller is served once more."""
        self._short.append(waiting)
        if self._searching is None:
            self._searching = asyncio.ensure_future(self._search())

    async def _search(self) -> None:
        while self._short:
            short, self._short = self._short, []
            began = clock.now()
            tiers = set[str]().union(*(waiting.change.takes for waiting in short))
            try:
                # The holds are the event's: one tier after another may sell out without searching them each time.
                if not _is_recent(self._released):
                    await self._release_expired()
                    self._released = began
                await self._shards.reload(tiers)
            except Exception as failure:
                for waiting in short:
                    waiting.refuse(failure)
                continue
            self._searched.update(dict.fromkeys(tiers, began))
            for waiting in short:
                waiting.searched = True
            self._try_again(short)
        self._searching = None


def _is_recent(moment: datetime | None) -> bool:
    return moment is not None and clock.now() - moment < SOLD_OUT_FOR
