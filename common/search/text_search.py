"""Words against the index: which events have them, where, and what a misspelt one may mean.

An event's points depend on nothing but itself: no other event that comes or goes moves it within the pages of a
search, as the usual measures (bm25) would. A word counts 1 wherever it is, 3 more in venue, genres or organizer, 6 more
in title or artists, and 2 more where it is whole rather than the beginning of another.
"""

from __future__ import annotations

import time
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Final
from weakref import WeakKeyDictionary

from pydantic import Field, StringConstraints

from common.search.spelling import alike, allowed
from common.wire import Wire

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Iterator

    from common.listings.index import ListingIndex

MOST_WORDS: Final = 8
MOST_ALTERNATIVES: Final = 3
FoldedWord = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]+$")]
# A word that so few events have may be the misspelling of one that many have.
FEW: Final = 2
MANY: Final = 10
ANYWHERE: Final = 1
COLUMNS: Final = (("title artists", 6), ("venue genres organizer", 3))
WHOLE: Final = 2
SHORTEST_BEGINNING: Final = 2
# The words that misspelt ones are compared with may be as old as this; a word that is typed right is found at once.
WORDS_KEPT_S: Final = 5.0


class Term(Wire):
    """A word of the query as it is looked for: any of `meant` is enough; none means that no event has it."""

    typed: FoldedWord
    meant: Annotated[tuple[FoldedWord, ...], Field(max_length=1 + MOST_ALTERNATIVES)] = ()
    is_beginning: bool = False

    @property
    def is_corrected(self) -> bool:
        return bool(self.meant) and self.meant != (self.typed,)

    def expression(self) -> str:
        """For FTS5; words are letters and digits alone, and quoted."""
        end = "*" if self.is_beginning else ""
        return "(" + " OR ".join(f'"{word}"{end}' for word in self.meant) + ")"


@dataclass(frozen=True)
class _Kept:
    version: int
    read_at: float
    # By their length: a misspelt word is as long as the right one, or nearly.
    words: dict[int, dict[str, int]]


_kept: WeakKeyDictionary[ListingIndex, _Kept] = WeakKeyDictionary()


def terms(index: ListingIndex, db: sqlite3.Connection, text: str) -> tuple[Term, ...]:
    """The words of a folded text; the last one may be unfinished.

    A word that events have is taken for what it is, unless no event has it together with the others.
    """
    words = tuple(dict.fromkeys(text.split()))[:MOST_WORDS]
    found = tuple(_term(index, db, word, is_last=word == words[-1]) for word in words)
    known = [term for term in found if term.meant]
    if len(known) < 2 or _events(db, _all(known)):
        return found
    wider = tuple(_with_alike(index, db, term) for term in found)
    return wider if _events(db, _all(term for term in wider if term.meant)) else found


def _term(index: ListingIndex, db: sqlite3.Connection, word: str, is_last: bool) -> Term:
    may_go_on = is_last and len(word) >= SHORTEST_BEGINNING
    whole = _events(db, f'"{word}"')
    if whole > FEW or (may_go_on and not whole and _events(db, f'"{word}"*')):
        return Term(typed=word, meant=(word,), is_beginning=may_go_on)
    near = sorted(_alike(index, db, word))
    if whole:
        near = [each for each in near if each[0] == 1 and -each[1] >= MANY]
    meant = tuple(found for _, _, found in near[:MOST_ALTERNATIVES])
    is_beginning = may_go_on and bool(whole) and not meant
    return Term(typed=word, meant=(word, *meant) if whole else meant, is_beginning=is_beginning)


def _with_alike(index: ListingIndex, db: sqlite3.Connection, term: Term) -> Term:
    near = [found for _, _, found in sorted(_alike(index, db, term.typed))[:MOST_ALTERNATIVES]]
    return term.model_copy(update={"meant": tuple(dict.fromkeys((*term.meant, *near)))})


def _all(words: Iterable[Term]) -> str:
    return " AND ".join(word.expression() for word in words)


def _events(db: sqlite3.Connection, expression: str) -> int:
    """How many events have it, as far as that matters."""
    found = db.execute("SELECT rowid FROM texts WHERE texts MATCH ? LIMIT ?", (expression, FEW + 1))
    return len(found.fetchall())


def _alike(index: ListingIndex, db: sqlite3.Connection, word: str) -> Iterator[tuple[int, int, str]]:
    """Other words of the index, as (distance, events that have it below zero, word)."""
    kept = _kept.get(index)
    if kept is None or (kept.version != index.version and time.monotonic() - kept.read_at > WORDS_KEPT_S):
        words: dict[int, dict[str, int]] = defaultdict(dict)
        for known, events in db.execute("SELECT word, events FROM words"):
            words[len(known)][known] = events
        kept = _kept[index] = _Kept(index.version, time.monotonic(), words)
    for length in range(len(word) - allowed(word), len(word) + allowed(word) + 1):
        counts = kept.words.get(length, {})
        yield from ((distance, -counts[found], found) for distance, found in alike(word, counts) if found != word)


def hits(words: Iterable[Term], any_word: bool) -> tuple[str, list[str | int]]:
    """SQL for (id, points) of the events that have all of the words, or any; and its parameters."""
    parts = list(_parts(tuple(words), any_word))
    union = " UNION ALL ".join(["SELECT rowid AS id, ? AS points FROM texts WHERE texts MATCH ?"] * len(parts))
    parameters: list[str | int] = [value for part in parts for value in part]
    return f"SELECT id, SUM(points) AS points FROM ({union}) GROUP BY id", parameters  # noqa: S608


def _parts(words: tuple[Term, ...], any_word: bool) -> Iterator[tuple[int, str]]:
    fitting = " OR ".join(word.expression() for word in words) if any_word else _all(words)
    if any_word:
        yield from ((ANYWHERE, word.expression()) for word in words)
    else:
        yield ANYWHERE * len(words), fitting
    for word in words:
        yield from ((points, f"({{{names}}} : {word.expression()}) AND ({fitting})") for names, points in COLUMNS)
        if word.is_beginning:
            yield WHOLE, f'"{word.typed}" AND ({fitting})'
