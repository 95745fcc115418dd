"""Group commit on the real emulator: exact under contention, and nobody fails for another."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from common import clients, clock
from common.orders import inventory, unit_search, waiting_line
from common.orders.inventory import Busy, Change, EventInventory, Refused, SalesClosed, SoldOut
from common.orders.shards import shard_documents, shards_path
from common.orders.waiting_line import Waiting

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from google.cloud.firestore import AsyncWriteBatch

    from common.orders.allocation import Allocation
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


def booking(order_id: str, quantity: int = 1, takes: Mapping[str, int] | None = None) -> Change:
    def write(batch: AsyncWriteBatch, units: tuple[UnitRef, ...]) -> None:
        order = {"units": [unit.document() for unit in units]}
        batch.create(clients.firestore().document(f"orders/{order_id}"), order)

    documents = frozenset({f"orders/{order_id}"})
    return Change(order_id, takes or {"t": quantity}, (), writes=1, documents=documents, write=write)


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


class Commits:
    """Every commit of the inventories, held up or cut off where a test wants it to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        from common.firestore_writes import PlainBatch

        self.takes_s = 0.0
        self.answers_to_lose = self.requests_to_lose = 0
        self.at_once = self.most_at_once = self.count = 0
        original = PlainBatch.commit

        async def commit(batch: PlainBatch, **how: Any) -> Any:
            from google.api_core.exceptions import ServiceUnavailable

            self.count += 1
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
            try:
                await asyncio.sleep(self.takes_s)
                if self.requests_to_lose:
                    self.requests_to_lose -= 1
                    raise ServiceUnavailable("connection lost")
                answer = await original(batch, **how)
            finally:
                self.at_once -= 1
            if self.answers_to_lose:
                self.answers_to_lose -= 1
                raise ServiceUnavailable("connection lost")
            return answer

        monkeypatch.setattr(PlainBatch, "commit", commit)


@pytest.fixture
def commits(monkeypatch: pytest.MonkeyPatch) -> Commits:
    return Commits(monkeypatch)


def test_a_lost_answer_is_found_out_not_repeated(run: Any, commits: Commits) -> None:
    """The commit took effect, its answer did not arrive: the buyers' orders stand once, and each hears to look."""

    async def scenario() -> Counter[str]:
        await open_sale(40)
        sale = instance()
        commits.answers_to_lose = 1
        return await sell_out([sale], 30)

    assert run(scenario()) == {"Refused": 30}  # the callers then find their own orders
    assert run(taken()) == (30, 30)


def test_no_answer_is_no_refusal(run: Any, commits: Commits) -> None:
    """The commit never reached the database: it is made again, for units that return as for those that are sold."""

    async def scenario() -> str:
        await open_sale(10)
        sale = instance()
        commits.requests_to_lose = 1
        units = await sale.submit(booking("o1"))
        commits.requests_to_lose = 1
        return await outcome(sale, returning("o1", units))

    assert run(scenario()) == "held"
    assert run(taken()) == (1, 0)


def test_what_one_change_cannot_write_fails_only_its_own_buyer(run: Any) -> None:
    def broken(batch: AsyncWriteBatch, units: tuple[UnitRef, ...]) -> None:
        batch.create(clients.firestore().document("orders/broken"), {"value": object()})

    async def scenario() -> list[Any]:
        await open_sale(100)
        sale = instance()
        bad = Change("broken", {"t": 1}, (), writes=1, documents=frozenset(), write=broken)
        good = [sale.submit(booking(f"o{number}")) for number in range(9)]
        return await asyncio.gather(*good, sale.submit(bad), return_exceptions=True)

    *held, failure = run(scenario())
    assert isinstance(failure, TypeError)
    assert len({units for units in held if len(units) == 1}) == 9
    assert run(taken()) == (9, 9)


def test_a_buyer_who_gives_up_fails_nobody(run: Any, commits: Commits) -> None:
    async def scenario() -> list[str]:
        await open_sale(20)
        sale = instance()
        await sale.prepare({"t"})
        commits.takes_s = 0.05
        buyers = [asyncio.ensure_future(outcome(sale, booking(f"o{number}"))) for number in range(8)]
        while not commits.at_once:
            await asyncio.sleep(0.001)
        buyers[3].cancel()
        results = await asyncio.gather(*buyers, return_exceptions=True)
        return [each if isinstance(each, str) else type(each).__name__ for each in results]

    assert Counter(run(scenario())) == {"held": 7, "CancelledError": 1}
    # The commit was on its way: the one who gave up has an order, which expires.
    assert run(taken()) == (8, 8)


def test_control_unless_it_is_checked_who_gave_up_the_others_fail_with_them(
    run: Any, commits: Commits, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Waiting, "answer", lambda self, units: self.outcome.set_result(units))
    with pytest.raises(AssertionError):
        test_a_buyer_who_gives_up_fails_nobody(run, commits)


def test_a_second_commit_starts_beside_the_first_on_another_shard(run: Any, commits: Commits) -> None:
    async def scenario() -> Counter[str]:
        await open_sale(500)
        commits.takes_s = 0.05
        return await sell_out([instance()], 300)

    assert run(scenario()) == {"held": 300}
    assert commits.most_at_once == 2
    assert commits.count <= 6, "on one shard at once they would lose races"
    assert run(taken()) == (300, 300)


