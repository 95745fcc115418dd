"""Bookings of one hot tier, at the store and over HTTP, and the raw commits that they are compared with."""

from __future__ import annotations

import asyncio
import json
import time
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

from bench.load import encode, send_all
from bench.measurement import Rate, Sale, rate, sale
from common import clients
from tests.support.cost_recorder import Cost, CostRecorder

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from google.cloud.firestore import AsyncClient

UNITS: Final = 500
BUYERS: Final = 800


async def ceiling(client: AsyncClient, at_once: int) -> Rate:
    """How many commits of three new documents the database takes, as many at once as there are buyers."""
    run = uuid4().hex
    fields = {"orderId": "ord_ceiling", "state": "held", "quantity": 1}

    async def commit(number: int) -> None:
        batch = client.batch()
        for collection in ("ceilingOrders", "ceilingUnits", "ceilingOutbox"):
            batch.create(client.document(f"{collection}/{run}-{number}"), fields)
        await batch.commit()

    began = time.perf_counter()
    took = await _each(range(UNITS), commit, at_once)
    return rate([seconds for seconds, _ in took], time.perf_counter() - began)


async def at_the_store(event_id: str, tier_id: str, at_once: int, recorder: CostRecorder) -> Sale:
    """The bookings without HTTP: prices, limits and group commit in this process."""
    from common.orders.inventory import SoldOut
    from common.orders.schemas import OrderRequest
    from common.orders.store import hold
    from common.tokens import Caller

    request = OrderRequest.model_validate_json(order(event_id, tier_id))
    run = uuid4().hex
    last_sale = began = time.perf_counter()

    async def book(number: int) -> str:
        nonlocal last_sale
        try:
            await hold(request, Caller(f"buyer-{number}"), f"ord_{run}{number}", "bench")
        except SoldOut:
            return "sold_out"
        except Exception as failure:
            return repr(failure)
        last_sale = time.perf_counter()
        return "sold"

    recorder.take()
    took = await _each(range(BUYERS), book, at_once)
    outcomes = [outcome for _, outcome in took]
    return sale([seconds for seconds, _ in took], last_sale - began, outcomes, [recorder.take()])


async def over_http(urls: Sequence[str], event_id: str, tier_id: str, tokens: Sequence[str], at_once: int) -> Sale:
    """The bookings as phones make them, spread over the servers."""
    body = order(event_id, tier_id)
    requests = [encode("POST", "/v1/orders", signed_in(token) | _booking_headers(), body) for token in tokens]
    await _spent(urls)
    began = time.perf_counter()
    answers = await send_all(urls, requests, at_once)
    outcomes = [_outcome(answer.status, answer.body) for answer in answers]
    last = max((answer.ended for answer in answers if answer.status == 201), default=began)
    return sale([answer.took for answer in answers], last - began, outcomes, await _spent(urls))


def order(event_id: str, tier_id: str) -> bytes:
    """The body of a booking of one unit."""
    return json.dumps({"eventId": event_id, "lines": [{"tierId": tier_id, "quantity": 1}]}).encode()


def signed_in(token: str) -> dict[str, str]:
    """The header that a phone sends."""
    return {"Authorization": f"Bearer {token}"}


def _booking_headers() -> dict[str, str]:
    return {"Content-Type": "application/json", "Idempotency-Key": uuid4().hex}


def _outcome(status: int, body: bytes) -> str:
    if status == 201:
        return "sold"
    code = json.loads(body).get("code")
    return "sold_out" if (status, code) == (409, "sold_out") else f"{status} {code}"


async def _spent(urls: Sequence[str]) -> list[Cost]:
    answers = [(await send_all([url], [encode("GET", "/bench/spent")], 1))[0] for url in urls]
    return [Cost(**json.loads(answer.body)) for answer in answers]


async def _each(numbers: range, work: Callable[[int], Awaitable[Any]], at_once: int) -> list[tuple[float, Any]]:
    """Do it for each number, so many at once; how long each took, and its result."""
    left = iter(numbers)
    done: list[tuple[float, Any]] = []

    async def worker() -> None:
        for number in left:
            began = time.perf_counter()
            result = await work(number)
            done.append((time.perf_counter() - began, result))

    await asyncio.gather(*(worker() for _ in range(at_once)))
    return done


def stock_client(project: str) -> AsyncClient:
    """A client that nobody counts."""
    from google.cloud.firestore import AsyncClient as StockClient

    return StockClient(project=project)


async def close(client: AsyncClient) -> None:
    """Close a client of our own, and those that the store opened."""
    await client._firestore_api.transport.close()
    await clients.close()
