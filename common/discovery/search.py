"""A search from its words to its page."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from common.discovery import event_ranking, listing_index, names, query_parser, search_rules, suggestions
from common.discovery.event_ranking import Position
from common.discovery.gazetteer import ListingGazetteer
from common.discovery.search_schemas import Correction, FoundAll, FoundEvents, SearchQuery, Suggestions
from common.discovery.text_search import terms
from common.errors import InvalidCursor
from common.geo import Point
from common.paging import decode_cursor, encode_cursor
from common.text import fold

if TYPE_CHECKING:
    import sqlite3

    from common.discovery.event_ranking import Found
    from common.discovery.listing_index import ListingIndex
    from common.discovery.search_schemas import Relaxation, SearchAllQuery, SuggestionQuery

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


def events_page(index: ListingIndex, db: sqlite3.Connection, query: SearchQuery, now: datetime) -> FoundEvents:
    """The page, from the tables as they are. Its cursor has the moment of the first page and how far that relaxed."""
    question = "search " + query.model_dump_json(exclude={"cursor", "limit"})
    as_of, level, after = _position(query, question, now)
    here = None if query.latitude is None or query.longitude is None else Point(query.latitude, query.longitude)
    gazetteer = ListingGazetteer(db, here)
    understood = query_parser.parse(query.q, as_of, gazetteer.timezone(query.city), gazetteer, here)
    filters = search_rules.overridden(understood, query)
    words = terms(index, db, filters.text)
    wishes = list(search_rules.wishes(filters, words, query))
    if level is not None and level >= len(wishes):
        raise InvalidCursor
    relaxed: tuple[Relaxation, ...] = ()
    found: list[Found] = []
    tried = 0
    for tried in range(len(wishes)) if level is None else (level,):
        relaxed, wish = wishes[tried]
        if found := event_ranking.events(db, wish, as_of, now, after, query.limit + 1):
            break
    shown = found[: query.limit]
    following = (int(as_of.timestamp()), tried, *shown[-1][:2]) if len(found) > query.limit else None
    return FoundEvents(
        items=tuple(search_rules.card(each.listing, now) for each in shown),
        next_cursor=encode_cursor(question, *following) if following else None,
        interpretation=filters,
        relaxed=relaxed if found else (),
        corrections=tuple(Correction(typed=each.typed, used=each.meant) for each in words if each.is_corrected),
    )


def _position(query: SearchQuery, question: str, now: datetime) -> tuple[datetime, int | None, Position | None]:
    """The moment, the level and the last event of the page before; of the first page, this moment alone."""
    if query.cursor is None:
        return now.replace(microsecond=0), None, None
    as_of, level, score, event_id = decode_cursor(query.cursor, question, int, int, float, str)
    if not 0 <= int(as_of) <= LATEST or int(level) < 0:
        raise InvalidCursor
    return datetime.fromtimestamp(int(as_of), UTC), int(level), Position(float(score), str(event_id))
