"""Two who decide on the same state before either of them writes."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from common.transaction import committed

if TYPE_CHECKING:
    from types import ModuleType

    import pytest
    from google.cloud.firestore import AsyncWriteBatch


def meet_before_committing(monkeypatch: pytest.MonkeyPatch, module: ModuleType) -> None:
    """The first two commits of this module wait for each other: both were decided on what neither of them wrote."""
    arrived = 0
    together = asyncio.Event()

    async def meet(batch: AsyncWriteBatch) -> bool:
        nonlocal arrived
        arrived += 1
        if arrived == 2:
            together.set()
        await together.wait()
        return await committed(batch)

    monkeypatch.setattr(module, "committed", meet)
