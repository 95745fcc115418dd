"""What somebody who is still typing may mean: genres, cities, artists, venues and events."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from common.search.query_words import vocabulary
from common.search.schemas import Suggestion, SuggestionKind
from common.search.text_search import SHORTEST_BEGINNING, terms
from common.text import fold

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator

    from common.listings.index import ListingIndex

CITIES: Final = (
    "SELECT MIN(city) FROM venues GROUP BY city_key HAVING city_key GLOB ? ORDER BY SUM(upcoming) DESC, city_key"
)
ARTISTS: Final = """
SELECT p.name, p.artist_id, NULL FROM performer_texts t JOIN performers p ON p.id = t.rowid
WHERE performer_texts MATCH ? ORDER BY p.upcoming DESC, p.artist_id LIMIT ?
"""
VENUES: Final = """
SELECT v.name, v.venue_id, v.city FROM venue_texts t JOIN venues v ON v.id = t.rowid
WHERE venue_texts MATCH ? ORDER BY v.upcoming DESC, v.venue_id LIMIT ?
"""
EVENTS: Final = """
SELECT json_extract(d.document, '$.title'), best.event_id, json_extract(d.document, '$.venue.city')
FROM (
    SELECT l.id AS id, l.event_id AS event_id FROM texts t JOIN facts l ON l.id = t.rowid WHERE texts MATCH ?
    ORDER BY l.standing DESC, l.starts_at, l.event_id LIMIT ?
) best JOIN documents d ON d.id = best.id
"""


def of(index: ListingIndex, db: sqlite3.Connection, typed: str, limit: int) -> tuple[Suggestion, ...]:
    """At most so many, first those that begin with what was typed; no kind has more than half of the places."""
    text = fold(typed)
    most = (limit + 1) // 2
    found = [*_genres(db, text, most), *_cities(db, text, most), *_named(index, db, text, most)] if text else []
    return tuple(sorted(found, key=lambda each: not fold(each.text).startswith(text))[:limit])


def _genres(db: sqlite3.Connection, text: str, most: int) -> list[Suggestion]:
    meant = {genre for words, genre in vocabulary().genres.items() if " ".join(words).startswith(text)}
    held = [genre for genre in sorted(meant) if db.execute("SELECT 1 FROM genres WHERE genre = ?", (genre,)).fetchone()]
    return [Suggestion(kind=SuggestionKind.GENRE, text=genre) for genre in held[:most]]


def _cities(db: sqlite3.Connection, text: str, most: int) -> list[Suggestion]:
    beginning = db.execute(CITIES, (f"{text}*",)).fetchall()
    return [Suggestion(kind=SuggestionKind.CITY, text=name) for (name,) in beginning[:most]]


def _named(index: ListingIndex, db: sqlite3.Connection, text: str, most: int) -> Iterator[Suggestion]:
    words = terms(index, db, text)
    last = words[-1].model_copy(update={"is_beginning": True, "meant": words[-1].meant or (words[-1].typed,)})
    asked = " AND ".join(each.expression() for each in (*words[:-1], last) if each.meant)
    questions = {
        SuggestionKind.ARTIST: (ARTISTS, asked),
        SuggestionKind.VENUE: (VENUES, f"name : ({asked})"),
        # So many titles share their first letter that it tells nothing.
        SuggestionKind.EVENT: (EVENTS, f"title : ({asked})" if len(text) >= SHORTEST_BEGINNING else None),
    }
    for kind, (question, expression) in questions.items():
        for name, id_, city in db.execute(question, (expression, most)) if expression else ():
            yield Suggestion(kind=kind, text=name, id=id_, city=city)
