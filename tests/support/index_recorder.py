"""Writes down the structure of every query sent to Firestore, because the emulator would do without any index."""

from __future__ import annotations

import inspect
import json
from functools import wraps
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.index_check import ASCENDING, VECTOR, Filter, Junction, Key, Query

if TYPE_CHECKING:
    from pathlib import Path

Json = dict[str, Any]


class QueryLog:
    """One file a process in a common folder; each structure is written once, when it is first seen."""

    def __init__(self, folder: Path, worker: str) -> None:
        self._path = folder / f"{worker}.jsonl"
        self._seen: set[str] = set()

    def note(self, structured: Json, extra: tuple[Key, ...] = ()) -> None:
        """Take down a StructuredQuery in its JSON form."""
        line = json.dumps({"query": _bare(structured), "extra": extra}, sort_keys=True)
        if line not in self._seen:
            self._seen.add(line)
            with self._path.open("a") as log:
                log.write(line + "\n")


def read_queries(folder: Path) -> set[Query]:
    """Everything that all processes wrote into this folder."""
    lines = {line for path in folder.glob("*.jsonl") for line in path.read_text().splitlines()}
    return {_query(json.loads(line)) for line in lines}


def record_queries(log: QueryLog) -> pytest.MonkeyPatch:
    """Watch the client's two query calls from now on; undoing the returned patch stops it.

    They are wrapped on the generated client: queries, aggregations, vector searches and reads in transactions all
    pass there with the message that is sent.
    """
    from google.cloud.firestore_v1.services.firestore.async_client import FirestoreAsyncClient

    # What another recording wrapped is taken bare: the inner recording has the queries for itself.
    run_query = inspect.unwrap(FirestoreAsyncClient.run_query)
    run_aggregation = inspect.unwrap(FirestoreAsyncClient.run_aggregation_query)

    @wraps(run_query)
    async def noted_query(self: FirestoreAsyncClient, request: Any = None, **more: Any) -> Any:
        log.note(_json(_member(request, "structured_query")))
        return await run_query(self, request=request, **more)

    @wraps(run_aggregation)
    async def noted_aggregation(self: FirestoreAsyncClient, request: Any = None, **more: Any) -> Any:
        aggregation = _json(_member(request, "structured_aggregation_query"))
        log.note(aggregation["structuredQuery"], _aggregated(aggregation))
        return await run_aggregation(self, request=request, **more)

    patch = pytest.MonkeyPatch()
    patch.setattr(FirestoreAsyncClient, "run_query", noted_query)
    patch.setattr(FirestoreAsyncClient, "run_aggregation_query", noted_aggregation)
    return patch


def _member(request: Any, name: str) -> Any:
    return request[name] if isinstance(request, dict) else getattr(request, name)


def _json(message: Any) -> Json:
    from google.protobuf.json_format import MessageToDict

    return MessageToDict(type(message).pb(message) if hasattr(type(message), "pb") else message)


def _aggregated(aggregation: Json) -> tuple[Key, ...]:
    fields = {
        part[kind]["field"]["fieldPath"]
        for part in aggregation.get("aggregations", [])
        for kind in ("sum", "avg")
        if kind in part
    }
    return tuple((field, ASCENDING) for field in sorted(fields))


def _bare(structured: Json) -> Json:
    """Without values: they say nothing about indexes, and there would be no end to them."""
    order = structured.get("orderBy", [])
    return {
        "from": structured["from"],
        "where": _bare_filter(structured["where"]) if "where" in structured else None,
        "orderBy": [[key["field"]["fieldPath"], key.get("direction", ASCENDING)] for key in order],
        "nearest": structured.get("findNearest", {}).get("vectorField", {}).get("fieldPath"),
    }


def _bare_filter(where: Json) -> Json:
    if "compositeFilter" in where:
        parts: list[Json] = []
        for part in map(_bare_filter, where["compositeFilter"]["filters"]):
            if part not in parts:
                parts.append(part)
        return {"kind": where["compositeFilter"]["op"], "parts": parts}
    [comparison] = where.values()
    return {"field": comparison["field"]["fieldPath"], "op": comparison["op"]}


def _query(line: Json) -> Query:
    bare = line["query"]
    [source] = bare["from"]
    extra = tuple((field, mode) for field, mode in line["extra"])
    return Query(
        collection=source["collectionId"],
        group=source.get("allDescendants", False),
        where=_where(bare["where"]) if bare["where"] else None,
        order=tuple((field, mode) for field, mode in bare["orderBy"]),
        extra=(*extra, (bare["nearest"], VECTOR)) if bare["nearest"] else extra,
    )


def _where(bare: Json) -> Filter | Junction:
    if "parts" in bare:
        return Junction(bare["kind"], tuple(map(_where, bare["parts"])))
    return Filter(bare["field"], bare["op"])
