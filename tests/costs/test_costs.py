"""What every function costs, counted: docs/costs.md says it, and a booking stays as cheap as it was designed."""

from __future__ import annotations

import asyncio
import functools
import os
import sys
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

import pytest

from common import clients
from common.config import config
from common.listings import index as listing_index
from manifest.discover import discover
from tests.costs.cost_page import PAGE, WRITE_VARIABLE, Row, lines_of, page
from tests.costs.scenarios import SCENARIOS
from tests.costs.shop import Shop, StandIns, provider_keys
from tests.emulators.served import Receiver
from tests.support import people
from tests.support.cost_recorder import CostRecorder
from tests.support.people import accepted, order_body

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator

    import httpx

    from common.trigger import TriggerSpec
    from tests.conftest import SignIn
    from tests.costs.scenario import Act
    from tests.support.cost_recorder import Cost
    from tests.support.people import Json
    from tests.support.server import GatewayThread


def functions() -> dict[str, str]:
    """Every declared function with its route or source, in the order of the page."""
    manifest = discover()
    endpoints = {spec.name: f"{spec.method} {spec.path}" for spec in manifest.endpoints}
    return endpoints | {spec.name: _source(spec) for spec in manifest.triggers}


def _source(spec: TriggerSpec) -> str:
    return {"PubSub": "Pub/Sub", "DocumentCreated": "document created"}.get(
        type(spec.source).__name__, type(spec.source).__name__.lower()
    )


FUNCTIONS: Final = functions()


@pytest.fixture(scope="module")
def stand_ins() -> Iterator[StandIns]:
    running = StandIns()
    yield running
    running.close()


@pytest.fixture
def recorder(gateway: GatewayThread, project: str) -> Iterator[CostRecorder]:
    gateway.run(clients.close())
    recorder = CostRecorder()
    recorder.start()
    gateway.run(recorder.follow_tasks())
    yield recorder
    gateway.run(clients.close())
    recorder.stop()


@pytest.fixture
def shop(
    gateway: GatewayThread,
    stand_ins: StandIns,
    recorder: CostRecorder,
    anonymous: httpx.Client,
    sign_in: SignIn,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Shop]:
    for name, value in (stand_ins.environment | provider_keys()).items():
        monkeypatch.setenv(name, value)
    config.cache_clear()
    # A warm call finds its copy of the listings fresh, as all do but one every two seconds.
    monkeypatch.setattr(listing_index, "FRESH_FOR_S", 3_600.0)
    with Receiver() as receiver:
        yield Shop(gateway, stand_ins, receiver, sign_in, anonymous)


def measured(recorder: CostRecorder, act: Act) -> Cost:
    recorder.take()
    accepted(act())
    return recorder.take()


def forget(gateway: GatewayThread) -> None:
    """Know as little as a process that has just started: no connection, no event, no inventory, no keys."""
    gateway.run(clients.close())
    for name, module in list(sys.modules.items()):
        if name.startswith("common."):
            for thing in vars(module).values():
                if isinstance(thing, functools._lru_cache_wrapper):
                    thing.cache_clear()


def measure(shop: Shop, recorder: CostRecorder, name: str) -> Row:
    prepare = SCENARIOS[name](shop)
    accepted(prepare()())
    warm = measured(recorder, prepare())
    act = prepare()
    forget(shop.gateway)
    return Row(name, FUNCTIONS[name], warm, measured(recorder, act))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_call_costs_what_the_page_says(shop: Shop, recorder: CostRecorder, name: str) -> None:
    assert name in SCENARIOS, f"tests/costs/*_scenarios.py must call {name}, so that its cost is known"
    row = measure(shop, recorder, name)
    if os.environ.get(WRITE_VARIABLE):
        lines = lines_of(PAGE.read_text()) if PAGE.exists() else {}
        PAGE.write_text(page(lines | {name: row.line()}, list(FUNCTIONS)))
    assert _lasting(row.warm) == _lasting(row.cold), "a cold call writes what a warm one does"
    assert lines_of(PAGE.read_text()).get(name) == row.line(), "docs/costs.md is stale: run `make costs`"


def _lasting(cost: Cost) -> tuple[int, ...]:
    return (cost.writes, cost.deletes, cost.published, cost.tasks, cost.provider_calls)


def test_the_page_has_every_function_and_no_other() -> None:
    text = PAGE.read_text()
    assert text == page(lines_of(text), list(FUNCTIONS)), "docs/costs.md is stale: run `make costs`"
    assert list(lines_of(text)) == list(FUNCTIONS)
    assert set(SCENARIOS) == set(FUNCTIONS)


@pytest.mark.parametrize("limited", [False, True], ids=["", "limited per person"])
@pytest.mark.parametrize("quantity", [1, 3])
def test_a_booking_is_two_round_trips_and_four_writes_beside_its_units(
    shop: Shop, recorder: CostRecorder, quantity: int, limited: bool
) -> None:
    more: dict[str, Any] = {"maxPerPerson": 20} if limited else {}
    event = shop.event(**more)
    body = order_body(event, quantity)
    accepted(shop.buyer.post("/v1/orders", body))
    warm = measured(recorder, lambda: shop.buyer.post("/v1/orders", body))
    forget(shop.gateway)
    cold = measured(recorder, lambda: shop.buyer.post("/v1/orders", body))
    assert warm.round_trips <= 2
    assert cold.round_trips <= 2
    for cost in (warm, cold):
        assert cost.commits == 1
        assert cost.writes <= quantity + 4
        assert (cost.deletes, cost.published, cost.tasks) == (0, 0, 0)
    assert warm.reads <= 1


