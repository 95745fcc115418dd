"""A count that is kept in a document: whoever counts slowly never replaces what somebody counted later.

The document is read before the counting and written only as it was read, and every recount writes something, if only
that it took place. So of two that overlap the second to write is refused and counts again, and what stands in the end
was counted after every change whose recount is done.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from common import clients
from common.errors import TemporarilyUnavailable
from common.transaction import attempts, committed

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    Counted = Mapping[str, Any]


async def recount(
    path: str,
    count: Callable[[], Awaitable[Counted]],
    *,
    changed: Callable[[Counted], Counted] = dict,
    create: bool = False,
) -> None:
    """Bring the counted fields of the document up to date; one that does not exist stays so, unless `create`.

    `changed` gives all that is written when they are not what the document says.
    """
    from google.cloud.firestore import SERVER_TIMESTAMP

    client = clients.firestore()
    document = client.document(path)
    async for _ in attempts():
        seen = await document.get()
        if not seen.exists and not create:
            return
        counted = await count()
        known = seen.to_dict() or {}
        differs = any(known.get(name) != value for name, value in counted.items())
        fields = {**changed(counted)} if differs else {"recountedAt": SERVER_TIMESTAMP}
        batch = client.batch()
        if seen.exists:
            batch.update(document, fields, option=client.write_option(last_update_time=seen.update_time))
        else:
            batch.create(document, fields)
        if await committed(batch):
            return
    raise TemporarilyUnavailable("Too many changed this document at the same time.")
