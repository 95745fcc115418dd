"""Reads that many callers make at the same moment: one round trip, and to each their own document."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from common import clients
from common.shared_reads import MOST_DOCUMENTS, SharedReads

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from tests.support.server import GatewayThread


class CountingReads:
    """The client's get_all, counted; it fails or waits where a test wants it to."""

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self.failure: Exception | None = None
        self.may_answer = asyncio.Event()
        self.may_answer.set()

    def document(self, path: str) -> Any:
        return clients.firestore().document(path)

    async def get_all(self, references: Iterable[Any]) -> AsyncIterator[Any]:
        wanted = list(references)
        self.sizes.append(len(wanted))
        await self.may_answer.wait()
        if self.failure:
            raise self.failure
        async for snapshot in clients.firestore().get_all(wanted):
            yield snapshot


@pytest.mark.usefixtures("project")
def test_a_crowd_shares_round_trips_and_everybody_gets_their_own(gateway: GatewayThread) -> None:
    async def scenario() -> tuple[list[Any], list[int]]:
        await clients.firestore().document("things/7").set({"number": 7})
        counting: Any = CountingReads()
        reads = SharedReads(counting)
        found = await asyncio.gather(*(reads.get(f"things/{number % 150}") for number in range(300)))
        return found, counting.sizes

    found, sizes = gateway.run(scenario())
    assert [snapshot.id for snapshot in found] == [str(number % 150) for number in range(300)]
    assert {snapshot.id for snapshot in found if snapshot.exists} == {"7"}
    assert sizes == [MOST_DOCUMENTS, 50]


@pytest.mark.usefixtures("project")
def test_who_asks_later_is_not_answered_from_an_older_read(gateway: GatewayThread) -> None:
    async def scenario() -> list[bool]:
        reads = SharedReads(clients.firestore())
        before = await reads.get("things/1")
        await clients.firestore().document("things/1").set({})
        return [before.exists, (await reads.get("things/1")).exists]

    assert gateway.run(scenario()) == [False, True]


@pytest.mark.usefixtures("project")
def test_a_failure_reaches_everybody_and_a_caller_who_gives_up_ends_nothing(gateway: GatewayThread) -> None:
    async def scenario() -> list[Any]:
        counting: Any = CountingReads()
        counting.may_answer.clear()
        reads = SharedReads(counting)
        hasty, patient = (asyncio.ensure_future(reads.get("things/1")) for _ in range(2))
        await asyncio.sleep(0)
        hasty.cancel()
        counting.may_answer.set()
        first = await patient
        counting.failure = ConnectionError("gone")
        failed = await asyncio.gather(reads.get("a/1"), reads.get("a/2"), return_exceptions=True)
        counting.failure = None
        return [hasty.cancelled(), first.id, *map(str, failed), (await reads.get("a/3")).id]

    assert gateway.run(scenario()) == [True, "1", "gone", "gone", "3"]
