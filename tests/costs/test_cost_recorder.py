"""The recorder counts as Firestore bills, and tells calls that wait for each other from those side by side."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from common import clients
from common.transaction import in_transaction, read
from tests.support.cost_recorder import Cost, CostRecorder

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from google.cloud.firestore import AsyncTransaction

    from tests.support.server import GatewayThread


@pytest.fixture
def spend(gateway: GatewayThread, project: str) -> Iterator[Callable[[Callable[[], Awaitable[object]]], Cost]]:
    """What a piece of work costs, in a project with the documents d/0, d/1 and d/2."""
    recorder = CostRecorder()
    recorder.start()
    gateway.run(recorder.follow_tasks())

    async def fill() -> None:
        for number in range(3):
            await clients.firestore().document(f"d/{number}").set({"x": number})

    def spent(work: Callable[[], Awaitable[object]]) -> Cost:
        async def once() -> object:
            return await work()

        recorder.take()
        gateway.run(once())
        return recorder.take()

    gateway.run(fill())
    yield spent
    gateway.run(clients.close())
    recorder.stop()


def document(path: str) -> Any:
    return clients.firestore().document(path)


def test_a_document_is_a_read_whether_it_exists_or_not(spend: Any) -> None:
    once = Cost(round_trips=1, calls=1, reads=1)
    assert spend(lambda: document("d/0").get()) == once
    assert spend(lambda: document("d/none").get()) == once


def test_a_query_is_a_read_a_document_and_one_at_least(spend: Any) -> None:
    assert spend(lambda: clients.firestore().collection("d").get()).reads == 3
    assert spend(lambda: clients.firestore().collection("none").get()).reads == 1
    assert spend(lambda: clients.firestore().collection("d").count().get()).reads == 1


def test_a_commit_is_its_writes_and_deletes(spend: Any) -> None:
    def several() -> Any:
        batch = clients.firestore().batch()
        batch.create(document("e/1"), {"x": 1})
        batch.update(document("d/1"), {"x": 2})
        batch.delete(document("d/2"))
        return batch.commit()

    assert spend(several) == Cost(round_trips=1, calls=1, commits=1, writes=2, deletes=1)


def test_a_refused_commit_costs_a_round_trip_only(spend: Any) -> None:
    from google.api_core.exceptions import AlreadyExists

    async def refused() -> None:
        with pytest.raises(AlreadyExists):
            await document("d/0").create({"x": 1})

    assert spend(refused) == Cost(round_trips=1, calls=1, commits=1)


def test_calls_side_by_side_count_once_and_chains_by_their_length(spend: Any) -> None:
    async def chain() -> None:
        await document("d/0").get()
        await document("d/1").get()

    async def both_then_one_more() -> None:
        await asyncio.gather(chain(), document("d/2").get(), chain())
        await document("d/0").get()

    assert spend(both_then_one_more) == Cost(round_trips=3, calls=6, reads=6)


def test_a_transaction_begins_reads_and_commits(spend: Any) -> None:
    async def work(transaction: AsyncTransaction) -> None:
        await read(transaction, "d/0", "d/none")
        transaction.update(document("d/0"), {"x": 5})

    expected = Cost(round_trips=3, calls=3, commits=1, reads=2, writes=1)
    assert spend(lambda: in_transaction(work)) == expected
