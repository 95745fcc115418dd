"""The shards of an event's tiers as this process last saw them, in the order in which it sells from them.

The order is the process's own, drawn by lot: it sells from its first shard until that is empty, so that processes
meet on one shard seldom. Where they do, the one that came second moves on.
"""

from __future__ import annotations

import asyncio
import random
import time
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from common.orders.shards import Shard, shard, shards_path
from common.single_flight import SingleFlight

if TYPE_CHECKING:
    from collections.abc import Iterable, Set
    from datetime import datetime

    from google.cloud.firestore import AsyncClient, DocumentSnapshot

# Tier to path to shard.
View = dict[str, dict[str, Shard]]


class KnownShards:
    """What one process knows of one event's shards."""

    def __init__(self, client: AsyncClient, event_id: str) -> None:
        self._client = client
        self._event_id = event_id
        self._tiers: View = {}
        self._loaded: dict[str, float] = {}
        self._loading = SingleFlight[None]()

    def of(self, tier_id: str) -> Iterable[Shard]:
        """The shards of a tier that was read."""
        return self._tiers[tier_id].values()

    def view(self, tier_ids: Iterable[str], without: Set[str] = frozenset()) -> View:
        """A copy to plan with, without shards that another commit is writing."""
        return {
            tier_id: {path: item for path, item in self._tiers[tier_id].items() if path not in without}
            for tier_id in tier_ids
        }

    def without_free_units(self, in_flight: Set[str]) -> set[str]:
        """The tiers of which every shard with units is being written."""
        return {
            tier_id
            for tier_id, shards in self._tiers.items()
            if not in_flight.isdisjoint(shards)
            and all(path in in_flight for path, item in shards.items() if item.available)
        }

    async def prepare(self, tier_ids: Iterable[str]) -> None:
        """Read the tiers that were never read; those who need the same one share the read."""
        unread = [tier_id for tier_id in tier_ids if tier_id not in self._tiers]
        if unread:
            await asyncio.gather(*(self._loading.do(tier_id, partial(self._load, tier_id)) for tier_id in unread))

    async def refresh(self, tier_id: str, known_for_s: float) -> None:
        """See the tier as it was at most so long ago."""
        if time.monotonic() - self._loaded.get(tier_id, float("-inf")) > known_for_s:
            await self._loading.do(tier_id, partial(self._load, tier_id))

    async def reload(self, tier_ids: Iterable[str]) -> None:
        """See these tiers as they are now."""
        await asyncio.gather(*(self._load(tier_id) for tier_id in tier_ids))

    async def look_at(self, shards: Iterable[Shard]) -> None:
        """See these shards as they are now, in one round trip; the sale of a tier is closed on all at once."""
        documents = [self._client.document(item.path) for item in shards]
        found = [_shard(snapshot) async for snapshot in self._client.get_all(documents)]
        self._saw(found)
        await self.reload({item.tier_id for item in found if not item.open})

    async def _load(self, tier_id: str) -> None:
        asked = time.monotonic()
        found = [_shard(each) for each in await self._client.collection(shards_path(self._event_id, tier_id)).get()]
        if tier_id not in self._tiers:
            random.shuffle(found)
            self._tiers[tier_id] = {}
        self._saw(found)
        self._loaded[tier_id] = asked

    def _saw(self, found: Iterable[Shard]) -> None:
        for item in found:
            # A commit of ours may have been answered while this read was under way: the later sight counts.
            known = self._tiers[item.tier_id].get(item.path)
            if known is None or known.seen is None or item.seen is None or known.seen < item.seen:
                self._tiers[item.tier_id][item.path] = item

    def wrote(self, after: Shard, at: datetime) -> None:
        """This process committed this shard."""
        self._tiers[after.tier_id][after.path] = replace(after, seen=at)

    def moved_on(self, before: Shard) -> bool:
        """Whether somebody wrote the shard after it was seen like this. If so, sell from it last from now on."""
        tier = self._tiers[before.tier_id]
        if tier[before.path].seen == before.seen:
            return False
        tier[before.path] = tier.pop(before.path)
        return True


def _shard(snapshot: DocumentSnapshot) -> Shard:
    return shard(snapshot.reference.path, snapshot.to_dict() or {}, snapshot.update_time)
