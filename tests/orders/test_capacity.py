"""Capacity goes up and down while two instances sell: exact at every moment, never below what is held or sold."""

from __future__ import annotations

import asyncio
import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from common import clients, transaction
from common.events import store as events
from common.operations.audit import audit_event
from common.orders import capacity
from common.orders.unit_search import SOLD_OUT_FOR
from tests.support.people import accepted, order_body, publish_event, refused, tier_body

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    import httpx
    from google.cloud.firestore import AsyncWriteBatch

    from tests.conftest import SignIn
    from tests.support.people import Json, Person
    from tests.support.server import GatewayThread

pytestmark = pytest.mark.usefixtures("two_instances")
SELLERS = 6


def set_capacity(host: Person, event: Json, to: int) -> httpx.Response:
    tier = event["tiers"][0]["tierId"]
    return host.call("PATCH", f"/v1/events/{event['eventId']}/tiers/{tier}", {"capacity": to})


def left(anyone: Person, event: Json) -> tuple[int, int, bool]:
    [tier] = accepted(anyone.get(f"/v1/events/{event['eventId']}/availability"))["tiers"]
    return tier["capacity"], tier["available"], tier["soldOut"]


class Crowd:
    """People who buy one to three units and give up every third order, until they are told to stop."""

    def __init__(self, people: list[Person], event: Json) -> None:
        self.statuses: set[int] = set()
        self._event, self._stop = event, threading.Event()
        self._pool = ThreadPoolExecutor(len(people))
        self._work = [self._pool.submit(self._buy, person, number) for number, person in enumerate(people)]

    def _buy(self, person: Person, seed: int) -> None:
        luck = random.Random(seed)
        while not self._stop.is_set():
            reply = person.post("/v1/orders", order_body(self._event, luck.randint(1, 3)))
            self.statuses.add(reply.status_code)
            if reply.status_code == 201 and luck.random() < 0.35:
                given_up = person.post(f"/v1/orders/{reply.json()['orderId']}/cancel")
                self.statuses.add(given_up.status_code)

    def go_home(self) -> None:
        self._stop.set()
        self._pool.shutdown()
        for each in self._work:
            each.result()


CHANGES = (60, 300, 40, 500, 80, 120, 30, 2_000, 150, 700)


def test_up_and_down_while_they_buy(gateway: GatewayThread, host: Person, sign_in: SignIn) -> None:
    event = publish_event(host, tier_body(capacity=30, maxPerOrder=3))
    crowd = Crowd([sign_in(f"b{number}") for number in range(SELLERS)], event)
    outcomes = []
    for wanted in CHANGES:
        reply = set_capacity(host, event, wanted)
        if reply.status_code == 409:
            least = refused(reply, 409, "capacity_below_sold")["least"]
            assert least > wanted
            reply = set_capacity(host, event, least + 5)  # more may be sold by then
        outcomes.append(reply.status_code)
        assert gateway.run(audit_event(event["eventId"])) == ()
    crowd.go_home()
    assert outcomes.count(200) >= len(CHANGES) // 2
    assert set(outcomes) <= {200, 409}
    assert crowd.statuses <= {200, 201, 409}
    assert gateway.run(audit_event(event["eventId"])) == ()
    least = refused(set_capacity(host, event, 1), 409, "capacity_below_sold")["least"]
    now = accepted(set_capacity(host, event, least))["tiers"][0]["capacity"]
    assert now == least
    refused(host.post("/v1/orders", order_body(event)), 409, "sold_out")
    accepted(set_capacity(host, event, least + 1))
    accepted(host.post("/v1/orders", order_body(event)))
    refused(host.post("/v1/orders", order_body(event)), 409, "sold_out")
    assert gateway.run(audit_event(event["eventId"])) == ()


def test_control_a_change_without_the_transaction_breaks_the_inventory(
    gateway: GatewayThread, host: Person, sign_in: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    event = publish_event(host, tier_body(capacity=30, maxPerOrder=3))

    async def unlocked(_: object, *paths: str) -> Any:
        return await transaction.read(None, *paths)  # type: ignore[arg-type]

    async def unguarded(work: Callable[[AsyncWriteBatch], Awaitable[Any]]) -> Any:
        batch = clients.firestore().batch()
        result = await work(batch)
        await asyncio.sleep(0.1)  # the sellers go on
        await batch.commit()
        return result

    monkeypatch.setattr(events, "in_transaction", unguarded)
    monkeypatch.setattr(events, "read", unlocked)
    monkeypatch.setattr(capacity, "read", unlocked)
    crowd = Crowd([sign_in(f"b{number}") for number in range(SELLERS)], event)
    for wanted in (60, 40, 90, 50):
        set_capacity(host, event, wanted)
    crowd.go_home()
    violations = gateway.run(audit_event(event["eventId"]))
    assert "shard adds up" in {violation.invariant for violation in violations}


def test_a_sold_out_tier_sells_again_everywhere_once_it_is_raised(
    gateway: GatewayThread, host: Person, buyer: Person
) -> None:
    """Four requests meet both instances, whoever of them knew the tier as sold out."""
    event = publish_event(host, tier_body(capacity=4))
    accepted(buyer.post("/v1/orders", order_body(event, 4)))
    for _ in range(4):
        refused(buyer.post("/v1/orders", order_body(event)), 409, "sold_out")
    assert left(host, event) == (4, 0, True)
    accepted(set_capacity(host, event, 1_000))  # in new shards, which no instance has seen
    assert left(host, event) == (1_000, 996, False)
    time.sleep(SOLD_OUT_FOR.total_seconds())  # so long an instance may still remember that it found nothing
    orders = [accepted(buyer.post("/v1/orders", order_body(event, 3))) for _ in range(4)]
    # Each is given up through the other instance, whose view may be older than the unit's shard.
    for order in orders:
        accepted(buyer.post(f"/v1/orders/{order['orderId']}/cancel"))
    assert left(host, event) == (1_000, 996, False)
    assert gateway.run(audit_event(event["eventId"])) == ()


def test_lowered_to_what_is_held_then_a_hold_comes_back(gateway: GatewayThread, host: Person, buyer: Person) -> None:
    event = publish_event(host, tier_body(capacity=10))
    orders = [accepted(buyer.post("/v1/orders", order_body(event, 2))) for _ in range(4)]
    accepted(buyer.post(f"/v1/orders/{orders[0]['orderId']}/cancel"))
    problem = refused(set_capacity(host, event, 5), 409, "capacity_below_sold")
    assert problem["least"] == 6
    accepted(set_capacity(host, event, 6))
    assert left(host, event) == (6, 0, True)
    accepted(buyer.post(f"/v1/orders/{orders[1]['orderId']}/cancel"))
    assert left(host, event) == (6, 2, False)
    accepted(set_capacity(host, event, 7))
    accepted(buyer.post("/v1/orders", order_body(event, 3)))
    refused(buyer.post("/v1/orders", order_body(event)), 409, "sold_out")
    assert gateway.run(audit_event(event["eventId"])) == ()
