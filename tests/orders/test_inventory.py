"""Group commit on the real emulator: exact under contention, and nobody fails for another."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from common import clients
from common.orders.inventory import Busy, Change, EventInventory, Refused, SalesClosed, SoldOut
from common.orders.shards import shard_documents, shards_path

if TYPE_CHECKING:
    from collections.abc import Iterator

    from google.cloud.firestore import AsyncWriteBatch

    from common.tickets.schemas import UnitRef
    from tests.support.server import GatewayThread

EVENT = "evt"


async def open_sale(capacity: int, tier: str = "t") -> None:
    batch = clients.firestore().batch()
    for path, fields in shard_documents(EVENT, tier, capacity):
        batch.create(clients.firestore().document(path), fields)
    await batch.commit()


async def nothing_expired(_: str) -> None:
    """No hold of these tests runs out."""


def instance(reclaim: Any = nothing_expired) -> EventInventory:
    return EventInventory(clients.firestore(), EVENT, reclaim)


def booking(order_id: str, quantity: int = 1, tier: str = "t") -> Change:
    def write(batch: AsyncWriteBatch, units: tuple[UnitRef, ...]) -> None:
        order = {"units": [unit.document() for unit in units]}
        batch.create(clients.firestore().document(f"orders/{order_id}"), order)

    documents = frozenset({f"orders/{order_id}"})
    return Change(order_id, {tier: quantity}, (), writes=1, documents=documents, write=write)


def returning(order_id: str, units: tuple[UnitRef, ...]) -> Change:
    return Change(order_id, {}, units, writes=0, documents=frozenset(), write=lambda batch, units: None)


async def outcome(sale: EventInventory, change: Change) -> str:
    try:
        await sale.submit(change)
    except (SoldOut, Refused, SalesClosed, Busy) as failure:
        return type(failure).__name__
    return "held"


async def sell_out(instances: list[EventInventory], buyers: int) -> Counter[str]:
    work = (outcome(instances[number % len(instances)], booking(f"o{number}")) for number in range(buyers))
    return Counter(await asyncio.gather(*work))


async def taken() -> tuple[int, int]:
    """How many units the order documents claim, and how many unit documents there are."""
    client = clients.firestore()
    orders = [found.to_dict() or {} async for found in client.collection("orders").stream()]
    units = [found.id async for found in client.collection(f"events/{EVENT}/tiers/t/units").stream()]
    return sum(len(order["units"]) for order in orders), len(units)


@pytest.fixture
def run(gateway: GatewayThread, project: str) -> Iterator[Any]:
    yield gateway.run


@pytest.mark.parametrize("instances", [1, 3])
def test_exactly_the_capacity_is_sold(run: Any, instances: int) -> None:
    async def scenario() -> Counter[str]:
        await open_sale(250)
        return await sell_out([instance() for _ in range(instances)], 400)

    assert run(scenario()) == {"held": 250, "SoldOut": 150}
    assert run(taken()) == (250, 250)


def test_control_without_the_guards_two_instances_oversell(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def unguarded(self: EventInventory, batch: AsyncWriteBatch, change: Change, units: tuple[UnitRef, ...]) -> None:
        for unit in units:
            document = clients.firestore().document(f"events/{EVENT}/tiers/t/units/{unit.number}")
            batch.set(document, {"orderId": change.order_id})
        change.write(batch, units)

    async def scenario() -> Counter[str]:
        client = clients.firestore()
        monkeypatch.setattr(client, "write_option", lambda **_: None)
        await open_sale(250)
        return await sell_out([instance() for _ in range(3)], 400)

    monkeypatch.setattr(EventInventory, "_write", unguarded)
    result = run(scenario())
    assert result["held"] > 250, result
    claimed, units = run(taken())
    assert claimed > units


def test_unit_documents_alone_stop_a_double_sale(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second guard, with the first one (compare-and-set) off: the database refuses a number twice."""

    async def scenario() -> Counter[str]:
        client = clients.firestore()
        monkeypatch.setattr(client, "write_option", lambda **_: None)
        await open_sale(60)
        return await sell_out([instance() for _ in range(3)], 120)

    assert run(scenario())["held"] <= 60
    claimed, units = run(taken())
    assert claimed == units <= 60


