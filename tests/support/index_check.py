"""Which composite indexes a query needs, by Firestore's rules, and whether the index file has them.

Single fields are indexed automatically, within one collection. Beyond that: a query is turned into a disjunction, and
each part needs an index whose first fields are its equality filters and whose last are its inequality and sort
fields. Several indexes with the same last fields merge, each covering some of the equality filters; parts without
a sort merge the automatic indexes and need none.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

ASCENDING: Final = "ASCENDING"
DESCENDING: Final = "DESCENDING"
CONTAINS: Final = "CONTAINS"
VECTOR: Final = "VECTOR"
DOCUMENT_NAME: Final = "__name__"
EQUALITIES: Final = {"EQUAL", "IN", "IS_NULL", "IS_NAN"}
MEMBERSHIPS: Final = {"ARRAY_CONTAINS", "ARRAY_CONTAINS_ANY"}
Key = tuple[str, str]


@dataclass(frozen=True)
class Filter:
    """One comparison; the value does not matter to an index."""

    field: str
    op: str


@dataclass(frozen=True)
class Junction:
    """Filters joined by AND or OR."""

    kind: Literal["AND", "OR"]
    parts: tuple[Filter | Junction, ...]


@dataclass(frozen=True)
class Query:
    """The structure of a query: what remains of it without its values."""

    collection: str
    group: bool = False
    where: Filter | Junction | None = None
    order: tuple[Key, ...] = ()
    # Fields that are read from the index itself: summed, averaged, or compared as vectors.
    extra: tuple[Key, ...] = ()


@dataclass(frozen=True)
class Index:
    """A composite index of the file; `keys` end without the document's name where that only follows the last key."""

    collection: str
    group: bool
    keys: tuple[Key, ...]

    def __str__(self) -> str:
        scope = " (collection group)" if self.group else ""
        return f"{self.collection}{scope}: " + ", ".join(f"{field} {mode}" for field, mode in self.keys)


@dataclass(frozen=True)
class IndexFile:
    """firestore.indexes.json."""

    indexes: tuple[Index, ...]
    # (collection, field) → the single-field indexes that replace the automatic ones, as (group scope, mode).
    overrides: dict[Key, frozenset[tuple[bool, str]]]

    @classmethod
    def read(cls, path: Path) -> IndexFile:
        return cls.of(json.loads(path.read_text()))

    @classmethod
    def of(cls, document: dict[str, Any]) -> IndexFile:
        indexes = (
            Index(entry["collectionGroup"], _is_group(entry), _without_name(tuple(map(_key, entry["fields"]))))
            for entry in document["indexes"]
        )
        overrides = {
            (entry["collectionGroup"], entry["fieldPath"]): frozenset(
                (_is_group(index), index.get("order") or index["arrayConfig"]) for index in entry["indexes"]
            )
            for entry in document.get("fieldOverrides", [])
        }
        return cls(tuple(indexes), overrides)

    def has_single(self, collection: str, group: bool, field: str, modes: set[str]) -> bool:
        """Whether a field has a single-field index of one of these modes, by itself or by an override."""
        replaced = self.overrides.get((collection, field))
        if replaced is None:
            return not group
        return any((group, mode) in replaced for mode in modes)


@dataclass(frozen=True)
class Need:
    """One part of a query's disjunction: equality fields in any order, then keys in exactly this order."""

    collection: str
    group: bool
    equal: frozenset[Key]
    last: tuple[Key, ...]

    def suggestion(self) -> Index:
        """The one index that serves it alone."""
        return Index(self.collection, self.group, (*sorted(self.equal), *self.last))


def missing_indexes(queries: Iterable[Query], index_file: IndexFile) -> list[str]:
    """The indexes that these queries need and the file lacks, each once."""
    lacking = {need.suggestion() for query in queries for need in needs(query) if _served_by(need, index_file) is None}
    return sorted(map(str, lacking))


def unused_indexes(queries: Iterable[Query], index_file: IndexFile) -> list[str]:
    """The indexes of the file that none of these queries needs."""
    used = {index for query in queries for need in needs(query) for index in _served_by(need, index_file) or ()}
    return sorted(str(index) for index in index_file.indexes if index not in used)


