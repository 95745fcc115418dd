"""Our encoder writes exactly what the library's would."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from google.cloud.firestore import DELETE_FIELD, SERVER_TIMESTAMP, AsyncClient, Increment
from google.cloud.firestore_v1.types import CommitRequest
from hypothesis import given
from hypothesis import strategies as st

from common.firestore_writes import PlainBatch
from common.orders.schemas import OrderStatus

if TYPE_CHECKING:
    from google.cloud.firestore_v1.async_batch import AsyncWriteBatch
    from google.cloud.firestore_v1.types import Write

VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False)
    | st.text(st.characters(codec="utf-8"))
    | st.binary(max_size=4)
    | st.datetimes(timezones=st.just(UTC))
    | st.sampled_from(OrderStatus),
    lambda values: st.lists(values, max_size=4) | st.dictionaries(st.text("abcdef", min_size=1), values, max_size=4),
    max_leaves=12,
)
DOCUMENTS = st.dictionaries(st.text("abcdef", min_size=1), VALUES, max_size=6)
CLIENT = AsyncClient(project="demo-encoding")
DOCUMENT = CLIENT.document("orders/ord_1")
OPTIONS = [None, CLIENT.write_option(last_update_time=datetime(2026, 11, 21, 7, 30, 1, 250_000, tzinfo=UTC))]


def ours(batch: PlainBatch) -> list[Write]:
    return list(CommitRequest.wrap(batch._request).writes)


def batches() -> tuple[PlainBatch, AsyncWriteBatch]:
    return PlainBatch(CLIENT), CLIENT.batch()


@given(DOCUMENTS)
def test_any_document_is_created_as_by_the_library(fields: dict[str, Any]) -> None:
    plain, stock = batches()
    plain.create(DOCUMENT, fields)
    stock.create(DOCUMENT, fields)
    assert ours(plain) == stock._write_pbs


@given(DOCUMENTS.filter(bool), st.sampled_from(OPTIONS))
def test_any_document_is_updated_as_by_the_library(fields: dict[str, Any], option: Any) -> None:
    plain, stock = batches()
    plain.update(DOCUMENT, fields, option=option)
    stock.update(DOCUMENT, fields, option=option)
    assert ours(plain) == stock._write_pbs


@pytest.mark.parametrize(
    "fields",
    [
        {"tiers.general": Increment(-1)},
        {"tiers.general": 2, "name": "a"},
        {"at": SERVER_TIMESTAMP},
        {"gone": DELETE_FIELD, "count": 1},
        {"map": {"inner": Increment(1)}},
    ],
    ids=["increment in a map", "path", "server time", "delete", "increment inside a map"],
)
def test_what_is_more_than_plain_fields_is_left_to_the_library(fields: dict[str, Any]) -> None:
    plain, stock = batches()
    plain.update(DOCUMENT, fields)
    plain.delete(DOCUMENT)
    stock.update(DOCUMENT, fields)
    stock.delete(DOCUMENT)
    assert ours(plain) == stock._write_pbs


def test_what_is_no_value_is_refused() -> None:
    with pytest.raises(TypeError):
        PlainBatch(CLIENT).create(DOCUMENT, {"a": object()})
