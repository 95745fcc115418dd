"""Our encoder writes exactly what the library's would."""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING, Any

import pytest
from google.cloud.firestore import AsyncClient
from hypothesis import given
from hypothesis import strategies as st

from common.firestore_writes import create
from common.orders.schemas import OrderStatus

if TYPE_CHECKING:
    from google.cloud.firestore_v1.types import Write

VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False)
    | st.text(st.characters(codec="utf-8"))
    | st.datetimes(timezones=st.just(UTC))
    | st.sampled_from(OrderStatus),
    lambda values: st.lists(values, max_size=4) | st.dictionaries(st.text("abcdef", min_size=1), values, max_size=4),
    max_leaves=12,
)


def written(fields: dict[str, Any], ours: bool) -> Write:
    client = AsyncClient(project="demo-encoding")
    batch = client.batch()
    document = client.document("orders/ord_1")
    if ours:
        create(batch, document, fields)
    else:
        batch.create(document, fields)
    [write] = batch._write_pbs
    return write


@given(st.dictionaries(st.text("abcdef", min_size=1), VALUES, max_size=6))
def test_any_document_is_encoded_as_by_the_library(fields: dict[str, Any]) -> None:
    assert written(fields, ours=True) == written(fields, ours=False)


def test_what_is_no_value_is_refused() -> None:
    with pytest.raises(TypeError, match="set is no value"):
        written({"a": {1}}, ours=True)
