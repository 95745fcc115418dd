"""Figures of one run, and the run in the middle of several."""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.support.cost_recorder import Cost


@dataclass(frozen=True)
class Part:
    """What one process did: times on the machine's monotonic clock, `cpu_s` and `until` for what was "done"."""

    began: float
    until: float
    cpu_s: float
    took: list[float]
    outcomes: list[str]


@dataclass(frozen=True)
class Rate:
    """Something done so many times a second; latencies in milliseconds, the callers' own processor time each."""

    per_second: float
    p50_ms: float
    p95_ms: float
    cpu_us: float = math.nan


@dataclass(frozen=True)
class Sale(Rate):
    """One sale: `per_second` is orders until the last one that got its units; the costs are for each such order."""

    units_per_second: float = math.nan
    sold: int = 0
    sold_out: int = 0
    failed: tuple[str, ...] = ()
    attempts: float = math.nan
    round_trips: float = math.nan
    reads: float = math.nan

    def exact(self, orders: int, buyers: int) -> bool:
        """Whether every unit was sold once and everybody else heard sold_out."""
        return (self.sold, self.sold_out, self.failed) == (orders, buyers - orders, ())


def rate(parts: Sequence[Part]) -> Rate:
    """Of everything that these processes did."""
    took = [seconds for part in parts for seconds in part.took]
    done = sum(part.outcomes.count("done") for part in parts)
    seconds = max(part.until for part in parts) - min(part.began for part in parts)
    cpu_us = sum(part.cpu_s for part in parts) * 1e6 / max(1, done)
    return Rate(done / max(seconds, 1e-9), percentile(took, 0.5) * 1000, percentile(took, 0.95) * 1000, cpu_us)


def sale(parts: Sequence[Part], spent: Sequence[Cost], units_an_order: int = 1) -> Sale:
    """Of bookings that are "done", "sold_out" or name what went wrong, and that cost this in all."""
    outcomes = [outcome for part in parts for outcome in part.outcomes]
    sold, of = outcomes.count("done"), rate(parts)
    each = 1 / max(1, sold)
    return Sale(
        of.per_second,
        of.p50_ms,
        of.p95_ms,
        of.cpu_us,
        units_per_second=of.per_second * units_an_order,
        sold=sold,
        sold_out=outcomes.count("sold_out"),
        failed=tuple(outcome for outcome in outcomes if outcome not in {"done", "sold_out"}),
        attempts=sum(cost.commits for cost in spent) * each,
        round_trips=sum(cost.calls for cost in spent) * each,
        reads=sum(cost.reads for cost in spent) * each,
    )


def percentile(values: Sequence[float], share: float) -> float:
    """The value that this share of them does not exceed."""
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)] if values else math.nan


class Runs:
    """Every run of every measurement. Rounds are interleaved: the n-th runs were made within seconds of each other."""

    def __init__(self) -> None:
        self.of: dict[str, list[Rate]] = {}

    def keep(self, name: str, result: Rate) -> None:
        self.of.setdefault(name, []).append(result)

    def median(self, name: str, figure: str = "per_second") -> float:
        return statistics.median(getattr(run, figure) for run in self.of[name])

    def ratio(self, name: str, other: str, figure: str = "per_second") -> float:
        """The median, over the rounds, of how one compares to the other within a round."""
        pairs = zip(self.of[name], self.of[other], strict=True)
        return statistics.median(getattr(one, figure) / getattr(two, figure) for one, two in pairs)

    def middle(self, name: str) -> Rate:
        """The run of the median rate."""
        return sorted(self.of[name], key=lambda run: run.per_second)[len(self.of[name]) // 2]
