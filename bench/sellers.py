"""The processes that sell, and the events that they sell."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any, Final, Self
from uuid import uuid4

from bench.measurement import Part, Rate, Sale, rate, sale
from bench.scenarios import UNITS, Scenario
from bench.seller import otherwise, part_of
from bench.server import ROOT
from common import clock
from tests.support.people import event_body, tier_body

if TYPE_CHECKING:
    from tests.support.cost_recorder import Cost

CEILING_COMMITS: Final = 600


class Sellers:
    """Some processes that stay, each with its own client. All of a job's begin at one word."""

    def __init__(self, count: int) -> None:
        command = [sys.executable, "-m", "bench.seller"]
        # They end when their input does, however this process ends.
        self._processes = [
            subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT, text=True)
            for _ in range(count)
        ]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._processes:
            process.communicate()

    def ceiling(self, at_once: int) -> Rate:
        """Single commits of three documents through the stock client, in one process."""
        [(part, _)] = self._run([{"job": "ceiling", "count": CEILING_COMMITS, "atOnce": at_once}])
        return rate([part])

    def sale(self, scenario: Scenario, event_id: str, tier_ids: list[str]) -> Sale:
        """Every buyer of the scenario, spread over its processes."""
        count, each = scenario.processes, scenario.buyers // scenario.processes
        starts = range(0, scenario.buyers, each)
        several = [
            [tier_ids[(first + more) % len(tier_ids)] for more in range(scenario.tiers_an_order)]
            for first in range(len(tier_ids))
        ]
        jobs = [
            {
                "job": "sale",
                "eventId": event_id,
                "orders": [[{"tierId": tier, "quantity": scenario.quantity} for tier in tiers] for tiers in several],
                "buyers": [start, start + each],
                "atOnce": scenario.at_once // count,
                "withKey": scenario.with_key,
                "delayMs": scenario.delay_ms,
                "settings": scenario.settings,
            }
            for start in starts[:count]
        ]
        answers = self._run(jobs)
        return sale([part for part, _ in answers], [cost for _, cost in answers], scenario.units_an_order)

    def _run(self, jobs: list[dict[str, Any]]) -> list[tuple[Part, Cost]]:
        chosen = list(zip(self._processes, jobs, strict=False))
        for process, job in chosen:
            self._tell(process, json.dumps(job))
        for process, _ in chosen:
            self._hear(process)
        for process, _ in chosen:
            self._tell(process, "go")
        return [part_of(self._hear(process)) for process, _ in chosen]

    def _tell(self, process: subprocess.Popen[str], line: str) -> None:
        assert process.stdin is not None
        process.stdin.write(line + "\n")
        process.stdin.flush()

    def _hear(self, process: subprocess.Popen[str]) -> dict[str, Any]:
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line:
            raise SystemExit("a selling process has ended")
        answer: dict[str, Any] = json.loads(line)
        return answer


async def open_event(scenario: Scenario) -> tuple[str, list[str]]:
    """Publish an event with the scenario's tiers; its id and theirs."""
    from common.events import rules, store
    from common.events.schemas import EventRequest

    now = clock.now()
    tiers = [tier_body(f"Tier {number}", capacity=UNITS // scenario.tiers) for number in range(scenario.tiers)]
    request = EventRequest.model_validate(event_body("org_bench", *tiers))
    with otherwise(scenario.settings):
        draft = await store.create(rules.new_event(request, f"evt_{uuid4().hex}", "INR", "IN", now))
        seen = await store.stored(draft.event_id)
        assert seen is not None
        await store.publish(seen, rules.published(seen.event, now))
    return draft.event_id, [tier.tier_id for tier in draft.tiers]