def needs(query: Query) -> Iterator[Need]:
    """What each part of the query's disjunction asks of the indexes."""
    for part in _disjuncts(query.where):
        equal = frozenset((item.field, _mode(item.op)) for item in part if item.op in EQUALITIES | MEMBERSHIPS)
        equal = frozenset(key for key in equal if key[0] != DOCUMENT_NAME)
        fixed = {field for field, mode in equal if mode is not CONTAINS}
        ranged = {item.field for item in part if item.op not in EQUALITIES | MEMBERSHIPS}
        order = tuple(key for key in query.order if key[0] not in fixed)
        # Fields of inequalities that are not sorted by are sorted by after those that are, in the last direction.
        direction = order[-1][1] if order else ASCENDING
        implied = sorted(ranged - {field for field, _ in order} - fixed - {DOCUMENT_NAME})
        last = _with_name_last((*order, *((field, direction) for field in implied)))
        yield Need(query.collection, query.group, equal, (*last, *query.extra))


def _served_by(need: Need, index_file: IndexFile) -> tuple[Index, ...] | None:
    """The composite indexes that serve this need: none when automatic ones do, None when it cannot be served."""
    if not need.last and all(_single(need, key, index_file) for key in need.equal):
        return ()
    if not need.equal and len(need.last) == 1 and need.last[0][1] != VECTOR and _single(need, need.last[0], index_file):
        return ()
    fitting = [index for index in index_file.indexes if _fits(index, need)]
    alone = [index for index in fitting if _equal_part(index, need) == need.equal]
    if alone:
        return (alone[0],)
    covered = frozenset(key for index in fitting for key in _equal_part(index, need))
    if not need.last:
        covered |= {key for key in need.equal if _single(need, key, index_file)}
    return tuple(fitting) if fitting and covered == need.equal else None


def _single(need: Need, key: Key, index_file: IndexFile) -> bool:
    field, mode = key
    # An equality filter reads an index in either direction.
    modes = {ASCENDING, DESCENDING} if key in need.equal and mode is not CONTAINS else {mode}
    return field == DOCUMENT_NAME or index_file.has_single(need.collection, need.group, field, modes)


def _fits(index: Index, need: Need) -> bool:
    if (index.collection, index.group) != (need.collection, need.group):
        return False
    tail = index.keys[len(index.keys) - len(need.last) :]
    return tail == need.last and _equal_part(index, need) <= need.equal and bool(_equal_part(index, need) or need.last)


def _equal_part(index: Index, need: Need) -> frozenset[Key]:
    front = index.keys[: len(index.keys) - len(need.last)]
    return frozenset((field, CONTAINS if mode == CONTAINS else ASCENDING) for field, mode in front)


def _disjuncts(where: Filter | Junction | None) -> set[frozenset[Filter]]:
    """The filters as a disjunction of conjunctions."""
    if where is None:
        return {frozenset()}
    if isinstance(where, Filter):
        return {frozenset({where})}
    # Parts of the same structure (the thirty ranges of a circle) are one: without that, this would not end.
    parts = [_disjuncts(part) for part in dict.fromkeys(where.parts)]
    if where.kind == "OR":
        return {found for part in parts for found in part}
    return {frozenset(item for found in chosen for item in found) for chosen in product(*parts)}


def _mode(op: str) -> str:
    return CONTAINS if op in MEMBERSHIPS else ASCENDING


def _key(field: dict[str, str]) -> Key:
    return field["fieldPath"], field.get("order") or field.get("arrayConfig") or VECTOR


def _is_group(entry: dict[str, Any]) -> bool:
    return entry.get("queryScope", "COLLECTION") == "COLLECTION_GROUP"


def _with_name_last(keys: tuple[Key, ...]) -> tuple[Key, ...]:
    """Nothing sorts after the document's name, and as the last key it may go unsaid."""
    names = [place for place, (field, _) in enumerate(keys) if field == DOCUMENT_NAME]
    return _without_name(keys[: names[0] + 1] if names else keys)


def _without_name(keys: tuple[Key, ...]) -> tuple[Key, ...]:
    """Every index ends with the document's name, in the direction of the key before it."""
    if not keys or keys[-1][0] != DOCUMENT_NAME:
        return keys
    before = keys[-2][1] if len(keys) > 1 and keys[-2][1] in {ASCENDING, DESCENDING} else None
    return keys[:-1] if before in {keys[-1][1], None} else keys
