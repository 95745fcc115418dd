"""Three ways to answer a search: the embedded index, token documents in Firestore alone, and tantivy where installed.

Token documents are counted, not run: a query reads every document that has its rarest token, because Firestore takes
one `array_contains` a query and knows no relevance, and with trigrams every document that shares one of them.
"""

from __future__ import annotations

import importlib
import tempfile
import time
import zlib
from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

from common.listings.index import ListingIndex
from common.listings.snapshots import LEVEL, PART_BYTES, Snapshot
from common.search import search
from common.search.schemas import SearchQuery
from common.text import fold

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from common.listings.schemas import Listing

SHOWN: Final = 5
SHORTEST_PREFIX: Final = 3
LONGEST_PREFIX: Final = 8
# Firestore's own limit on the values of `array_contains_any`.
MOST_TRIGRAMS: Final = 30


class Engine(Protocol):
    """Finds the ids of the best events for some words."""

    name: str

    def find(self, typed: str) -> list[str]: ...


@dataclass(frozen=True)
class Snapshotted:
    """What a snapshot of the embedded index takes, in bytes and seconds of processor time."""

    image: int
    packed: int
    parts: int
    packing_s: float
    loading_s: float


class Embedded:
    """This product's search, on its SQLite tables."""

    name = "embedded SQLite"

    def __init__(self, listings: Sequence[Listing], now: datetime) -> None:
        self._now, self._index = now, ListingIndex()
        for first in range(0, len(listings), 1_000):
            self._index.apply([(each, now) for each in listings[first : first + 1_000]], now)

    def find(self, typed: str) -> list[str]:
        page = search.events_page(self._index, self._index.db, SearchQuery(q=typed, limit=SHOWN), self._now)
        return [each.event_id for each in page.items]

    def restart(self) -> Snapshotted:
        """Through a snapshot, as a process that starts gets it."""
        image = self._index.db.serialize()
        began = time.process_time()
        packed = zlib.compress(image, LEVEL)
        packed_at = time.process_time()
        self._index = ListingIndex(Snapshot("bench", zlib.decompress(packed), self._now, self._now))
        loaded_at = time.process_time()
        parts = -(-len(packed) // PART_BYTES)
        return Snapshotted(len(image), len(packed), parts, packed_at - began, loaded_at - packed_at)


class TokenDocuments:
    """Words with their beginnings, or trigrams, in an array of each event's document."""

    def __init__(self, listings: Sequence[Listing], trigrams: bool) -> None:
        self.name = "trigrams in Firestore" if trigrams else "tokens in Firestore"
        self._cut = _trigrams if trigrams else _beginnings
        self._any = trigrams
        self._documents: dict[str, list[str]] = defaultdict(list)
        self.entries = 0
        for each in listings:
            tokens = {token for word in fold(_text(each)).split() for token in self._cut(word)}
            self.entries += len(tokens)
            for token in tokens:
                self._documents[token].append(each.event_id)
        self.reads: list[int] = []

    def find(self, typed: str) -> list[str]:
        words = fold(typed).split()
        if not self._any:
            holders = [self._documents.get(word[:LONGEST_PREFIX], []) for word in words if len(word) >= SHORTEST_PREFIX]
            rarest = min(holders, key=len, default=[])
            self.reads.append(max(1, len(rarest)))
            common = set(rarest).intersection(*holders) if holders else set()
            return sorted(common)[:SHOWN]
        tokens = list(dict.fromkeys(token for word in words for token in self._cut(word)))[:MOST_TRIGRAMS]
        shared = Counter(holder for token in tokens for holder in self._documents.get(token, []))
        self.reads.append(max(1, len(shared)))
        return [event_id for event_id, _ in shared.most_common(SHOWN)]


class Tantivy:
    """The same fields in tantivy; misspelt words by its fuzzy queries."""

    name = "tantivy"

    def __init__(self, listings: Sequence[Listing]) -> None:
        self._tantivy: Any = importlib.import_module("tantivy")
        builder = self._tantivy.SchemaBuilder()
        builder.add_text_field("id", stored=True, tokenizer_name="raw")
        builder.add_text_field("text")
        self.folder = tempfile.TemporaryDirectory()
        self._index = self._tantivy.Index(builder.build(), path=self.folder.name)
        writer = self._index.writer(heap_size=100_000_000)
        for each in listings:
            writer.add_document(self._tantivy.Document(id=each.event_id, text=fold(_text(each))))
        writer.commit()
        writer.wait_merging_threads()
        self._index.reload()
        self._searcher = self._index.searcher()

    def find(self, typed: str) -> list[str]:
        query, must = self._tantivy.Query, self._tantivy.Occur.Must
        words = [
            query.fuzzy_term_query(self._index.schema, "text", word, distance=int(len(word) > 3), prefix=True)
            for word in fold(typed).split()
        ]
        found = self._searcher.search(query.boolean_query([(must, word) for word in words]), SHOWN)
        return [self._searcher.doc(address)["id"][0] for _, address in found.hits] if words else []


def _text(listing: Listing) -> str:
    venue = listing.venue
    named = (listing.title, *listing.artists, *listing.genres, listing.org_name, listing.summary)
    return " ".join((*named, venue.name, venue.address, venue.city))


def _beginnings(word: str) -> list[str]:
    return [word[:end] for end in range(SHORTEST_PREFIX, min(len(word), LONGEST_PREFIX) + 1)]


def _trigrams(word: str) -> list[str]:
    padded = f"_{word}_"
    return [padded[at : at + 3] for at in range(len(padded) - 2)]
