"""The index checker knows Firestore's rules, and the recorder sees what the client sends."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import pytest
from google.cloud.firestore import And, AsyncClient, FieldFilter, Or, async_transactional
from google.cloud.firestore_v1.async_aggregation import AsyncAggregationQuery

from tests.support.index_check import (
    ASCENDING,
    CONTAINS,
    DESCENDING,
    Filter,
    IndexFile,
    Junction,
    Key,
    Query,
    missing_indexes,
    unused_indexes,
)
from tests.support.index_plugin import FOLDER_VARIABLE, INDEXES, ROOT
from tests.support.index_recorder import QueryLog, read_queries, record_queries

if TYPE_CHECKING:
    from pathlib import Path

Part = Filter | Junction
Overrides = Iterable[dict[str, Any]]


def both(*parts: Part) -> Junction:
    return Junction("AND", parts)


def either(*parts: Part) -> Junction:
    return Junction("OR", parts)


def equal(field: str) -> Filter:
    return Filter(field, "EQUAL")


def query(where: Part | None = None, *order: Key, **more: Any) -> Query:
    return Query("events", where=where, order=order, **more)


def index_file(*indexes: tuple[Key, ...], group: bool = False, overrides: Overrides = ()) -> IndexFile:
    def entry(key: Key) -> dict[str, str]:
        field, mode = key
        return {"fieldPath": field, "arrayConfig" if mode == CONTAINS else "order": mode}

    scope = "COLLECTION_GROUP" if group else "COLLECTION"
    entries = [{"collectionGroup": "events", "queryScope": scope, "fields": list(map(entry, keys))} for keys in indexes]
    return IndexFile.of({"indexes": entries, "fieldOverrides": list(overrides)})


A, B, C = ("a", ASCENDING), ("b", ASCENDING), ("c", ASCENDING)
C_DOWN = ("c", DESCENDING)
NAME, NAME_DOWN = ("__name__", ASCENDING), ("__name__", DESCENDING)
NOTHING = index_file()


@pytest.mark.parametrize(
    "made",
    [
        query(),
        query(equal("a")),
        query(both(equal("a"), equal("b"), Filter("c", "IN"))),
        query(both(equal("a"), Filter("tags", "ARRAY_CONTAINS"))),
        query(Filter("a", "GREATER_THAN")),
        query(both(Filter("a", "GREATER_THAN"), Filter("a", "LESS_THAN")), A),
        query(None, C_DOWN),
        query(None, C_DOWN, NAME_DOWN),
        query(None, NAME),
        query(both(equal("a"), equal("b")), NAME),
        query(both(equal("a"), Filter("__name__", "GREATER_THAN"))),
        query(equal("a"), A),
        query(either(equal("a"), Filter("b", "LESS_THAN"))),
        query(Filter("a", "IS_NULL")),
    ],
)
def test_automatic_indexes_suffice(made: Query) -> None:
    assert missing_indexes([made], NOTHING) == []


@pytest.mark.parametrize(
    ("made", "needed"),
    [
        (query(equal("a"), C), (A, C)),
        (query(equal("a"), C_DOWN), (A, C_DOWN)),
        (query(equal("a"), C, NAME), (A, C)),
        (query(equal("a"), C, NAME_DOWN), (A, C, NAME_DOWN)),
        (query(None, C, NAME_DOWN), (C, NAME_DOWN)),
        (query(None, A, C_DOWN), (A, C_DOWN)),
        (query(both(equal("a"), Filter("c", "LESS_THAN"))), (A, C)),
        (query(both(Filter("a", "IS_NULL"), Filter("c", "NOT_EQUAL"))), (A, C)),
        (query(both(equal("a"), Filter("c", "IS_NOT_NULL"))), (A, C)),
        (query(both(Filter("tags", "ARRAY_CONTAINS_ANY"), equal("a")), C), (A, ("tags", CONTAINS), C)),
        (query(both(Filter("b", "LESS_THAN"), Filter("a", "GREATER_THAN"))), (A, B)),
        (query(both(Filter("b", "LESS_THAN"), Filter("a", "GREATER_THAN")), B), (B, A)),
        (query(both(equal("a"), Filter("b", "LESS_THAN")), C_DOWN), (A, C_DOWN, ("b", DESCENDING))),
        (query(equal("a"), extra=(B,)), (A, B)),
    ],
)
def test_a_composite_index_is_needed_and_enough(made: Query, needed: tuple[Key, ...]) -> None:
    [missing] = missing_indexes([made], NOTHING)
    assert missing == "events: " + ", ".join(f"{field} {mode}" for field, mode in needed)
    assert missing_indexes([made], index_file(needed)) == []
    assert unused_indexes([made], index_file(needed)) == []


def test_the_order_of_equality_fields_and_their_direction_do_not_matter() -> None:
    made = query(both(equal("a"), equal("b")), C)
    assert missing_indexes([made], index_file((B, ("a", DESCENDING), C))) == []


def test_the_direction_of_a_sort_and_the_place_of_its_field_do_matter() -> None:
    made = query(equal("a"), C)
    for wrong in ((A, C_DOWN), (C, A), (A, B, C), (A, C, B)):
        assert missing_indexes([made], index_file(wrong)) == ["events: a ASCENDING, c ASCENDING"]
        assert len(unused_indexes([made], index_file(wrong))) == 1


def test_indexes_with_the_same_sort_merge() -> None:
    made = query(both(equal("a"), equal("b")), C)
    merging = index_file((A, C), (B, C))
    assert missing_indexes([made], merging) == []
    assert unused_indexes([made], merging) == []
    assert len(missing_indexes([made], index_file((A, C), (B, C_DOWN)))) == 1


def test_every_part_of_a_disjunction_needs_its_index() -> None:
    made = query(either(equal("a"), both(Filter("a", "IS_NULL"), equal("b"))), C_DOWN)
    assert missing_indexes([made], NOTHING) == [
        "events: a ASCENDING, b ASCENDING, c DESCENDING",
        "events: a ASCENDING, c DESCENDING",
    ]
    half = index_file((A, C_DOWN))
    assert missing_indexes([made], half) == ["events: a ASCENDING, b ASCENDING, c DESCENDING"]
    assert missing_indexes([made], index_file((A, C_DOWN), (A, B, C_DOWN))) == []


def test_a_conjunction_of_disjunctions_is_multiplied_out() -> None:
    made = query(both(either(equal("a"), equal("b")), Filter("c", "LESS_THAN")))
    assert missing_indexes([made], NOTHING) == [
        "events: a ASCENDING, c ASCENDING",
        "events: b ASCENDING, c ASCENDING",
    ]


def test_many_ranges_of_one_structure_are_one_part() -> None:
    ranges = both(Filter("geohash", "GREATER_THAN_OR_EQUAL"), Filter("geohash", "LESS_THAN"))
    many = either(*[ranges] * 30)
    made = query(both(equal("a"), many, many, many, many))
    assert missing_indexes([made], NOTHING) == ["events: a ASCENDING, geohash ASCENDING"]


def test_a_collection_group_has_no_automatic_index() -> None:
    made = query(equal("a"), group=True)
    assert missing_indexes([query(group=True)], NOTHING) == []
    assert missing_indexes([made], NOTHING) == ["events (collection group): a ASCENDING"]
    overrides = [
        {
            "collectionGroup": "events",
            "fieldPath": "a",
            "indexes": [{"order": ASCENDING, "queryScope": "COLLECTION_GROUP"}],
        }
    ]
    assert missing_indexes([made], index_file(overrides=overrides)) == []
    # The override replaces what was automatic within one collection.
    assert missing_indexes([query(equal("a"))], index_file(overrides=overrides)) == ["events: a ASCENDING"]


def test_an_index_of_one_scope_does_not_serve_the_other() -> None:
    ours = query(equal("a"), C)
    assert missing_indexes([ours], index_file((A, C), group=True)) == ["events: a ASCENDING, c ASCENDING"]
    everywhere = query(equal("a"), C, group=True)
    assert missing_indexes([everywhere], index_file((A, C), group=True)) == []


def test_a_field_without_any_index_cannot_be_asked_for() -> None:
    unindexed = index_file(overrides=[{"collectionGroup": "events", "fieldPath": "a", "indexes": []}])
    assert missing_indexes([query(equal("a"))], unindexed) == ["events: a ASCENDING"]
    assert missing_indexes([query(equal("b"))], unindexed) == []


def test_an_index_that_automatic_ones_make_needless_is_reported() -> None:
    assert unused_indexes([query(both(equal("a"), equal("b")))], index_file((A, B))) == [
        "events: a ASCENDING, b ASCENDING"
    ]


def test_the_file_is_what_the_firebase_cli_reads() -> None:
    document = json.loads(INDEXES.read_text())
    assert set(document) == {"indexes", "fieldOverrides"}
    for entry in document["indexes"]:
        assert set(entry) == {"collectionGroup", "queryScope", "fields"}
        assert len(entry["fields"]) >= 2
    # A rising time in a single-field index holds a collection to 500 writes a second, and a long text pays for each
    # word: these fields are found through composite indexes or not at all.
    for entry in document["fieldOverrides"]:
        assert set(entry) - {"ttl"} == {"collectionGroup", "fieldPath", "indexes"}
    assert [entry["fieldPath"] for entry in document["fieldOverrides"] if entry.get("ttl")] == ["expireAt"]
    parsed = IndexFile.read(INDEXES).indexes
    assert len(set(parsed)) == len(parsed), "an index is listed twice"


async def ask_in_many_ways() -> None:
    client = AsyncClient(project="demo-index-recorder")
    events = client.collection("events")
    mine = Or([FieldFilter("a", "==", "x"), And([FieldFilter("a", "==", None), FieldFilter("b", "in", [1, 2])])])
    for limit in (1, 2):
        await events.where(filter=mine).order_by("c", direction=DESCENDING).limit(limit).get()
    await AsyncAggregationQuery(events.where(filter=FieldFilter("a", "!=", 3))).sum("d").get()
    group = client.collection_group("tiers").where(filter=FieldFilter("t", "array_contains", 1))

    async def read(transaction: Any) -> None:
        assert [found async for found in await transaction.get(group)] == []

    await async_transactional(read)(client.transaction())
    await client._firestore_api.transport.close()


async def ask_afterwards() -> None:
    client = AsyncClient(project="demo-index-recorder")
    await client.collection("afterwards").limit(1).get()
    await client._firestore_api.transport.close()


def test_what_the_client_sends_is_recorded(tmp_path: Path) -> None:
    recording = record_queries(QueryLog(tmp_path, "gw0"))
    try:
        asyncio.run(ask_in_many_ways())
    finally:
        recording.undo()
    asyncio.run(ask_afterwards())
    assert read_queries(tmp_path) == {
        query(either(equal("a"), both(Filter("a", "IS_NULL"), Filter("b", "IN"))), C_DOWN),
        query(Filter("a", "NOT_EQUAL"), extra=(("d", ASCENDING),)),
        Query("tiers", group=True, where=Filter("t", "ARRAY_CONTAINS")),
    }
    assert len((tmp_path / "gw0.jsonl").read_text().splitlines()) == 3


SUITE = """
import asyncio
import pytest
from google.cloud.firestore import AsyncClient, FieldFilter

