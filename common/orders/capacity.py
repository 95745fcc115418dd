"""A tier's capacity changes while it sells: one transaction over its shards, whose locks the sellers' commits await."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from common import clients
from common.errors import Problem
from common.money import allocate
from common.orders.shards import Shard, shard, shard_count, shard_path
from common.transaction import read

if TYPE_CHECKING:
    from collections.abc import Sequence

    from google.cloud.firestore import AsyncTransaction


class CapacityBelowSold(Problem):
    status, code, title = 409, "capacity_below_sold", "More units than that are held or sold"


async def resize(
    transaction: AsyncTransaction, event_id: str, tier_id: str, count: int, capacity: int, *, is_open: bool
) -> int:
    """Give the tier's `count` shards this capacity, open or closed; how many shards they are then.

    Every commit that sellers prepared before it fails its compare-and-set, so each of them looks again.
    """
    paths = [shard_path(event_id, tier_id, index) for index in range(count)]
    stored = await read(transaction, *paths)
    before = tuple(shard(path, fields or {}) for path, fields in zip(paths, stored, strict=True))
    after = tuple(replace(item, open=is_open) for item in resized(before, capacity))
    client = clients.firestore()
    for item in set(after) - set(before):
        transaction.set(client.document(item.path), item.document())
    return len(after)


def resized(shards: Sequence[Shard], capacity: int) -> tuple[Shard, ...]:
    """The shards, in the order of their numbers, once they add up to this capacity."""
    taken = sum(item.taken for item in shards)
    if capacity < taken:
        raise CapacityBelowSold(f"{taken} are held or sold: the least possible is {taken}.", least=taken)
    more = capacity - sum(item.capacity for item in shards)
    return _raised(shards, more) if more > 0 else _lowered(shards, -more)


def _raised(shards: Sequence[Shard], more: int) -> tuple[Shard, ...]:
    """Withdrawn numbers first, then numbers beyond all others: in new shards while there are few, else in the last."""
    withdrawn = [len(item.withdrawn) for item in shards]
    again = allocate(min(more, sum(withdrawn)), withdrawn)
    readmitted = tuple(
        replace(
            item,
            returned=tuple(sorted((*item.returned, *item.withdrawn[:count]))),
            withdrawn=item.withdrawn[count:],
        )
        for item, count in zip(shards, again, strict=True)
    )
    fresh = more - sum(again)
    added = shard_count(sum(item.capacity for item in shards) + more) - len(shards)
    *others, last = readmitted
    if not fresh or added <= 0:
        return (*others, replace(last, size=last.size + fresh))
    return (*readmitted, *_new_shards(last, allocate(fresh, [1] * added)))


def _new_shards(last: Shard, sizes: Sequence[int]) -> list[Shard]:
    collection, _, name = last.path.rpartition("/")
    first = last.first + last.size
    added = []
    for index, size in enumerate(sizes, int(name) + 1):
        added.append(Shard(f"{collection}/{index:02d}", last.tier_id, first, size, first, (), last.open))
        first += size
    return added


def _lowered(shards: Sequence[Shard], fewer: int) -> tuple[Shard, ...]:
    """Without as many units: first of those never handed out, then of those given back, of each shard its share."""
    unused = [item.unused for item in shards]
    cut = allocate(min(fewer, sum(unused)), unused)
    drawn = allocate(fewer - sum(cut), [len(item.returned) for item in shards])
    return tuple(
        replace(
            item,
            size=item.size - tail,
            returned=item.returned[count:],
            withdrawn=tuple(sorted((*item.withdrawn, *item.returned[:count]))),
        )
        for item, tail, count in zip(shards, cut, drawn, strict=True)
    )