def test_a_refused_change_fails_only_its_own_buyer(run: Any) -> None:
    async def scenario() -> list[str]:
        await open_sale(100)
        sale = instance()
        await sale.submit(booking("mine"))
        changes = [booking(f"o{number}") for number in range(20)]
        changes[7:7] = [booking("mine")]
        return await asyncio.gather(*(outcome(sale, change) for change in changes))

    results = run(scenario())
    assert results[7] == "Refused"
    assert Counter(results) == {"held": 20, "Refused": 1}
    assert run(taken()) == (21, 21)


def test_orders_of_several_units_get_all_or_nothing(run: Any) -> None:
    async def scenario() -> Counter[str]:
        await open_sale(250)  # two shards: the last order of four must gather its units from both
        sale = instance()
        work = (outcome(sale, booking(f"o{number}", quantity=4)) for number in range(80))
        return Counter(await asyncio.gather(*work))

    assert run(scenario()) == {"held": 62, "SoldOut": 18}
    assert run(taken()) == (248, 248)


def test_sold_out_waits_for_expired_holds_to_come_back(run: Any) -> None:
    async def scenario() -> str:
        await open_sale(2)
        expired: list[Any] = []

        async def reclaim(_: str) -> None:
            units = expired.pop()
            await sale.submit(returning("old", units))

        sale = instance(reclaim)
        expired.append(await sale.submit(booking("old", quantity=2)))
        return await outcome(sale, booking("new", quantity=2))

    assert run(scenario()) == "held"
    assert run(taken())[1] == 2


def test_units_come_back_once(run: Any) -> None:
    async def scenario() -> list[str]:
        await open_sale(10)
        sale, other = instance(), instance()
        units = await sale.submit(booking("o1", quantity=3))
        return await asyncio.gather(*(outcome(each, returning("o1", units)) for each in (sale, other, sale)))

    assert Counter(run(scenario())) == {"held": 1, "Refused": 2}


def test_a_closed_sale_is_seen_by_an_instance_that_sold_before(run: Any) -> None:
    async def scenario() -> str:
        await open_sale(10)
        sale = instance()
        await sale.submit(booking("o1"))
        async for found in clients.firestore().collection(shards_path(EVENT, "t")).stream():
            await found.reference.update({"open": False})
        return await outcome(sale, booking("o2"))

    assert run(scenario()) == "SalesClosed"
    assert run(taken()) == (1, 1)


def test_a_lost_answer_is_found_out_not_repeated(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The commit took effect, its answer did not arrive: the buyer's order stands once."""
    from google.api_core.exceptions import ServiceUnavailable
    from google.cloud.firestore_v1.async_batch import AsyncWriteBatch as Batch

    commit = Batch.commit
    lost = [True]

    async def flaky(self: Batch, **how: Any) -> Any:
        answer = await commit(self, **how)
        if lost.pop() if lost else False:
            raise ServiceUnavailable("connection lost")
        return answer

    async def scenario() -> str:
        await open_sale(10)
        sale = instance()
        monkeypatch.setattr(Batch, "commit", flaky)
        return await outcome(sale, booking("o1"))

    assert run(scenario()) == "Refused"  # the caller then finds its own order
    assert run(taken()) == (1, 1)


def test_no_answer_is_no_refusal(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The commit never reached the database: it is made again, for units that return as for those that are sold."""
    from google.api_core.exceptions import ServiceUnavailable
    from google.cloud.firestore_v1.async_batch import AsyncWriteBatch as Batch

    commit = Batch.commit
    lost = [True, False, True]

    async def flaky(self: Batch, **how: Any) -> Any:
        if lost.pop() if lost else False:
            raise ServiceUnavailable("connection lost")
        return await commit(self, **how)

    async def scenario() -> str:
        await open_sale(10)
        sale = instance()
        monkeypatch.setattr(Batch, "commit", flaky)
        units = await sale.submit(booking("o1"))
        return await outcome(sale, returning("o1", units))

    assert run(scenario()) == "held"
    assert run(taken()) == (1, 0)
