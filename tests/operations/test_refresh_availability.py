"""The document that apps listen to follows the sale, at a cost that does not grow with it."""

from __future__ import annotations

import asyncio
import math
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from common import clients
from common.events import store
from common.events.schemas import EventStatus
from tests.support.people import Json, Person, accepted, eventually, order_body, publish_event, refused, tier_body

if TYPE_CHECKING:
    from datetime import datetime

    from google.cloud.firestore import DocumentSnapshot

    from common.events.schemas import Availability, Event
    from tests.operations.jobs import Jobs
    from tests.support.server import GatewayThread

CAPACITY = 30


@pytest.fixture
def event(deployed: str, host: Person) -> Json:
    return publish_event(host, tier_body(capacity=CAPACITY), tier_body("VIP", capacity=5))


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The events whose document was written, one item a run."""
    done: list[str] = []
    write = store.write_live_availability

    async def counted(event_id: str) -> None:
        await write(event_id)
        done.append(event_id)

    monkeypatch.setattr(store, "write_live_availability", counted)
    return done


def live(gateway: GatewayThread, event: Json) -> Json:
    """What an app that listens sees."""

    async def read() -> Json:
        snapshot = await clients.firestore().document(f"events/{event['eventId']}/live/availability").get()
        return snapshot.to_dict() or {}

    return gateway.run(read())


def left(gateway: GatewayThread, event: Json) -> list[tuple[int, bool]]:
    return [(tier["available"], tier["soldOut"]) for tier in live(gateway, event)["tiers"]]


def seen(gateway: GatewayThread, event: Json, *expected: tuple[int, bool]) -> float:
    """How long it took the document to say this."""
    began = time.monotonic()
    eventually(lambda: left(gateway, event) == list(expected))
    return time.monotonic() - began


def test_the_document_follows_each_sale_within_seconds(gateway: GatewayThread, buyer: Person, event: Json) -> None:
    assert left(gateway, event) == [(CAPACITY, False), (5, False)]
    order = accepted(buyer.post("/v1/orders", order_body(event, 4)))
    vip = accepted(buyer.post("/v1/orders", order_body(event, 5, tier=1)))
    # A second until the task is due, and time for a busy machine.
    assert seen(gateway, event, (CAPACITY - 4, False), (0, True)) < 6
    accepted(buyer.post(f"/v1/orders/{order['orderId']}/cancel"))
    accepted(buyer.post(f"/v1/orders/{vip['orderId']}/cancel"))
    assert seen(gateway, event, (CAPACITY, False), (5, False)) < 6
    of_api = accepted(buyer.get(f"/v1/events/{event['eventId']}/availability"))
    assert [tier["tierId"] for tier in of_api["tiers"]] == [tier["tierId"] for tier in live(gateway, event)["tiers"]]


def test_a_burst_of_bookings_is_a_few_refreshes(
    gateway: GatewayThread, buyer: Person, event: Json, runs: list[str]
) -> None:
    began = time.monotonic()
    with ThreadPoolExecutor(8) as pool:
        replies = list(pool.map(lambda _: buyer.post("/v1/orders", order_body(event)), range(20)))
    assert {reply.status_code for reply in replies} == {201}
    seen(gateway, event, (CAPACITY - 20, False), (5, False))
    seconds = math.ceil(time.monotonic() - began)
    assert 1 <= len(runs) <= seconds + 1


def test_it_writes_only_what_is_there(gateway: GatewayThread, jobs: Jobs, event: Json) -> None:
    assert jobs.call("refresh_availability", {"eventId": "evt_unknown"}).status_code == 204
    assert live(gateway, {"eventId": "evt_unknown"}) == {}
    refused(jobs.call("refresh_availability", {"event": event["eventId"]}), 400, "malformed_delivery")


@pytest.mark.parametrize("guarded", [True, False], ids=["guarded", "control: written without a guard"])
def test_a_slow_refresh_does_not_undo_a_later_word(
    gateway: GatewayThread, host: Person, project: str, monkeypatch: pytest.MonkeyPatch, guarded: bool
) -> None:
    """It read before the event was cancelled, and writes after: the tickets would be back for whoever listens."""
    event = publish_event(host, tier_body(capacity=CAPACITY))
    read = store.availability

    async def slow(of: Event, now: datetime) -> Availability:
        found = await read(of, now)
        if of.status is EventStatus.PUBLISHED:
            await asyncio.to_thread(lambda: accepted(host.post(f"/v1/events/{event['eventId']}/cancel")))
        return found

    async def unguarded(before: DocumentSnapshot, seen: Availability) -> None:
        await before.reference.set(seen.model_dump(by_alias=True))

    monkeypatch.setattr(store, "availability", slow)
    if not guarded:
        monkeypatch.setattr(store, "_replace_live", unguarded)
    gateway.run(store.write_live_availability(event["eventId"]))
    assert left(gateway, event) == [(0, False) if guarded else (CAPACITY, False)]
