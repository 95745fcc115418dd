"""`python -m bench.seller`: one process that sells at the store. It reads jobs from its input, a line of JSON each.

It says when it is ready for a job, begins when it is told to, and answers with one line. It ends with its input.
"""

from __future__ import annotations

import asyncio
import dataclasses
import gc
import importlib
import json
import os
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import uvloop

from bench.measurement import Part
from common import clients
from tests.support.cost_recorder import Cost, CostRecorder

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Iterator

    from google.cloud.firestore import AsyncClient

Json = dict[str, Any]


async def each(numbers: Iterable[int], work: Callable[[int], Awaitable[str]], at_once: int) -> Part:
    """Do it for each number, so many at once: what came of each, how long it took, and until when."""
    left = iter(numbers)
    took: list[float] = []
    outcomes: list[str] = []
    began, cpu = time.monotonic(), time.process_time()
    last, last_cpu = began, cpu

    async def worker() -> None:
        nonlocal last, last_cpu
        for number in left:
            start = time.monotonic()
            outcome = await work(number)
            end = time.monotonic()
            took.append(end - start)
            outcomes.append(outcome)
            if outcome == "done":
                last, last_cpu = end, time.process_time()

    await asyncio.gather(*(worker() for _ in range(at_once)))
    return Part(began, last, last_cpu - cpu, took, outcomes)


async def ceiling(client: AsyncClient, job: Json) -> Part:
    """Commits of three new documents, one a caller: what the database takes without any sharing."""
    run = uuid4().hex
    fields = {"orderId": "ord_ceiling", "state": "held", "quantity": 1}

    async def commit(number: int) -> str:
        batch = client.batch()
        for collection in ("ceilingOrders", "ceilingUnits", "ceilingOutbox"):
            batch.create(client.document(f"{collection}/{run}-{number}"), fields)
        await batch.commit()
        return "done"

    return await each(range(job["count"]), commit, job["atOnce"])


async def sale(job: Json) -> Part:
    """This process's share of the buyers of one event."""
    from common.orders.inventory import SoldOut
    from common.orders.schemas import OrderRequest
    from common.orders.store import hold
    from common.tokens import Caller

    requests = [OrderRequest.model_validate({"eventId": job["eventId"], "lines": lines}) for lines in job["orders"]]
    run, with_key = uuid4().hex, job["withKey"]

    async def book(number: int) -> str:
        request = requests[number % len(requests)]
        try:
            await hold(request, Caller(f"buyer-{number}"), f"ord_{run}{number}", "bench", may_repeat=with_key)
        except SoldOut:
            return "sold_out"
        except Exception as failure:
            return repr(failure)
        return "done"

    return await each(range(*job["buyers"]), book, job["atOnce"])


class Distance:
    """Makes every call to Firestore take so much longer."""

    def __init__(self) -> None:
        from google.cloud.firestore_v1.services.firestore.async_client import FirestoreAsyncClient

        self.seconds = 0.0
        for name in ("commit", "batch_get_documents", "run_query"):
            setattr(FirestoreAsyncClient, name, self._further(getattr(FirestoreAsyncClient, name)))

    def _further(self, call: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def further(*arguments: Any, **options: Any) -> Any:
            if self.seconds:
                await asyncio.sleep(self.seconds)
            return await call(*arguments, **options)

        return further


@contextmanager
def otherwise(settings: Json) -> Iterator[None]:
    """With these module constants: "module:NAME" to value."""
    before = []
    for key, value in settings.items():
        module, name = key.split(":")
        owner = importlib.import_module(module)
        before.append((owner, name, getattr(owner, name)))
        setattr(owner, name, value)
    try:
        yield
    finally:
        for owner, name, value in before:
            setattr(owner, name, value)


def say(answer: Json) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


async def serve() -> None:
    from google.cloud.firestore import AsyncClient

    stock = AsyncClient(project=os.environ["GOOGLE_CLOUD_PROJECT"])  # connected before anything is counted
    await stock.document("bench/warm").get()
    recorder, distance = CostRecorder(), Distance()
    recorder.start()
    await clients.firestore().document("bench/warm").get()
    for line in sys.stdin:
        job = json.loads(line)
        with otherwise(job.get("settings", {})):
            gc.collect()
            say({"ready": True})
            sys.stdin.readline()
            recorder.take()
            distance.seconds = job.get("delayMs", 0) / 1000
            part = await (ceiling(stock, job) if job["job"] == "ceiling" else sale(job))
            distance.seconds = 0.0
        say(dataclasses.asdict(part) | {"cost": dataclasses.asdict(recorder.take())})
    await stock._firestore_api.transport.close()
    await clients.close()


def part_of(answer: Json) -> tuple[Part, Cost]:
    """What `serve` said."""
    cost = Cost(**answer.pop("cost"))
    return Part(**answer), cost


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve())