def test_orders_over_several_tiers_get_all_or_nothing_from_two_instances(run: Any) -> None:
    """Forty on the floor and thirty on the balcony, two of each an order: fifteen orders, whoever is quicker."""

    async def scenario() -> tuple[Counter[str], list[list[Any]]]:
        from google.cloud.firestore import AsyncClient

        await open_sale(40, "floor")
        await open_sale(30, "balcony")
        other = AsyncClient(project=clients.firestore().project)
        sales = [instance(), EventInventory(other, EVENT, nothing_expired)]
        work = (
            outcome(sales[number % 2], booking(f"o{number}", takes={"floor": 2, "balcony": 2})) for number in range(60)
        )
        results = Counter(await asyncio.gather(*work))
        await other._firestore_api.transport.close()
        orders = [found.to_dict() or {} async for found in clients.firestore().collection("orders").stream()]
        return results, [sorted(unit["tierId"] for unit in order["units"]) for order in orders]

    results, orders = run(scenario())
    assert results == {"held": 15, "SoldOut": 45}
    assert orders == [["balcony", "balcony", "floor", "floor"]] * 15


def test_control_without_splitting_a_refused_change_fails_the_whole_batch(
    run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def all_the_same(self: EventInventory, plan: Allocation, rejected: Exception) -> None:
        for waiting in plan.group:
            waiting.refuse(Refused(str(rejected)))

    monkeypatch.setattr(EventInventory, "_after_rejection", all_the_same)
    with pytest.raises(AssertionError, match="Refused"):
        test_a_refused_change_fails_only_its_own_buyer(run)


@pytest.mark.parametrize("bounded", [True, False], ids=["bounded", "control: without the bound"])
def test_who_would_wait_too_long_is_refused_at_once(
    run: Any, commits: Commits, monkeypatch: pytest.MonkeyPatch, bounded: bool
) -> None:
    """Ten bookings a commit, 0.2 s a commit, two at a time: three hundred buyers would be three seconds' work."""
    monkeypatch.setattr(inventory, "MOST_WAIT_S", 0.5 if bounded else float("inf"))
    monkeypatch.setattr(waiting_line, "MOST_WRITES", 20)
    waits: dict[str, list[float]] = {"held": [], "Busy": []}

    async def timed(sale: EventInventory, number: int) -> None:
        began = time.monotonic()
        waits[await outcome(sale, booking(f"o{number}"))].append(time.monotonic() - began)

    async def scenario() -> None:
        await open_sale(400)
        sale = instance()
        commits.takes_s = 0.2
        await sale.submit(booking("first"))  # from now on it knows how long a commit takes
        buyers: list[asyncio.Future[None]] = []
        for _ in range(10):
            buyers += [asyncio.ensure_future(timed(sale, len(buyers) + number)) for number in range(30)]
            await asyncio.sleep(0.02)
        await asyncio.gather(*buyers)

    run(scenario())
    held = len(waits["held"])
    assert run(taken()) == (held + 1, held + 1)
    if bounded:
        assert held > 30
        assert len(waits["Busy"]) == 300 - held > 100
        assert max(waits["Busy"]) < 0.1
        assert max(waits["held"]) < 2
    else:
        assert held == 300
        assert max(waits["held"]) > 2.5


@pytest.mark.parametrize("remembered", [True, False], ids=["remembered", "control: not remembered"])
def test_sold_out_is_said_again_without_looking_for_a_moment(
    run: Any, monkeypatch: pytest.MonkeyPatch, remembered: bool
) -> None:
    if not remembered:
        monkeypatch.setattr(unit_search, "SOLD_OUT_FOR", timedelta(0))
    searches: list[str] = []

    async def search(event_id: str) -> None:
        searches.append(event_id)

    async def scenario() -> list[Any]:
        await open_sale(2)
        sale, other = instance(search), instance()
        units = await sale.submit(booking("both", quantity=2))
        turned_away = {await outcome(sale, booking(f"o{number}")) for number in range(20)}
        looked = len(searches)
        await other.submit(returning("both", units))  # by another process: this one cannot know
        at_once = await outcome(sale, booking("at once"))
        real = clock.now
        monkeypatch.setattr(clock, "now", lambda: real() + timedelta(seconds=1))
        return [turned_away, looked, at_once, await outcome(sale, booking("a moment later"))]

    moment = ["SoldOut", "held"] if remembered else ["held", "held"]
    assert run(scenario()) == [{"SoldOut"}, 1 if remembered else 20, *moment]


def test_a_booking_that_reads_the_event_anew_looks_for_units_anew(run: Any) -> None:
    async def scenario() -> list[str]:
        await open_sale(2)
        sale, other = instance(), instance()
        units = await sale.submit(booking("both", quantity=2))
        sold_out = await outcome(sale, booking("o1"))
        await other.submit(returning("both", units))
        await sale.prepare({"t"})
        return [sold_out, await outcome(sale, booking("o2"))]

    assert run(scenario()) == ["SoldOut", "held"]
