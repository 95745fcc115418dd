"""When the listing index is written down anew, and from what."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from common import log
from common.listings import index as listing_index
from common.listings import snapshots as index_snapshots
from common.listings.tables import version

if TYPE_CHECKING:
    from datetime import datetime

    from common.listings.snapshots import Pointer

REBUILT_EVERY: Final = timedelta(hours=24)


async def build(now: datetime) -> None:
    """Write a snapshot unless the present one is as new; once a day from the listings themselves."""
    known = await index_snapshots.known()
    pointer, afresh = known.pointer, is_due(known.pointer, now)
    index = await (listing_index.renewed() if afresh else listing_index.current())
    if afresh or pointer is None or (index.generation, index.changed_to) != (pointer.generation, pointer.changed_to):
        image, complete_to, changed_to = await index.image()
        rebuilt_at = now if afresh or pointer is None else pointer.rebuilt_at
        generation = await index_snapshots.save(image, complete_to, changed_to, rebuilt_at, known, now)
        log.info("listing index written", generation=generation, bytes=len(image), afresh=afresh)
        index.generation = generation or index.generation
    if index.generation:
        await index_snapshots.tidy(index.generation, now)


def is_due(pointer: Pointer | None, now: datetime) -> bool:
    """Whether the snapshot must come from the listings: there is none that fits, or its time is up."""
    return pointer is None or pointer.version != version() or now - pointer.rebuilt_at >= REBUILT_EVERY
