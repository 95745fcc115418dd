"""`python -m bench.discovery [EVENTS …]`: reads per request of every way to find an event, and our own time for it."""

from __future__ import annotations

import asyncio
import os
import statistics
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from uuid import uuid4

from bench.calls import call
from bench.city import CITY, City
from bench.cloud import local_cloud
from bench.measurement import percentile
from common import clients
from manifest.discover import discover
from tests.support.cost_recorder import CostRecorder

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bench.calls import Called
    from common.endpoint import Endpoint

SIZES: Final = (1_000, 10_000, 100_000)
TIMES: Final = 12
HERE: Final[dict[str, object]] = {"latitude": CITY.latitude, "longitude": CITY.longitude}
SOMETHING: Final = "evt_000007"


@dataclass(frozen=True)
class Way:
    """One way to find events. A route that the gateway does not have is said to be missing."""

    path: str
    query: Mapping[str, object] = field(default_factory=dict)
    # What the parameters of the path are: the id of an event, unless it says otherwise.
    parameters: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        query = "&".join(f"{name}={value}" for name, value in self.query.items())
        return f"{self.path}?{query}" if query else self.path

    @property
    def called(self) -> str:
        """The path with its parameters."""
        return self.path.format(**({"eventId": SOMETHING, "slug": f"night-7-{SOMETHING}"} | dict(self.parameters)))


WAYS: Final = (
    *(Way("/v1/events/feed", {"mode": mode, "city": "Mumbai"}) for mode in ("tonight", "weekend", "trending")),
    Way("/v1/events/feed", HERE | {"mode": "nearby"}),
    Way("/v1/events/feed", {"city": "Mumbai", "genres": "electronic", "maxPriceMinor": 2_000, "sort": "price"}),
    *(Way("/v1/events/search", {"q": text}) for text in ("techno", "tecno tonight under 1000", "hall 17 free jazz")),
    Way("/v1/search", {"q": "artist 12"}),
    Way("/v1/search/suggestions", {"q": "nig"}),
    Way("/v1/events/nearby", HERE | {"radiusKm": 5}),
    Way("/v1/events/nearby", HERE | {"radiusKm": 100, "genre": "jazz"}),
    Way("/v1/events/{eventId}"),
    Way("/e/{slug}"),
    Way("/e/{slug}/event.ics"),
    Way("/v1/genres"),
    Way("/v1/venues/{venueId}/events", parameters={"venueId": "hall-7-mumbai"}),
    Way("/v1/artists/{artistId}/events", parameters={"artistId": "artist-7"}),
    Way("/v1/organizers/{orgId}/events", parameters={"orgId": "org_7"}),
)


@dataclass
class Row:
    """The calls of one way: the first of a process, then `TIMES` more."""

    way: Way
    events: int
    calls: list[Called]

    def __str__(self) -> str:
        first, *more = self.calls
        reads = [each.cost.reads for each in more]
        own = [each.own_ms for each in more]
        statuses = {each.status for each in self.calls} - {200}
        return (
            f"{self.way!s:92}{self.events:>8}{first.cost.reads:>9}{statistics.mean(reads):>8.1f}{max(reads):>7}"
            f"{max(each.cost.calls for each in more):>7}{percentile(own, 0.5):>9.1f}{percentile(own, 0.95):>9.1f}"
            + (f"  answered {statuses}" if statuses else "")
        )


HEAD: Final = (
    f"{'':92}{'events':>8}{'first':>9}{'reads':>8}{'most':>7}{'calls':>7}{'own p50':>9}{'own p95':>9}"
    "   (the first of a process brings its copy of the listings; own time in ms)"
)


async def run(sizes: tuple[int, ...]) -> None:
    recorder, city = CostRecorder(), City(listed=True)
    recorder.start()
    functions = {f.spec.path: f for f in discover().endpoint_functions if f.spec.method == "GET"}
    rows: list[Row] = []
    for events in sizes:
        await city.grow_to(events)
        for way in WAYS:
            if way.path in functions:
                rows.append(await _row(recorder, functions[way.path], way, events))
                print(rows[-1], file=sys.stderr)
    recorder.stop()
    print(HEAD, *rows, sep="\n")
    for path in dict.fromkeys(way.path for way in WAYS if way.path not in functions):
        print(f"not measured: this gateway has no GET {path}")


async def _row(recorder: CostRecorder, function: Endpoint, way: Way, events: int) -> Row:
    await clients.close()  # what is kept is kept for a client
    calls = [await call(recorder, function, way.query, way.called) for _ in range(TIMES + 1)]
    await clients.close()
    return Row(way, events, calls)


def main() -> None:
    with local_cloud():
        os.environ["GOOGLE_CLOUD_PROJECT"] = f"demo-discovery-{uuid4().hex[:8]}"
        asyncio.run(run(tuple(map(int, sys.argv[1:])) or SIZES))


if __name__ == "__main__":
    main()
