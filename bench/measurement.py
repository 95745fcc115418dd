"""Figures of one run, and the run in the middle of several."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.support.cost_recorder import Cost


@dataclass(frozen=True)
class Rate:
    """Something done so many times a second; latencies in milliseconds."""

    per_second: float
    p50_ms: float
    p95_ms: float


RateT = TypeVar("RateT", bound=Rate)


@dataclass(frozen=True)
class Sale(Rate):
    """One sale of a tier: `per_second` is bookings until the last unit went; the costs are for each booking."""

    sold: int
    sold_out: int
    failed: tuple[str, ...]
    attempts: float
    round_trips: float
    reads: float

    def exact(self, units: int, buyers: int) -> bool:
        """Whether every unit was sold once and everybody else heard sold_out."""
        return (self.sold, self.sold_out, self.failed) == (units, buyers - units, ())


def rate(took: Sequence[float], seconds: float) -> Rate:
    """Of that many, each of which took that long, within so many seconds."""
    return Rate(len(took) / seconds, percentile(took, 0.5) * 1000, percentile(took, 0.95) * 1000)


def sale(took: Sequence[float], seconds: float, outcomes: Sequence[str], spent: Sequence[Cost]) -> Sale:
    """Of bookings with these outcomes ("sold", "sold_out", or what went wrong) that cost this in all."""
    sold = outcomes.count("sold")
    each = 1 / max(1, sold)
    return Sale(
        per_second=sold / seconds,
        p50_ms=percentile(took, 0.5) * 1000,
        p95_ms=percentile(took, 0.95) * 1000,
        sold=sold,
        sold_out=outcomes.count("sold_out"),
        failed=tuple(outcome for outcome in outcomes if outcome not in {"sold", "sold_out"}),
        attempts=sum(cost.commits for cost in spent) * each,
        round_trips=sum(cost.calls for cost in spent) * each,
        reads=sum(cost.reads for cost in spent) * each,
    )


def percentile(values: Sequence[float], share: float) -> float:
    """The value that this share of them does not exceed."""
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)] if values else math.nan


def middle(runs: Sequence[RateT]) -> RateT:
    """The run of the median rate."""
    return sorted(runs, key=lambda run: run.per_second)[len(runs) // 2]
