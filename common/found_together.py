"""Documents that probably do not exist, looked for together: a query that finds none of thirty costs one read.

A crowd that was turned away asks, each for themselves, whether an earlier request of theirs came through.
"""

from __future__ import annotations

import asyncio
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from google.cloud.firestore import AsyncClient

# Firestore takes so many values of one `in`.
MOST_IDS: Final = 30
COLLECTIONS_KEPT: Final = 16

Fields = dict[str, Any]


class FoundTogether:
    """Who looks while a query is under way shares the next one; as many as fill a query do not wait."""

    def __init__(self, client: AsyncClient, collection: str) -> None:
        self._collection = client.collection(collection)
        self._waiting: dict[str, asyncio.Future[Fields | None]] = {}
        self._queries = 0

    async def find(self, document_id: str) -> Fields | None:
        """The document's fields, None if there is no such document."""
        answer = self._waiting.get(document_id)
        if answer is None:
            answer = self._waiting[document_id] = asyncio.get_running_loop().create_future()
            asyncio.get_running_loop().call_soon(self._look)
        return await asyncio.shield(answer)

    def _look(self) -> None:
        """Called once everybody who was told at the same moment has asked."""
        while self._waiting and (not self._queries or len(self._waiting) >= MOST_IDS):
            ids = list(self._waiting)[:MOST_IDS]
            answers = {document_id: self._waiting.pop(document_id) for document_id in ids}
            self._queries += 1
            query = asyncio.ensure_future(self._query(answers))
            query.add_done_callback(self._looked)

    def _looked(self, _: asyncio.Task[None]) -> None:
        self._queries -= 1
        self._look()

    async def _query(self, answers: dict[str, asyncio.Future[Fields | None]]) -> None:
        from google.cloud.firestore import FieldFilter
        from google.cloud.firestore_v1.field_path import FieldPath

        documents = [self._collection.document(document_id) for document_id in answers]
        among = FieldFilter(FieldPath.document_id(), "in", documents)
        try:
            found = {each.id: each.to_dict() for each in await self._collection.where(filter=among).get()}
        except Exception as failure:
            for answer in answers.values():
                answer.set_exception(failure)
            return
        for document_id, answer in answers.items():
            answer.set_result(found.get(document_id))


@lru_cache(maxsize=COLLECTIONS_KEPT)
def found_together(client: AsyncClient, collection: str) -> FoundTogether:
    """What this process looks for in a collection, through this client."""
    return FoundTogether(client, collection)
