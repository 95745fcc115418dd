"""A batch that encodes plain fields itself: the library's own encoder takes ten times as long, and booking lives on it.

It is the library's batch in all else: whatever its callers add, its request leaves through the same generated client,
with the library's errors, timeouts and repeats. Imported where a batch is made, because it loads the SDK.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from google.api_core import gapic_v1
from google.cloud.firestore_v1._helpers import encode_value
from google.cloud.firestore_v1.async_batch import AsyncWriteBatch
from google.cloud.firestore_v1.types import CommitRequest, Write

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from google.api_core.retry_async import AsyncRetry
    from google.cloud.firestore import AsyncClient
    from google.cloud.firestore_v1._helpers import WriteOption
    from google.cloud.firestore_v1.base_document import BaseDocumentReference
    from google.cloud.firestore_v1.types import WriteResult

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class PlainBatch(AsyncWriteBatch):
    """For fields of plain values: texts, numbers, booleans, UTC times, lists and maps; updates may transform too."""

    def __init__(self, client: AsyncClient) -> None:
        super().__init__(client)
        self._request = CommitRequest.pb()(database=client._database_string)

    def create(self, reference: BaseDocumentReference, document_data: Mapping[str, Any]) -> None:
        """Write a document that must not exist yet."""
        write = self._request.writes.add()
        _document(write.update, reference, document_data)
        write.current_document.exists = False

    def update(
        self, reference: BaseDocumentReference, field_updates: dict[str, Any], option: WriteOption | None = None
    ) -> None:
        """Write these fields of a document that must exist, or be as `option` says."""
        if not _is_plain(field_updates):
            super().update(reference, field_updates, option)
            return
        write = self._request.writes.add()
        _document(write.update, reference, field_updates)
        write.update_mask.field_paths.extend(sorted(field_updates))
        if option is None:
            write.current_document.exists = True
        else:
            option.modify_write(Write.wrap(write))

    def _add_write_pbs(self, write_pbs: list[Write]) -> None:
        self._request.writes.extend([Write.pb(write) for write in write_pbs])

    async def commit(
        self, retry: AsyncRetry | object | None = gapic_v1.method.DEFAULT, timeout: float | None = None
    ) -> list[WriteResult]:
        """Commit all of it, or nothing; what each write came to, in this order."""
        reply = await self._client._firestore_api.commit(
            request=CommitRequest.wrap(self._request), retry=retry, timeout=timeout, metadata=self._client._rpc_metadata
        )
        return list(reply.write_results)


def _is_plain(fields: Mapping[str, Any]) -> bool:
    """Whether these are whole fields of plain values, rather than paths into maps, transforms, or maps with either."""
    return all(name.isidentifier() and type(value) in PUT and type(value) is not dict for name, value in fields.items())


def _document(into: Any, reference: BaseDocumentReference, fields: Mapping[str, Any]) -> None:
    into.name = reference._document_path
    _put_all(into.fields, fields)


def _put_all(into: Any, fields: Mapping[str, Any]) -> None:
    for name, value in fields.items():
        put_value(into[name], value)


def put_value(into: Any, value: object) -> None:
    """Set a google.firestore.v1.Value."""
    put = PUT.get(type(value))
    if put is not None:
        put(into, value)
    elif isinstance(value, str):  # text-valued enums
        into.string_value = str(value)
    else:  # a kind that is rare here
        into.CopyFrom(encode_value(value)._pb)


def _text(into: Any, value: str) -> None:
    into.string_value = value


def _null(into: Any, _: None) -> None:
    into.null_value = 0


def _boolean(into: Any, value: bool) -> None:
    into.boolean_value = value


def _integer(into: Any, value: int) -> None:
    into.integer_value = value


def _float(into: Any, value: float) -> None:
    into.double_value = value


def _map(into: Any, value: Mapping[str, Any]) -> None:
    into.map_value.SetInParent()  # an empty map is a value too
    _put_all(into.map_value.fields, value)


def _array(into: Any, value: Sequence[Any]) -> None:
    into.array_value.SetInParent()
    for item in value:
        put_value(into.array_value.values.add(), item)


def _time(into: Any, value: datetime) -> None:
    since = value - EPOCH
    into.timestamp_value.seconds = since.days * 86_400 + since.seconds
    into.timestamp_value.nanos = since.microseconds * 1_000


# By exact type: a chain of isinstance is what made this slow.
PUT: Final[dict[type, Callable[[Any, Any], None]]] = {
    str: _text,
    type(None): _null,
    bool: _boolean,
    int: _integer,
    float: _float,
    dict: _map,
    list: _array,
    tuple: _array,
    datetime: _time,
}