def test_a_promo_code_adds_its_use_and_no_round_trip(shop: Shop, recorder: CostRecorder) -> None:
    event = shop.event()
    shop.promo_code(event)
    body = order_body(event) | {"promoCode": "NIGHT"}
    accepted(shop.buyer.post("/v1/orders", body))
    warm = measured(recorder, lambda: shop.buyer.post("/v1/orders", body))
    forget(shop.gateway)
    cold = measured(recorder, lambda: shop.buyer.post("/v1/orders", body))
    assert (warm.round_trips, warm.reads) == (1, 0)
    assert cold.round_trips <= 2
    for cost in (warm, cold):
        assert (cost.commits, cost.writes) == (1, 6), "order, outbox, and of tier and code a shard and a unit each"


def crowd(event: Json, size: int, *, quantity: int = 1, may_repeat: bool = False) -> Coroutine[Any, Any, list[Any]]:
    """So many different people's bookings at once, at the store; each one's order or what refused it."""
    from common.orders import store
    from common.orders.schemas import OrderRequest
    from common.tokens import Caller

    request = OrderRequest.model_validate(order_body(event, quantity))

    async def at_once() -> list[Any]:
        run = uuid4().hex
        bookings = (
            store.hold(request, Caller(f"buyer-{number}"), f"ord_{run}{number}", "f", may_repeat=may_repeat)
            for number in range(size)
        )
        return await asyncio.gather(*bookings, return_exceptions=True)

    return at_once()


def test_bookings_that_meet_share_their_commit(shop: Shop, recorder: CostRecorder) -> None:
    event = shop.event()
    shop.order(event)  # the process knows the event and its inventory
    recorder.take()
    orders = shop.gateway.run(crowd(event, 10))
    shared = recorder.take()
    assert len({order.units for order in orders}) == 10
    assert shared.calls <= 5, "half a round trip a booking"
    assert shared.writes <= 10 * 3 + shared.commits, "one write of the shard for all that share a commit"


@pytest.mark.parametrize("one_reads", [True, False], ids=["one reads", "control: each reads"])
def test_of_a_crowd_before_a_cold_process_one_reads(
    shop: Shop, recorder: CostRecorder, monkeypatch: pytest.MonkeyPatch, one_reads: bool
) -> None:
    from common.events import store as events

    if not one_reads:
        monkeypatch.setattr(events, "begin_reading", lambda _: True)
    event = shop.event()
    forget(shop.gateway)
    recorder.take()
    orders = shop.gateway.run(crowd(event, 40))
    cold = recorder.take()
    assert len({order.units for order in orders}) == 40
    # The event, its one shard, and the reader's own count: the others learn first that there is no limit.
    assert cold.reads == (3 if one_reads else 42)


@pytest.mark.parametrize("shared", [True, False], ids=["shared", "control: one by one"])
def test_a_crowd_that_is_turned_away_asks_for_earlier_orders_together(
    shop: Shop, recorder: CostRecorder, monkeypatch: pytest.MonkeyPatch, shared: bool
) -> None:
    from common import shared_reads
    from common.orders.inventory import SoldOut

    if not shared:
        monkeypatch.setattr(shared_reads, "MOST_DOCUMENTS", 1)
    event = shop.event()
    sold = shop.gateway.run(crowd(event, 10, quantity=10))
    assert sum(len(order.units) for order in sold) == event["tiers"][0]["capacity"]
    recorder.take()
    answers = shop.gateway.run(crowd(event, 90, may_repeat=True))
    cost = recorder.take()
    assert {type(answer) for answer in answers} == {SoldOut}
    assert cost.reads == 90 + 2, "each their own order; expired holds and the shard were looked for once"
    assert cost.calls == (3 if shared else 92)


def test_a_private_event_asks_for_the_guest_and_a_public_one_for_nobody(shop: Shop, recorder: CostRecorder) -> None:
    def costs(visibility: str) -> tuple[Cost, Cost]:
        event = people.publish_event(shop.host, visibility=visibility)
        shop.guest(event)
        shop.order(event)  # the process knows the event and its inventory
        seen = measured(recorder, lambda: shop.buyer.get(f"/v1/events/{event['eventId']}"))
        return seen, measured(recorder, lambda: shop.buyer.post("/v1/orders", order_body(event)))

    publics = costs("public")
    assert [cost.reads for cost in publics] == [1, 0]
    for public, private in zip(publics, costs("private"), strict=True):
        assert private.reads == public.reads + 2, "whether they are a member, and whether they are on the list"
        assert private.round_trips == public.round_trips + 1, "both at once"
        assert private.writes == public.writes
