"""A query that builds its request and decodes its answers itself: the library's own way takes ten times as long.

The request leaves through the library's generated client, with its errors, timeouts and repeats. Imported where a
query is made, because it loads the SDK.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from google.cloud.firestore_v1._helpers import decode_value
from google.cloud.firestore_v1.types import RunQueryRequest, StructuredQuery, Value

from common import clients
from common.firestore_writes import put_value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

FieldOperator = StructuredQuery.FieldFilter.Operator
JunctionOperator = StructuredQuery.CompositeFilter.Operator
OPERATORS: Final = {
    "==": FieldOperator.EQUAL,
    "<": FieldOperator.LESS_THAN,
    "<=": FieldOperator.LESS_THAN_OR_EQUAL,
    ">": FieldOperator.GREATER_THAN,
    ">=": FieldOperator.GREATER_THAN_OR_EQUAL,
    "array_contains": FieldOperator.ARRAY_CONTAINS,
}
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
Comparison = tuple[str, str, object]


class PlainQuery:
    """Documents of one collection, of which these fields are fetched: all of `where`, in this order."""

    def __init__(self, collection: str, fields: Iterable[str], order_by: Iterable[str], limit: int) -> None:
        client = clients.firestore()
        self._request = RunQueryRequest.pb()(parent=f"{client._database_string}/documents")
        query = self._request.structured_query
        query.from_.add(collection_id=collection)
        for name in fields:
            query.select.fields.add(field_path=name)
        for name in order_by:
            query.order_by.add(direction=StructuredQuery.Direction.ASCENDING).field.field_path = name
        query.limit.value = limit
        self._where = query.where.composite_filter
        self._where.op = JunctionOperator.AND

    def where(self, *comparisons: Comparison) -> None:
        """Each of these has to hold."""
        _add_all(self._where, comparisons)

    def where_any(self, alternatives: Iterable[Iterable[Comparison]]) -> None:
        """All comparisons of one of these have to hold."""
        either = self._where.filters.add().composite_filter
        either.op = JunctionOperator.OR
        for comparisons in alternatives:
            every = either.filters.add().composite_filter
            every.op = JunctionOperator.AND
            _add_all(every, comparisons)

    async def get(self) -> list[dict[str, Any]]:
        """The fields of each document."""
        client = clients.firestore()
        answers = await client._firestore_api.run_query(
            request=RunQueryRequest.wrap(self._request), metadata=client._rpc_metadata
        )
        return [
            _plain_fields(answer._pb.document.fields) async for answer in answers if answer._pb.HasField("document")
        ]


def _add_all(junction: Any, comparisons: Iterable[Comparison]) -> None:
    for name, operator, value in comparisons:
        comparison = junction.filters.add().field_filter
        comparison.field.field_path = name
        comparison.op = OPERATORS[operator]
        put_value(comparison.value, value)


def _plain_fields(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _plain(value) for name, value in fields.items()}


def _plain(value: Any) -> Any:
    """What a google.firestore.v1.Value holds."""
    kind = value.WhichOneof("value_type")
    read = READ.get(kind)
    return read(value) if read else decode_value(Value.wrap(value), clients.firestore())


def _moment(value: Any) -> datetime:
    stamp = value.timestamp_value
    return EPOCH + timedelta(seconds=stamp.seconds, microseconds=stamp.nanos // 1000)


READ: Final[dict[str, Callable[[Any], Any]]] = {
    "string_value": lambda value: value.string_value,
    "integer_value": lambda value: value.integer_value,
    "double_value": lambda value: value.double_value,
    "boolean_value": lambda value: value.boolean_value,
    "null_value": lambda _: None,
    "timestamp_value": _moment,
    "map_value": lambda value: _plain_fields(value.map_value.fields),
    "array_value": lambda value: [_plain(each) for each in value.array_value.values],
}
