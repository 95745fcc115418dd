"""A search from its words to its page."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Final

from pydantic import Field, ValidationError

from common.errors import InvalidCursor
from common.geo import Point
from common.listings import index as listing_index
from common.listings.cards import card
from common.paging import decode_cursor, encode_cursor
from common.search import names, query_parser, suggestions
from common.search import ranking as event_ranking
from common.search import rules as search_rules
from common.search.gazetteer import ListingGazetteer
from common.search.ranking import Position
from common.search.schemas import (
    Correction,
    FoundAll,
    FoundEvents,
    Interpretation,
    SearchQuery,
    Suggestions,
)
from common.search.text_search import MOST_WORDS, Term, terms
from common.text import fold
from common.wire import Wire

if TYPE_CHECKING:
    import sqlite3

    from common.listings.index import ListingIndex
    from common.search.ranking import Found
    from common.search.schemas import Relaxation, SearchAllQuery, SuggestionQuery

LATEST: Final = int(datetime(9000, 1, 1, tzinfo=UTC).timestamp())


async def find_events(query: SearchQuery, now: datetime) -> FoundEvents:
    """The page of events that the query asks for."""
    index = await listing_index.current()
    return await index.ask(lambda db: events_page(index, db, query, now))


async def find_all(query: SearchAllQuery, now: datetime) -> FoundAll:
    """Events, venues and artists by the same words."""
    index = await listing_index.current()

    def answer(db: sqlite3.Connection) -> FoundAll:
        asked = SearchQuery(q=query.q, latitude=query.latitude, longitude=query.longitude, limit=query.limit)
        page = events_page(index, db, asked, now)
        words = terms(index, db, page.interpretation.text or fold(query.q))
        return FoundAll(
            interpretation=page.interpretation,
            relaxed=page.relaxed,
            corrections=page.corrections,
            events=page.items,
            venues=names.venues(db, words, query.limit),
            artists=names.artists(db, words, query.limit),
        )

    return await index.ask(answer)


async def suggest(query: SuggestionQuery) -> Suggestions:
    """What the words typed so far may become."""
    index = await listing_index.current()
    return await index.ask(lambda db: Suggestions(items=suggestions.of(index, db, query.q, query.limit)))


class Basis(Wire):
    """What the first page understood, and when: the others are pages of the same list, whatever changes meanwhile."""

    as_of: Annotated[int, Field(ge=0, le=LATEST)]
    filters: Interpretation
    words: Annotated[tuple[Term, ...], Field(max_length=MOST_WORDS)]
    # How many wishes were left out until something was found.
    level: Annotated[int, Field(ge=0)] = 0


def events_page(index: ListingIndex, db: sqlite3.Connection, query: SearchQuery, now: datetime) -> FoundEvents:
    """The page, from the tables as they are."""
    question = "search " + query.model_dump_json(exclude={"cursor", "limit"})
    if query.cursor is None:
        basis, after = _understood(index, db, query, now), None
    else:
        basis, after = _continued(query.cursor, question)
    wishes = list(search_rules.wishes(basis.filters, basis.words, query))
    if after and basis.level >= len(wishes):
        raise InvalidCursor
    relaxed: tuple[Relaxation, ...] = ()
    found: list[Found] = []
    for level in (basis.level,) if after else range(len(wishes)):
        as_of = datetime.fromtimestamp(basis.as_of, UTC)
        if found := event_ranking.events(db, wishes[level][1], as_of, now, after, query.limit + 1):
            relaxed, basis = wishes[level][0], basis.model_copy(update={"level": level})
            break
    shown = found[: query.limit]
    return FoundEvents(
        items=tuple(card(each.listing, now) for each in shown),
        next_cursor=_cursor(question, basis, shown[-1]) if len(found) > query.limit else None,
        interpretation=basis.filters,
        relaxed=relaxed,
        corrections=tuple(Correction(typed=each.typed, used=each.meant) for each in basis.words if each.is_corrected),
    )


def _understood(index: ListingIndex, db: sqlite3.Connection, query: SearchQuery, now: datetime) -> Basis:
    at = now.replace(microsecond=0)
    here = None if query.latitude is None or query.longitude is None else Point(query.latitude, query.longitude)
    gazetteer = ListingGazetteer(db, here)
    understood = query_parser.parse(query.q, at, gazetteer.timezone(query.city), gazetteer, here)
    filters = search_rules.overridden(understood, query)
    return Basis(as_of=int(at.timestamp()), filters=filters, words=terms(index, db, filters.text))


def _cursor(question: str, basis: Basis, last: Found) -> str:
    return encode_cursor(
        question, basis.model_dump_json(by_alias=True, exclude_defaults=True), last.score, last.event_id
    )


def _continued(cursor: str, question: str) -> tuple[Basis, Position]:
    basis, score, event_id = decode_cursor(cursor, question, str, float, str)
    try:
        return Basis.model_validate_json(str(basis), by_alias=True), Position(float(score), str(event_id))
    except ValidationError:
        raise InvalidCursor from None
