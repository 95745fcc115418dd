"""A tier's capacity as shard documents: each owns a range of numbered units, and taking some is arithmetic."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from common.events.schemas import Event

# More shards let more instances sell at once; fewer make availability and the end of a sale cheaper to read.
UNITS_PER_SHARD = 125
MOST_SHARDS = 16


class UnitsNotTaken(Exception):
    """Numbers were given back that the shard never handed out: the caller's bookkeeping is wrong."""


@dataclass(frozen=True)
class Shard:
    """events/{eventId}/tiers/{tierId}/shards/{index}: the units `first` … `first + size - 1`.

    `next` is the lowest number never handed out, `returned` are those handed out and given back. `seen` is the
    document's update_time, the guard of the next write; None for a shard that was never read. `withdrawn` are numbers
    that were given back and are out of sale since the capacity was lowered.
    """

    path: str
    tier_id: str
    first: int
    size: int
    next: int
    returned: tuple[int, ...]
    open: bool
    seen: datetime | None = None
    withdrawn: tuple[int, ...] = ()

    @property
    def available(self) -> int:
        """How many units can be taken."""
        return self.unused + len(self.returned)

    @property
    def on_sale(self) -> int:
        """How many units can be taken as long as it is open."""
        return self.available if self.open else 0

    @property
    def unused(self) -> int:
        """How many units were never handed out."""
        return self.first + self.size - self.next

    @property
    def taken(self) -> int:
        """How many units are held or sold."""
        return self.next - self.first - len(self.returned) - len(self.withdrawn)

    @property
    def capacity(self) -> int:
        """How many units it has, sold or not."""
        return self.size - len(self.withdrawn)

    def take(self, quantity: int) -> tuple[tuple[int, ...], Shard]:
        """The lowest `quantity` units, and the shard without them. Fewer where fewer are left."""
        again = self.returned[:quantity]
        fresh = min(quantity - len(again), self.first + self.size - self.next)
        numbers = (*again, *range(self.next, self.next + fresh))
        return numbers, replace(self, next=self.next + fresh, returned=self.returned[len(again) :])

    def give(self, numbers: tuple[int, ...]) -> Shard:
        """The shard with these units back."""
        free = {*self.returned, *self.withdrawn}
        wrong = [number for number in numbers if not self.first <= number < self.next or number in free]
        if wrong or len(set(numbers)) != len(numbers):
            raise UnitsNotTaken(f"{numbers} cannot return to {self.path}")
        return replace(self, returned=tuple(sorted((*self.returned, *numbers))))

    def document(self) -> dict[str, Any]:
        """The fields as Firestore stores them."""
        return {
            "tierId": self.tier_id,
            "first": self.first,
            "size": self.size,
            "next": self.next,
            "returned": list(self.returned),
            "withdrawn": list(self.withdrawn),
            "open": self.open,
        }


def shard(path: str, fields: Mapping[str, Any], seen: datetime | None = None) -> Shard:
    """The shard that these stored fields are."""
    return Shard(
        path=path,
        tier_id=fields["tierId"],
        first=fields["first"],
        size=fields["size"],
        next=fields["next"],
        returned=tuple(fields["returned"]),
        open=fields["open"],
        seen=seen,
        withdrawn=tuple(fields.get("withdrawn", ())),
    )


def shard_count(capacity: int) -> int:
    """How many shards a tier of this capacity has."""
    return min(MOST_SHARDS, max(1, capacity // UNITS_PER_SHARD))


def shard_path(event_id: str, tier_id: str, index: int) -> str:
    """One shard of a tier."""
    return f"{shards_path(event_id, tier_id)}/{index:02d}"


def shards_path(event_id: str, tier_id: str) -> str:
    """The collection of a tier's shards."""
    return f"events/{event_id}/tiers/{tier_id}/shards"


def unit_path(event_id: str, tier_id: str, number: int) -> str:
    """The document that makes the database itself refuse to sell a number twice."""
    return f"events/{event_id}/tiers/{tier_id}/units/{number}"


def shard_documents(event_id: str, tier_id: str, capacity: int) -> list[tuple[str, dict[str, Any]]]:
    """Path and fields of each shard of a new tier: ranges of equal size that add up to the capacity."""
    count = shard_count(capacity)
    documents = []
    first = 0
    for index in range(count):
        size = capacity // count + (1 if index < capacity % count else 0)
        path = shard_path(event_id, tier_id, index)
        documents.append((path, Shard(path, tier_id, first, size, first, (), open=True).document()))
        first += size
    return documents


def shard_paths(event: Event) -> list[str]:
    """The shards of all tiers of an event."""
    return [shard_path(event.event_id, tier.tier_id, index) for tier in event.tiers for index in range(tier.shards)]
