"""`python -m bench`: bookings and reads per second, as a table and build/bench.json; fails when a sale is not exact."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import math
import os
import sys
import time
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

import httpx
import uvloop

from bench import booking, goals, scenarios
from bench.cloud import LOGS, forget_all, local_cloud
from bench.goals import ceiling_name
from bench.load import encode, send_for
from bench.measurement import Part, Rate, Runs, Sale, rate
from bench.sellers import Sellers, open_event
from bench.server import COUNTED, EMPTY, GATEWAY, ROOT, program
from common import clients
from common.operations.audit import audit_event
from emulators.addresses import Ports
from emulators.processes import Processes, StartFailed
from tests.support.people import Person, SigningKeys, accepted, order_body, publish_event, tier_body
from tests.support.server import AnswerThread

if TYPE_CHECKING:
    from collections.abc import Sequence


RESULT: Final = ROOT / "build" / "bench.json"
RUNS: Final = 3
READ_SECONDS: Final = 1.0
READERS: Final = 64
BOOKERS: Final = 32
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

    def __init__(self, project: str, keys: SigningKeys) -> None:
        self._project, self._keys = project, keys
        self._tokens = [keys.token(project, f"buyer-{number}") for number in range(booking.BUYERS)]
        self.runs = Runs()
        self.faults: list[str] = []

    def _keep(self, name: str, result: Rate) -> None:
        self.runs.keep(name, result)
        print(f"  {name}: {result.per_second:.0f}/s", file=sys.stderr)

    async def at_the_store(self) -> None:
        """In separate processes; first rounds that are not kept warm the emulator and the processes."""
        with Sellers(max(scenarios.PROCESSES)) as sellers:
            for _ in range(2):
                sellers.ceiling(max(scenarios.CROWDS))
                await self._sale(sellers, scenarios.one_tier(128, 4))
            for turn in range(RUNS):
                for at_once in scenarios.CROWDS:
                    self._keep(ceiling_name(at_once), sellers.ceiling(at_once))
                for scenario in scenarios.ALL:
                    self._keep(scenario.name, await self._sale(sellers, scenario, audit=turn == 0))
                await forget_all(self._project)
        await clients.close()

    async def _sale(self, sellers: Sellers, scenario: scenarios.Scenario, *, audit: bool = False) -> Sale:
        event_id, tier_ids = await open_event(scenario)
        result = sellers.sale(scenario, event_id, tier_ids)
        if not result.exact(scenario.orders, scenario.buyers):
            failed = sorted(set(result.failed))[:3]
            self.faults.append(f"{scenario.name}: {result.sold} sold, {result.sold_out} sold out, {failed}")
        if audit:
            self.faults += [f"{scenario.name}: {violation}" for violation in await audit_event(event_id)]
        return result

    async def over_http(self, processes: Processes) -> None:
        """Bookings through one and two gateways, and reads."""
        ports = iter(dataclasses.astuple(Ports.free()))
        one, other, plain, empty = (
            self._serve(processes, kind, next(ports)) for kind in (COUNTED, COUNTED, GATEWAY, EMPTY)
        )
        processes.wait_ready()
        with httpx.Client(base_url=one, timeout=60, trust_env=False) as client:
            host = Person("host", self._keys.token(self._project, "host"), client)
            for turn in range(RUNS + 1):
                for count in (1, 2):
                    name = f"HTTP, {BOOKERS} at once, {count} process{'es' * (count > 1)}"
                    await self._http_sale(host, (one, other)[:count], name, keep=turn > 0)
            await self._reads(host, plain, empty)

    def _serve(self, processes: Processes, kind: str, port: int) -> str:
        processes.start(program(kind, port, {"GOOGLE_CLOUD_PROJECT": self._project}))
        return f"http://127.0.0.1:{port}"

    async def _http_sale(self, host: Person, urls: Sequence[str], name: str, *, keep: bool) -> None:
        event = publish_event(host, tier_body(capacity=booking.UNITS))
        tier_id = event["tiers"][0]["tierId"]
        result = await booking.over_http(urls, event["eventId"], tier_id, self._tokens, BOOKERS)
        if not result.exact(booking.UNITS, booking.BUYERS):
            self.faults.append(f"{name}: {result.sold} sold, {result.sold_out} sold out, {set(result.failed)}")
        if keep:
            self._keep(name, result)

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
                began = time.perf_counter()
                answers = await send_for([url], request, READERS, READ_SECONDS)
                refused = [answer for answer in answers if answer.status != 200]
                if refused:
                    raise SystemExit(f"{name}: {refused[0].status} {refused[0].body.decode()}")
                if turn:  # the first turn warms
                    ended = max(answer.ended for answer in answers)
                    took = [answer.took for answer in answers]
                    self._keep(name, rate([Part(began, ended, float("nan"), took, ["done"] * len(took))]))

    def result(self) -> dict[str, Any]:
        """The middle run of each, the goals, and every run."""
        judged = [*goals.at_the_store(self.runs), *goals.over_http(self.runs)]
        return {
            "medians": {name: dataclasses.asdict(self.runs.middle(name)) for name in self.runs.of},
            "goals": [dataclasses.asdict(goal) | {"met": goal.met, "text": str(goal)} for goal in judged],
            "exact": not self.faults,
            "faults": self.faults,
            "runs": {name: [dataclasses.asdict(run) for run in runs] for name, runs in self.runs.of.items()},
        }


def table(result: dict[str, Any]) -> str:
    """The result for people."""
    columns = {"per_second": 0, "p50_ms": 1, "p95_ms": 1, "cpu_us": 0, "attempts": 3, "round_trips": 3, "reads": 3}
    heads = ("per s", "p50 ms", "p95 ms", "cpu us", "commits", "round trips", "reads")
    lines = [f"{'':52}" + "".join(f"{head:>12}" for head in heads) + "  (each; a sale's for each order held)"]
    for name, figures in result["medians"].items():
        values = ((figures.get(column, math.nan), digits) for column, digits in columns.items())
        cells = (" " * 12 if math.isnan(value) else f"{value:12.{digits}f}" for value, digits in values)
        lines.append(f"{name:52}" + "".join(cells))
    lines += [goal["text"] for goal in result["goals"]]
    return "\n".join([*lines, f"every sale exact: {'yes' if result['exact'] else 'NO'}", *result["faults"]])


def main() -> int:
    began = time.monotonic()
    project, keys = f"demo-bench-{uuid4().hex[:8]}", SigningKeys()
    body = json.dumps(keys.jwks()).encode()
    with local_cloud(), Processes(LOGS) as processes:
        server = AnswerThread(lambda _: (200, body, {"Cache-Control": "public, max-age=3600"}))
        os.environ |= {"GOOGLE_CLOUD_PROJECT": project, "FIREBASE_KEYS_URL": server.url}
        os.environ.pop("FIREBASE_AUTH_EMULATOR_HOST", None)
        bench = Bench(project, keys)
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(bench.at_the_store())
                runner.run(bench.over_http(processes))
        finally:
            server.stop()
    result = bench.result()
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(result, indent=2) + "\n")
    print(table(result))
    print(f"measured in {time.monotonic() - began:.0f} s")
    return 0 if result["exact"] else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except StartFailed as failed:
        sys.exit(f"bench: {failed}")
