"""`python -m bench`: bookings and reads per second, as a table and build/bench.json; fails when a sale is not exact."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import os
import statistics
import sys
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

import httpx
import uvloop

from bench import booking
from bench.load import encode, send_for
from bench.measurement import Rate, Sale, middle, rate
from bench.server import COUNTED, EMPTY, GATEWAY, ROOT, program
from emulators.addresses import Ports
from emulators.local_cloud import LocalCloud
from emulators.processes import Processes, StartFailed
from tests.support.cost_recorder import CostRecorder
from tests.support.people import Person, SigningKeys, accepted, order_body, publish_event, tier_body
from tests.support.server import AnswerThread

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


RESULT: Final = ROOT / "build" / "bench.json"
LOGS: Final = ROOT / ".local" / "bench" / "logs"
RUNS: Final = 3
WARMING_RUNS: Final = 4
READ_SECONDS: Final = 2.0
READERS: Final = 64
CROWDS: Final = (32, 128)
# Away from the events of the sales, so that a page of the nearby list is always of the same length.
NEARBY_EVENTS: Final = 20
LAGOS: Final = {
    "name": "The Pier",
    "address": "Victoria Island",
    "city": "Lagos",
    "latitude": 6.4281,
    "longitude": 3.4219,
}


class Bench:
    """Runs every measurement in one project, and keeps each run."""

    def __init__(self, project: str, keys: SigningKeys, processes: Processes) -> None:
        self._project, self._keys, self._processes = project, keys, processes
        self._tokens = [keys.token(project, f"buyer-{number}") for number in range(booking.BUYERS)]
        self.runs: dict[str, list[Rate]] = {}

    def run(self) -> None:
        """All of it: the database warm first, then each way to book beside its ceiling, then the reads."""
        ports = iter(dataclasses.astuple(Ports.free()))
        kinds = (COUNTED, COUNTED, GATEWAY, EMPTY)
        one, other, plain, empty = (self._serve(kind, next(ports)) for kind in kinds)
        self._processes.wait_ready()
        with httpx.Client(base_url=one, timeout=60, trust_env=False) as client:
            host = Person("host", self._keys.token(self._project, "host"), client)
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(self._sales(host, [one, other]))
                runner.run(self._reads(host, plain, empty))

    def _serve(self, kind: str, port: int) -> str:
        self._processes.start(program(kind, port, {"GOOGLE_CLOUD_PROJECT": self._project}))
        return f"http://127.0.0.1:{port}"

    def _keep(self, name: str, result: Rate) -> None:
        self.runs.setdefault(name, []).append(result)
        print(f"  {name}: {result.per_second:.0f}/s", file=sys.stderr)

    async def _sales(self, host: Person, urls: Sequence[str]) -> None:
        recorder = CostRecorder()
        stock = booking.stock_client(self._project)
        for _ in range(WARMING_RUNS):
            await booking.ceiling(stock, CROWDS[0])
            await booking.over_http(urls, *self._tier(host), self._tokens, CROWDS[0])
        recorder.start()
        for _ in range(RUNS):
            for crowd in CROWDS:
                self._keep(f"ceiling {crowd}", await booking.ceiling(stock, crowd))
                self._keep(f"store {crowd}", await booking.at_the_store(*self._tier(host), crowd, recorder))
                for count in (1, 2):
                    tier = self._tier(host)
                    result = await booking.over_http(urls[:count], *tier, self._tokens, crowd)
                    self._keep(f"http {crowd}, {count} process{'es' * (count > 1)}", result)
        await booking.close(stock)
        recorder.stop()

    def _tier(self, host: Person) -> tuple[str, str]:
        """A new event's only tier."""
        event = publish_event(host, tier_body(capacity=booking.UNITS))
        return event["eventId"], event["tiers"][0]["tierId"]

    async def _reads(self, host: Person, plain: str, empty: str) -> None:
        events = [publish_event(host, tier_body(capacity=10), venue=LAGOS) for _ in range(NEARBY_EVENTS)]
        event, order = events[0], accepted(host.post("/v1/orders", order_body(events[0])))
        query = f"latitude={LAGOS['latitude']}&longitude={LAGOS['longitude']}&radiusKm=5&limit={NEARBY_EVENTS}"
        token = booking.signed_in(host.token)
        requests = {
            "empty function": (empty, encode("GET", "/")),
            "event detail": (plain, encode("GET", f"/v1/events/{event['eventId']}")),
            "nearby": (plain, encode("GET", f"/v1/events/nearby?{query}")),
            "signed-in read": (plain, encode("GET", f"/v1/orders/{order['orderId']}", token)),
        }
        for turn in range(RUNS + 1):
            for name, (url, request) in requests.items():
                answers = await send_for([url], request, READERS, READ_SECONDS)
                refused = [answer for answer in answers if answer.status != 200]
                if refused:
                    raise SystemExit(f"{name}: {refused[0].status} {refused[0].body.decode()}")
                if turn:  # the first turn warms
                    self._keep(name, rate([answer.took for answer in answers], READ_SECONDS))

    def result(self) -> dict[str, Any]:
        """Medians, ratios of medians, and every run."""
        figures = {name: dataclasses.asdict(middle(runs)) for name, runs in self.runs.items()}
        goals = []
        for crowd in CROWDS:
            store, one, two = f"store {crowd}", f"http {crowd}, 1 process", f"http {crowd}, 2 processes"
            goals.append(self._goal(store, f"ceiling {crowd}", 1.0))
            goals.append(self._goal(one, "signed-in read", 0.4))
            goals.append(self._goal(two, one, 1.0))
        runs = {name: [dataclasses.asdict(run) for run in runs] for name, runs in self.runs.items()}
        return {"medians": figures, "goals": goals, "exact": self._exact(), "runs": runs}

    def _goal(self, name: str, other: str, least: float) -> dict[str, Any]:
        ratio = self._median(name) / self._median(other)
        return {"of": name, "to": other, "ratio": ratio, "least": least, "met": ratio >= least}

    def _median(self, name: str) -> float:
        return statistics.median(run.per_second for run in self.runs[name])

    def _exact(self) -> bool:
        sales = [run for runs in self.runs.values() for run in runs if isinstance(run, Sale)]
        return all(sale.exact(booking.UNITS, booking.BUYERS) for sale in sales)


