"""What the figures have to be: each goal is a ratio or a count of this run, so the machine does not matter."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from bench.scenarios import CROWDS, PROCESSES, WITHOUT_KEY, far, fours, one_tier, twenty_tiers

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.measurement import Runs

TIMES_THE_CEILING: Final = {32: 2.0, 128: 4.0}


@dataclass(frozen=True)
class Goal:
    """A figure and its bound."""

    what: str
    value: float
    bound: float
    at_least: bool = True

    @property
    def met(self) -> bool:
        return self.value >= self.bound if self.at_least else self.value <= self.bound

    def __str__(self) -> str:
        bound = f"{'at least' if self.at_least else 'at most'} {self.bound:g}"
        return f"{'met   ' if self.met else 'MISSED'}  {self.value:7.2f}  {bound:14}  {self.what}"


def ceiling_name(at_once: int) -> str:
    return f"single commits, {at_once} at once"


def at_the_store(runs: Runs) -> Iterator[Goal]:
    """The hot on-sale, the prices, limits and group commit of this machine's processes, without HTTP."""
    for at_once in CROWDS:
        for processes in PROCESSES:
            name = one_tier(at_once, processes).name
            times = runs.ratio(name, ceiling_name(at_once))
            yield Goal(f"{name}: sales for each single commit", times, TIMES_THE_CEILING[at_once])
            yield Goal(f"{name}: round trips a sale", runs.median(name, "round_trips"), 0.3, at_least=False)
            yield Goal(f"{name}: reads a sale", runs.median(name, "reads"), 0.5, at_least=False)
            if at_once == max(CROWDS):
                yield Goal(f"{name}: p95 in ms", runs.median(name, "p95_ms"), 100, at_least=False)
        four, one = one_tier(at_once, 4).name, one_tier(at_once, 1).name
        yield Goal(f"{four}: of one process", runs.ratio(four, one), 0.7)
        yield Goal(f"{far(at_once).name}: of one document", runs.ratio(far(at_once).name, far(at_once, 1).name), 2.0)
    yield Goal(f"{WITHOUT_KEY.name}: reads a sale", runs.median(WITHOUT_KEY.name, "reads"), 0.5, at_least=False)
    for processes in (1, 4):
        one = one_tier(128, processes).name
        tiers, four_units = twenty_tiers(processes).name, fours(processes).name
        yield Goal(f"{tiers}: of one tier", runs.ratio(tiers, one), 1.0)
        yield Goal(f"{four_units}: units of single units", runs.ratio(four_units, one, "units_per_second"), 0.4)
        yield Goal(f"{four_units}: orders of single units", runs.ratio(four_units, one), 0.4)


def over_http(runs: Runs) -> Iterator[Goal]:
    """Bookings as phones make them."""
    one, two = "HTTP, 32 at once, 1 process", "HTTP, 32 at once, 2 processes"
    yield Goal(f"{one}: of signed-in reads", runs.ratio(one, "signed-in read"), 0.4)
    yield Goal(f"{two}: of one process", runs.ratio(two, one), 1.0)
