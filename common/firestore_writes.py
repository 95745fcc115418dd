"""Creates, encoded straight to protobuf: the library's own encoder takes ten times as long, and booking lives on it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from google.cloud.firestore import AsyncDocumentReference, AsyncWriteBatch

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def create(batch: AsyncWriteBatch, document: AsyncDocumentReference, fields: Mapping[str, Any]) -> None:
    """What `batch.create` does, for fields of plain values: texts, numbers, booleans, UTC times, lists and maps."""
    from google.cloud.firestore_v1.types import Write

    write = Write.pb()()
    write.update.name = document._document_path
    for name, value in fields.items():
        _put(write.update.fields[name], value)
    write.current_document.exists = False
    batch._add_write_pbs([Write.wrap(write)])


def _put(into: Any, value: object) -> None:
    """Set a google.firestore.v1.Value."""
    match value:
        case str():  # text-valued enums too
            into.string_value = str(value)
        case None:
            into.null_value = 0
        case bool():
            into.boolean_value = value
        case int():
            into.integer_value = value
        case float():
            into.double_value = value
        case dict():
            into.map_value.SetInParent()  # an empty map is a value too
            for name, item in value.items():
                _put(into.map_value.fields[name], item)
        case list() | tuple():
            into.array_value.SetInParent()
            for item in value:
                _put(into.array_value.values.add(), item)
        case datetime():
            since = value - EPOCH
            into.timestamp_value.seconds = since.days * 86_400 + since.seconds
            into.timestamp_value.nanos = since.microseconds * 1_000
        case _:
            raise TypeError(f"{type(value).__name__} is no value of a document")