def table(result: dict[str, Any]) -> str:
    """The result for people."""
    lines = [
        f"{'':28}{'per s':>8}{'p50 ms':>9}{'p95 ms':>9}{'attempts':>10}{'round trips':>13}{'reads':>8}  (a booking)"
    ]
    for name, figures in result["medians"].items():
        line = f"{name:28}{figures['per_second']:8.0f}{figures['p50_ms']:9.1f}{figures['p95_ms']:9.1f}"
        if "attempts" in figures:
            line += f"{figures['attempts']:10.3f}{figures['round_trips']:13.3f}{figures['reads']:8.3f}"
        lines.append(line)
    for goal in result["goals"]:
        verdict = "met" if goal["met"] else "MISSED"
        lines.append(f"{goal['of']} / {goal['to']}: {goal['ratio']:.0%}, goal {goal['least']:.0%}: {verdict}")
    return "\n".join([*lines, f"every sale exact: {'yes' if result['exact'] else 'NO'}"])


@contextlib.contextmanager
def local_cloud() -> Iterator[None]:
    """The emulators that the environment names, or a cloud of our own."""
    if "FIRESTORE_EMULATOR_HOST" in os.environ:
        yield
        return
    with LocalCloud(Ports.free(), state=LOGS.parent) as cloud:
        os.environ.update(cloud.environment())
        yield


def main() -> int:
    project, keys = f"demo-bench-{uuid4().hex[:8]}", SigningKeys()
    body = json.dumps(keys.jwks()).encode()
    with local_cloud(), Processes(LOGS) as processes:
        server = AnswerThread(lambda _: (200, body, {"Cache-Control": "public, max-age=3600"}))
        os.environ |= {"GOOGLE_CLOUD_PROJECT": project, "FIREBASE_KEYS_URL": server.url}
        os.environ.pop("FIREBASE_AUTH_EMULATOR_HOST", None)
        bench = Bench(project, keys, processes)
        try:
            bench.run()
        finally:
            server.stop()
    result = bench.result()
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(result, indent=2) + "\n")
    print(table(result))
    return 0 if result["exact"] else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except StartFailed as failed:
        sys.exit(f"bench: {failed}")
