"""`python -m bench.sweep [part of a name …]`: the numbers of the engine, tried one by one, near and far.

Each is changed alone while the others are as the product has them. docs/decisions/0007-hot-on-sale.md chose by it.
"""

from __future__ import annotations

import asyncio
import os
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

import uvloop

from bench import scenarios
from bench.cloud import forget_all, local_cloud
from bench.measurement import Runs, Sale
from bench.sellers import Sellers, open_event
from common import clients

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bench.scenarios import Scenario

RUNS: Final = 3
INVENTORY: Final = "common.orders.inventory"
LINE: Final = "common.orders.waiting_line"
TRIED: Final[dict[str, list[tuple[str, dict[str, Any]]]]] = {
    "shards a tier": [(str(count), scenarios.shards(count)) for count in (1, 2, 4, 8, 16)],
    "commits in flight": [(str(count), {f"{INVENTORY}:MOST_IN_FLIGHT": count}) for count in (1, 2, 3, 4)],
    "enough for one more": [(str(share), {f"{INVENTORY}:ENOUGH_WAITING": share}) for share in (0.05, 0.25, 0.5, 1)],
    "writes a commit": [(str(count), {f"{LINE}:MOST_WRITES": count}) for count in (100, 200, 400, 480)],
}


def sweep() -> Iterator[Scenario]:
    """Every number under every load."""
    for what, values in TRIED.items():
        for at_once, processes, delay_ms in ((128, 1, 0), (32, 4, 0), (128, 4, 0), (128, 1, 20), (128, 4, 20)):
            for value, settings in values:
                name = f"{what} {value}: {at_once} at once, {processes} process(es), {delay_ms} ms"
                base = scenarios.one_tier(at_once, processes)
                yield replace(base, name=name, delay_ms=delay_ms, settings=settings)


async def measure(project: str, chosen: Sequence[Scenario]) -> Runs:
    runs = Runs()
    with Sellers(max(scenarios.PROCESSES)) as sellers:
        for turn in range(RUNS + 1):
            for scenario in chosen:
                result = sellers.sale(scenario, *await open_event(scenario))
                if not result.exact(scenario.orders, scenario.buyers):
                    raise SystemExit(f"{scenario.name}: {result}")
                if turn:  # the first round warms
                    runs.keep(scenario.name, result)
            await forget_all(project)
    await clients.close()
    return runs


def main() -> None:
    wanted = sys.argv[1:]
    every = [*scenarios.ALL, *sweep()] if wanted else list(sweep())
    chosen = [scenario for scenario in every if not wanted or any(part in scenario.name for part in wanted)]
    project = os.environ["GOOGLE_CLOUD_PROJECT"] = f"demo-sweep-{uuid4().hex[:8]}"
    with local_cloud():
        os.environ["GOOGLE_CLOUD_PROJECT"] = project
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runs = runner.run(measure(project, chosen))
    for name in runs.of:
        run = runs.middle(name)
        assert isinstance(run, Sale)
        print(
            f"{name:66} {run.per_second:6.0f}/s  p95 {run.p95_ms:6.1f} ms  cpu {run.cpu_us:5.0f} us"
            f"  commits {run.attempts:.3f}  round trips {run.round_trips:.3f}  reads {run.reads:.3f}"
        )


if __name__ == "__main__":
    main()
