"""Documents that many callers want at the same moment, each another: one round trip brings them all."""

from __future__ import annotations

import asyncio
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from common import clients

if TYPE_CHECKING:
    from google.cloud.firestore import AsyncClient, DocumentSnapshot

MOST_DOCUMENTS: Final = 100
# A lone caller never waits for the read of another; a crowd soon shares.
MOST_IN_FLIGHT: Final = 2


class SharedReads:
    """Who asks in the same turn of the event loop, or while enough reads are under way, shares the next one."""

    def __init__(self, client: AsyncClient) -> None:
        self._client = client
        self._wanted: dict[str, asyncio.Future[DocumentSnapshot]] = {}
        self._reading: set[asyncio.Task[None]] = set()

    async def get(self, path: str) -> DocumentSnapshot:
        """The document as it is at some moment after the call."""
        answer = self._wanted.get(path)
        if answer is None:
            answer = self._wanted[path] = asyncio.get_running_loop().create_future()
            self._start()
        # A caller who gives up must not end the read for the others.
        return await asyncio.shield(answer)

    def _start(self) -> None:
        if self._wanted and len(self._reading) < MOST_IN_FLIGHT:
            task = asyncio.ensure_future(self._read_next())
            self._reading.add(task)
            task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._reading.discard(task)
        self._start()

    async def _read_next(self) -> None:
        paths = list(self._wanted)[:MOST_DOCUMENTS]
        answers = {path: self._wanted.pop(path) for path in paths}
        if not answers:  # another read took them along
            return
        wanted = [self._client.document(path) for path in answers]
        try:
            found = {snapshot.reference.path: snapshot async for snapshot in self._client.get_all(wanted)}
        except Exception as failure:
            for answer in answers.values():
                answer.set_exception(failure)
            return
        for path, answer in answers.items():
            answer.set_result(found[path])


@lru_cache(maxsize=1)
def _of(client: AsyncClient) -> SharedReads:
    return SharedReads(client)


def shared_reads() -> SharedReads:
    """Those of this process."""
    return _of(clients.firestore())
