"""Who gets which units: plain arithmetic over the shards as they were last seen, all or nothing for each change."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from common.orders.shards import UnitsNotTaken
from common.tickets.schemas import UnitRef

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from common.orders.inventory import Change
    from common.orders.known_shards import View
    from common.orders.shards import Shard
    from common.orders.waiting_line import Waiting


@dataclass
class Allocation:
    """What one commit is to write: the units of everybody served, and the shards without them."""

    before: dict[str, Shard] = field(default_factory=dict)
    after: dict[str, Shard] = field(default_factory=dict)
    served: list[tuple[Waiting, tuple[UnitRef, ...]]] = field(default_factory=list)
    short: list[Waiting] = field(default_factory=list)

    @property
    def group(self) -> list[Waiting]:
        """Everybody served."""
        return [waiting for waiting, _ in self.served]


def allocate(group: Sequence[Waiting], view: View) -> Allocation:
    """Serve as many as possible, in their order; `view` is used up."""
    plan = Allocation()
    for waiting in group:
        took = take(waiting.change, view)
        if took is None:
            plan.short.append(waiting)
            continue
        units, touched = took
        for path, after in touched.items():
            plan.before.setdefault(path, view[after.tier_id][path])
            view[after.tier_id][path] = plan.after[path] = after
        plan.served.append((waiting, units))
    return plan


def take(change: Change, view: View) -> tuple[tuple[UnitRef, ...], dict[str, Shard]] | None:
    """The units that the change takes and the shards that it touches, as they are after it; None if it cannot be."""
    touched: dict[str, Shard] = {}
    units: list[UnitRef] = []
    for unit in change.gives:
        owner = _owner(unit, view)
        if owner is None:
            return None
        try:
            touched[owner.path] = touched.get(owner.path, owner).give((unit.number,))
        except UnitsNotTaken:  # the view is older than the unit's sale, or the unit is back already
            return None
    for tier_id, quantity in change.takes.items():
        missing = quantity
        for current in _with_units(view[tier_id], touched):
            numbers, touched[current.path] = current.take(missing)
            units += [UnitRef(tier_id=tier_id, number=number) for number in numbers]
            missing -= len(numbers)
            if not missing:
                break
        if missing:
            return None
    return tuple(units), touched


def _with_units(tier: Mapping[str, Shard], touched: Mapping[str, Shard]) -> Iterator[Shard]:
    for path, item in tier.items():
        current = touched.get(path, item)
        if current.open and current.available:
            yield current


def _owner(unit: UnitRef, view: View) -> Shard | None:
    within = (item for item in view[unit.tier_id].values() if item.first <= unit.number < item.first + item.size)
    return next(within, None)


def closed_tier(change: Change, view: View) -> str | None:
    """A tier that it takes from and that is not on sale."""
    return next((tier_id for tier_id in change.takes if not any(item.open for item in view[tier_id].values())), None)


def missing_tier(change: Change, view: View) -> tuple[str, int]:
    """The first tier with less than the change takes, and how many units that has left."""
    left = {tier_id: sum(item.available for item in view[tier_id].values() if item.open) for tier_id in change.takes}
    tier_id = next(tier_id for tier_id, quantity in change.takes.items() if left[tier_id] < quantity)
    return tier_id, left[tier_id]
