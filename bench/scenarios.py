"""The sales that are measured at the store: who buys what, in how many processes, and how far the database is."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Final

CROWDS: Final = (32, 128)
PROCESSES: Final = (1, 2, 4)
UNITS: Final = 1_000
FAR_MS: Final = 20


@dataclass(frozen=True)
class Scenario:
    """One sale: twice as many buyers as its orders, `at_once` of them in all, spread over the processes."""

    name: str
    at_once: int
    processes: int
    tiers: int = 1
    # An order takes so many units of each of so many tiers.
    quantity: int = 1
    tiers_an_order: int = 1
    delay_ms: int = 0
    # Phones send an Idempotency-Key: whoever is turned away is asked after an earlier order.
    with_key: bool = True
    # Module constants that are otherwise while this is measured: "module:NAME" to value.
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def orders(self) -> int:
        """How many orders the units suffice for."""
        return UNITS // (self.quantity * self.tiers_an_order)

    @property
    def buyers(self) -> int:
        return 2 * self.orders

    @property
    def units_an_order(self) -> int:
        return self.quantity * self.tiers_an_order


def shards(count: int) -> dict[str, Any]:
    """The settings with which each tier has so many shards."""
    return {"common.orders.shards:UNITS_PER_SHARD": 1, "common.orders.shards:MOST_SHARDS": count}


def _processes(count: int) -> str:
    return f"{count} process{'es' * (count > 1)}"


def one_tier(at_once: int, processes: int) -> Scenario:
    """The hot on-sale."""
    return Scenario(f"one tier, {at_once} at once, {_processes(processes)}", at_once, processes)


def far(at_once: int, count: int | None = None) -> Scenario:
    """Four processes, every call 20 ms longer, with the tier's own number of shards or another."""
    what = "its shards" if count is None else "one document" if count == 1 else f"{count} shards"
    name = f"{FAR_MS} ms away, {at_once} at once, {what}"
    return Scenario(name, at_once, 4, delay_ms=FAR_MS, settings={} if count is None else shards(count))


def twenty_tiers(processes: int) -> Scenario:
    return Scenario(f"twenty tiers, 128 at once, {_processes(processes)}", 128, processes, tiers=20)


def fours(processes: int) -> Scenario:
    """Orders of four units, two of each of two tiers."""
    name = f"orders of 4 over 2 tiers, 128 at once, {_processes(processes)}"
    return Scenario(name, 128, processes, tiers=2, quantity=2, tiers_an_order=2)


WITHOUT_KEY: Final = replace(one_tier(128, 1), name="one tier, 128 at once, no Idempotency-Key", with_key=False)
ALL: Final = (
    *(one_tier(at_once, processes) for at_once in CROWDS for processes in PROCESSES),
    WITHOUT_KEY,
    *(twenty_tiers(processes) for processes in (1, 4)),
    *(fours(processes) for processes in (1, 4)),
    *(far(at_once, count) for at_once in CROWDS for count in (None, 1)),
)