async def ask(order):
    client = AsyncClient(project="demo-index-plugin")
    await client.collection("nowhere").where(filter=FieldFilter("a", "==", 1)).order_by(order).get()
    await client._firestore_api.transport.close()

@pytest.mark.parametrize("order", {orders})
def test_query(order):
    asyncio.run(ask(order))
"""


@pytest.mark.parametrize(
    ("orders", "status"), [(["b", "c"], pytest.ExitCode.TESTS_FAILED), (["a"], pytest.ExitCode.OK)]
)
def test_a_run_over_workers_fails_for_a_missing_index(tmp_path: Path, orders: list[str], status: int) -> None:
    suite = tmp_path / "test_suite.py"
    suite.write_text(SUITE.format(orders=orders))
    outer = {FOLDER_VARIABLE, "PYTEST_XDIST_WORKER", "PYTEST_XDIST_WORKER_COUNT", "PYTEST_XDIST_TESTRUNUID"}
    options = f"-c {ROOT}/pyproject.toml --noconftest -n 2 -p no:cacheprovider -p tests.support.index_plugin"
    run = subprocess.run(
        [sys.executable, "-m", "pytest", *options.split(), str(suite)],
        cwd=ROOT,
        env={name: value for name, value in os.environ.items() if name not in outer},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == status, run.stdout + run.stderr
    assert f"{len(orders)} passed" in run.stdout
    for order in orders:
        complaint = f"missing: nowhere: a ASCENDING, {order} ASCENDING"
        assert (complaint in run.stdout) == (status != 0), run.stdout
