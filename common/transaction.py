"""Read, decide and write as one, repeated when somebody else wrote in between."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING, Any, Final, TypeVar

from common import clients
from common.errors import TemporarilyUnavailable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from google.cloud.firestore import AsyncTransaction, AsyncWriteBatch

ResultT = TypeVar("ResultT")
ATTEMPTS: Final = 6
FIRST_PAUSE_S: Final = 0.02


async def attempts() -> AsyncIterator[int]:
    """Ever longer pauses between attempts, so that contenders do not meet again at once."""
    for attempt in range(ATTEMPTS):
        yield attempt
        await asyncio.sleep(FIRST_PAUSE_S * 2**attempt * random.uniform(0.5, 1.5))  # noqa: S311  # only jitter


async def in_transaction(work: Callable[[AsyncTransaction], Awaitable[ResultT]]) -> ResultT:
    """Run `work` in a Firestore transaction; it may run several times, so it must have no effect of its own.

    The library repeats only an aborted commit, at once: an abort while reading escapes from it, and contenders
    that repeat at once meet again. So it gets one attempt, and the repeats are ours, further apart each time.
    """
    from google.api_core.exceptions import Aborted
    from google.cloud.firestore import async_transactional

    async for _ in attempts():
        try:
            return await async_transactional(work)(clients.firestore().transaction(max_attempts=1))
        except (Aborted, ValueError) as contended:
            # The library reports a commit that stayed aborted as a ValueError caused by the abort.
            if isinstance(contended, ValueError) and not isinstance(contended.__cause__, Aborted):
                raise
    raise TemporarilyUnavailable("Too many changed this at the same time.")


async def read(transaction: AsyncTransaction, *paths: str) -> list[dict[str, Any] | None]:
    """The fields of these documents in one round trip, in this order; None for one that does not exist."""
    client = clients.firestore()
    found: dict[str, dict[str, Any] | None] = {}
    # The transaction's own get_all awaits an async generator, which fails: the client's does the same.
    references = [client.document(path) for path in paths]
    async for snapshot in client.get_all(references, transaction=transaction):
        found[snapshot.reference.path] = snapshot.to_dict()
    return [found[path] for path in paths]


async def committed(batch: AsyncWriteBatch) -> bool:
    """Whether the commit went through; False when somebody else changed one of its documents first."""
    from google.api_core.exceptions import Aborted, AlreadyExists, FailedPrecondition, NotFound

    try:
        await batch.commit()
    except (Aborted, AlreadyExists, FailedPrecondition, NotFound):
        return False
    return True
