"""Our query asks exactly what the library's would, and its answers are decoded alike."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from google.cloud.firestore import And, AsyncClient, FieldFilter, GeoPoint, Or
from google.cloud.firestore_v1._helpers import decode_value, encode_value
from google.cloud.firestore_v1.types import RunQueryRequest, StructuredQuery
from hypothesis import given

from common import clients
from common.firestore_reads import PlainQuery, _plain
from tests.kernel.test_firestore_writes import VALUES

CLIENT = AsyncClient(project="demo-encoding")
MOMENT = datetime(2026, 11, 21, 7, 30, 1, 250_000, tzinfo=UTC)


@pytest.fixture(autouse=True)
def one_client(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clients, "firestore", lambda: CLIENT)


def test_it_asks_what_the_library_would() -> None:
    ours = PlainQuery("events", ["title", "venue"], ["place", "endsAt"], 7)
    ours.where(("endsAt", ">", MOMENT), ("genres", "array_contains", "jazz"), ("price", "<=", 500))
    ours.where_any([(("place", ">=", "a"), ("place", "<", "b")), (("place", ">=", "x"), ("place", "<", "y"))])
    either = Or(
        [And([FieldFilter("place", ">=", start), FieldFilter("place", "<", end)]) for start, end in ("ab", "xy")]
    )
    common = [
        FieldFilter("endsAt", ">", MOMENT),
        FieldFilter("genres", "array_contains", "jazz"),
        FieldFilter("price", "<=", 500),
    ]
    theirs = (
        CLIENT.collection("events")
        .where(filter=And([*common, either]))
        .order_by("place")
        .order_by("endsAt")
        .select(["title", "venue"])
        .limit(7)
    )
    request = RunQueryRequest.wrap(ours._request)
    assert request.parent == f"{CLIENT._database_string}/documents"
    assert request.structured_query == StructuredQuery(theirs._to_protobuf())


@given(VALUES)
def test_any_value_is_read_as_by_the_library(value: Any) -> None:
    stored = encode_value(str(value) if isinstance(value, str) else value)
    assert _plain(stored._pb) == decode_value(stored, CLIENT)


def test_kinds_that_are_rare_are_left_to_the_library() -> None:
    assert _plain(encode_value(GeoPoint(1, 2))._pb) == GeoPoint(1, 2)
