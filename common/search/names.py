"""Venues and artists by the words of their names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from common.search.schemas import FoundArtist, FoundVenue

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Iterator

    from common.search.text_search import Term

VENUES: Final = """
SELECT v.venue_id, v.name, v.address, v.city, v.latitude, v.longitude, v.upcoming
FROM venue_texts t JOIN venues v ON v.id = t.rowid WHERE venue_texts MATCH :words
ORDER BY v.id IN (SELECT rowid FROM venue_texts WHERE venue_texts MATCH :named) DESC, v.upcoming DESC, v.venue_id
LIMIT :limit
"""
ARTISTS: Final = """
SELECT p.artist_id, p.name, p.upcoming FROM performer_texts t JOIN performers p ON p.id = t.rowid
WHERE performer_texts MATCH :words ORDER BY p.upcoming DESC, p.artist_id LIMIT :limit
"""


def venues(db: sqlite3.Connection, words: Iterable[Term], limit: int) -> tuple[FoundVenue, ...]:
    """Those with all of the words in name, address or city, by name first; else those with any."""
    for asked in _asked(words):
        named = {"words": asked, "named": f"name : ({asked})", "limit": limit}
        if rows := db.execute(VENUES, named).fetchall():
            return tuple(FoundVenue(**dict(zip(FoundVenue.model_fields, row, strict=True))) for row in rows)
    return ()


def artists(db: sqlite3.Connection, words: Iterable[Term], limit: int) -> tuple[FoundArtist, ...]:
    """Those with all of the words in their name, else those with any."""
    for asked in _asked(words):
        if rows := db.execute(ARTISTS, {"words": asked, "limit": limit}).fetchall():
            return tuple(FoundArtist(**dict(zip(FoundArtist.model_fields, row, strict=True))) for row in rows)
    return ()


def _asked(words: Iterable[Term]) -> Iterator[str]:
    known = [word.expression() for word in words if word.meant]
    if known:
        yield " AND ".join(known)
    if len(known) > 1:
        yield " OR ".join(known)
