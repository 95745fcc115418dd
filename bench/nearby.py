"""`python -m bench.nearby [EVENTS …]`: reads, round trips and own time of nearby in a dense city, an empty country."""

from __future__ import annotations

import asyncio
import math
import os
import statistics
import sys
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from uuid import uuid4

from bench.calls import call
from bench.city import City
from bench.cloud import local_cloud
from bench.goals import Goal
from bench.measurement import percentile
from common import clients
from common.geo import Point, distance_km
from common.nearby import store
from functions.discovery.list_nearby_events import list_nearby_events
from tests.support.cost_recorder import CostRecorder

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.calls import Called

SIZES: Final = (1_000, 10_000, 100_000)
RADII_KM: Final = (1, 5, 25, 100)
PLACES: Final = ("dense city", "empty country")
# The emulator searches through all documents, once for each range: fewer places where there are many events.
CENTERS: Final = {1_000: 10, 10_000: 6, 100_000: 4}
FEWEST_CENTERS: Final = 4
LIMIT: Final = 20
LATER_PAGES: Final = 1
# Somebody in the next street: what was learned of a place serves its neighbours.
NEXT_STREET: Final = 0.0005


@dataclass
class Row:
    """What the pages of one place, radius and number of events came to."""

    place: str
    events: int
    radius_km: int
    # First pages of a process that knows nothing of the place, those of one that does, and the ones after these.
    cold: list[Called] = field(default_factory=list)
    warm: list[Called] = field(default_factory=list)
    later: list[Called] = field(default_factory=list)
    in_disc: list[int] = field(default_factory=list)

    def reads(self, kind: str) -> float:
        return statistics.mean([each.cost.reads for each in getattr(self, kind)] or [float("nan")])

    @property
    def reads_a_result(self) -> float:
        """Of the warm pages that show all that is in their disc."""
        whole = [(each.cost.reads, size) for each, size in zip(self.warm, self.in_disc, strict=True) if size <= LIMIT]
        found = sum(size for _, size in whole)
        # A query that finds nothing is one read too.
        return sum(reads for reads, size in whole if size) / found if found >= LIMIT else float("nan")

    def round_trips(self, kind: str) -> int:
        """The most: one query each."""
        return max([each.cost.calls for each in getattr(self, kind)] or [0])

    def own_ms(self, share: float) -> float:
        return percentile([each.own_ms for each in self.warm + self.later], share)

    def __str__(self) -> str:
        return (
            f"{self.place:14}{self.events:>8}{self.radius_km:>5} km{statistics.mean(self.in_disc):>10.0f}"
            f"{self.reads('cold'):>9.1f}{self.reads('warm'):>9.1f}{self.reads('later'):>9.1f}"
            f"{self.reads_a_result:>11.2f}{self.round_trips('cold'):>8}{self.round_trips('warm'):>8}"
            f"{self.own_ms(0.5):>9.1f}{self.own_ms(0.95):>9.1f}"
        )


HEAD: Final = (
    f"{'':14}{'events':>8}{'radius':>8}{'in disc':>10}{'cold':>9}{'warm':>9}{'later':>9}{'a result':>11}{'cold':>8}"
    f"{'warm':>8}{'own p50':>9}{'own p95':>9}   (reads a page of {LIMIT}, most round trips, own time in ms)"
)


class Bench:
    """Pages around many places, compared with a search through all events."""

    def __init__(self, recorder: CostRecorder) -> None:
        self._recorder, self._city = recorder, City()
        self.faults: list[str] = []

    async def measure(self, sizes: tuple[int, ...]) -> list[Row]:
        """Each number of events in turn."""
        rows = []
        for events in sizes:
            await self._city.grow_to(events)
            await self._page(Point(0, 0), 1, None)  # connects
            for place in PLACES:
                for radius_km in RADII_KM:
                    rows.append(await self._row(place, events, radius_km))
                    print(rows[-1], file=sys.stderr)
        return rows

    async def _row(self, place: str, events: int, radius_km: int) -> Row:
        row = Row(place, events, radius_km)
        for center in self._city.centers(place, CENTERS.get(events, FEWEST_CENTERS)):
            forget_densities()
            row.cold.append(await self._page(center, radius_km, None))
            beside = Point(center.latitude + NEXT_STREET, center.longitude)
            around = self._around(beside, radius_km)
            row.in_disc.append(len(around))
            page = await self._page(beside, radius_km, None)
            row.warm.append(page)
            self._check(page, around[:LIMIT], row)
            for later in range(1, LATER_PAGES + 1):
                if "nextCursor" not in page.body:
                    break
                page = await self._page(beside, radius_km, page.body["nextCursor"])
                row.later.append(page)
                self._check(page, around[later * LIMIT : (later + 1) * LIMIT], row)
        return row

    async def _page(self, center: Point, radius_km: float, cursor: str | None) -> Called:
        query = {"latitude": center.latitude, "longitude": center.longitude, "radiusKm": radius_km, "limit": LIMIT}
        return await call(self._recorder, list_nearby_events, query | ({"cursor": cursor} if cursor else {}))

    def _around(self, center: Point, radius_km: float) -> list[str]:
        near = ((distance_km(center, place.point), place.event_id) for place in self._city.places)
        return [event_id for distance, event_id in sorted(near) if distance <= radius_km]

    def _check(self, page: Called, expected: list[str], row: Row) -> None:
        if page.status != 200 or [card["eventId"] for card in page.body["items"]] != expected:
            self.faults.append(f"{row.place}, {row.radius_km} km, {row.events} events: not what a search finds")


def forget_densities() -> None:
    """Know as little of every place as a process that has just started."""
    store._densities[clients.firestore()] = OrderedDict()


def goals(rows: list[Row]) -> Iterator[Goal]:
    """What is asked of nearby."""
    for row in rows:
        name = f"{row.place}, {row.events} events, {row.radius_km} km"
        if not math.isnan(row.reads_a_result):
            bound = 1.5 if row.radius_km <= 5 else 1.15
            yield Goal(f"{name}: reads a result in the disc", row.reads_a_result, bound, at_least=False)
        if statistics.mean(row.in_disc) > 10 * LIMIT:
            yield Goal(f"{name}: reads for each shown", row.reads("warm") / LIMIT, 2, at_least=False)
        yield Goal(f"{name}: round trips, most", row.round_trips("cold"), 5, at_least=False)
    for events in dict.fromkeys(row.events for row in rows):
        own = [page.own_ms for row in rows if row.events == events for page in (*row.warm, *row.later)]
        yield Goal(f"{events} events: own p95 in ms", percentile(own, 0.95), 10, at_least=False)


async def run(sizes: tuple[int, ...]) -> int:
    recorder = CostRecorder()
    recorder.start()
    bench = Bench(recorder)
    rows = await bench.measure(sizes)
    await clients.close()
    recorder.stop()
    print(HEAD, *rows, *goals(rows), sep="\n")
    print(f"every page exact: {'NO' if bench.faults else 'yes'}", *sorted(set(bench.faults)), sep="\n")
    return 1 if bench.faults else 0


def main() -> int:
    with local_cloud():
        os.environ["GOOGLE_CLOUD_PROJECT"] = f"demo-nearby-{uuid4().hex[:8]}"
        return asyncio.run(run(tuple(map(int, sys.argv[1:])) or SIZES))


if __name__ == "__main__":
    sys.exit(main())
