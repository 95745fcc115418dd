"""How far to look for a page of what is nearest: rings sized by how dense events lie, so that few are read in vain."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

# Where nothing is known of a place: the middle of a dense city has a page of events within it.
UNKNOWN_KM: Final = 1.0
# A ring found short is followed by one of at least the next of these times its area, in the end of always the last.
WIDER: Final = (4.0, 16.0, 49.0)
# A ring that reaches so far takes the rest of the circle along: it costs little more, and no further round trip.
NEARLY_ALL: Final = 0.7
# Events crowd somewhere in a ring that was cut: one that is too narrow then costs less than one that is cut again.
NARROWER: Final = 0.2
# Less is chance: the first cells of a ring may be the crowded ones.
LEAST_SHARE: Final = 1e-3
# A centimetre: no ring is empty for rounding.
THINNEST_KM: Final = 1e-5


@dataclass(frozen=True)
class Ring:
    """Distances from the center, and how many documents to read of it at most."""

    inner_km: float
    outer_km: float
    guard: int


@dataclass
class Rings:
    """The rings to read one after the other, from `start_km` on, until `wanted` events are found or none is left.

    `density` is what was found here before, in events a square kilometre: a guess that costs reads where it is wrong,
    never an event.
    """

    radius_km: float
    start_km: float
    wanted: int
    density: float | None = None
    _short: int = 0
    _cut: int = 0

    def first(self) -> Ring:
        """The ring that should hold what is wanted."""
        return self._ring(self.start_km, self._reach(self.density) if self.density else self.start_km + UNKNOWN_KM)

    def after_cut(self, ring: Ring, share: float) -> Ring:
        """A smaller one, because the guard let through only what lies in that share of this one."""
        self._cut += 1
        density = ring.guard / max(share, LEAST_SHARE) / _some_area(ring.inner_km, ring.outer_km)
        narrower = ring.inner_km + (ring.outer_km - ring.inner_km) * NARROWER
        return self._ring(ring.inner_km, min(self._reach(density, ring.inner_km), narrower))

    def after_short(self, ring: Ring, found: int) -> Ring | None:
        """The next one, when all up to this one had too few; None when that was all."""
        if ring.outer_km >= self.radius_km:
            return None
        least, most = WIDER[min(self._short, len(WIDER) - 1)], WIDER[-1]
        self._short += 1
        seen = _some_area(self.start_km, ring.outer_km)
        reach = self._reach(found / seen) if found else math.inf
        nearest, farthest = (_radius(self.start_km, seen * times) for times in (least, most))
        return self._ring(ring.outer_km, min(max(reach, nearest), farthest))

    def _reach(self, density: float, inner_km: float | None = None) -> float:
        return _radius(self.start_km if inner_km is None else inner_km, self._expected() / density)

    def _expected(self) -> float:
        """How many to aim at, so that chance seldom leaves fewer than wanted."""
        return self.wanted + 1.3 * math.sqrt(self.wanted) + 1

    def _ring(self, inner_km: float, outer_km: float) -> Ring:
        outer_km = max(outer_km, inner_km + THINNEST_KM)
        if area(inner_km, outer_km) > NEARLY_ALL**2 * area(inner_km, self.radius_km):
            outer_km = self.radius_km
        # What lies at one place is read together in the end, however much: from its second cut on it lets more through.
        return Ring(inner_km, outer_km, math.ceil((4 * self._expected() + 40) * 4 ** max(0, self._cut - 1)))


def density_of(found: int, ring_start_km: float, ring_end_km: float) -> float:
    """Events a square kilometre. None found is taken for half of one: elsewhere in the cell there may be some."""
    return max(found, 0.5) / _some_area(ring_start_km, ring_end_km)


def area(inner_km: float, outer_km: float) -> float:
    """Of a ring, in square kilometres; flat, which is near enough for a guess."""
    return math.pi * (outer_km + inner_km) * (outer_km - inner_km)


def _some_area(inner_km: float, outer_km: float) -> float:
    """The same, never none: a cursor may stand on the circle itself, and what is left is then a line."""
    return max(area(inner_km, outer_km), area(0, THINNEST_KM))


def _radius(inner_km: float, ring_area: float) -> float:
    return math.sqrt(inner_km * inner_km + ring_area / math.pi)
