"""What stands when words and parameters disagree, and what goes first when nothing fulfils all wishes.

Parameters stand above the words. Wishes are left out one after another, in the order of `Relaxation`, until something
is found: words that no event has, nearness, dates, price, the genre for the one above it, then all genres, the city,
and at last any of the words is enough. What came as a parameter, an age and "available" stay, and a search never
becomes one for everything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from common.catalogue.genres import with_ancestors
from common.search.query_words import vocabulary
from common.search.ranking import Wish
from common.search.schemas import Interpretation, Place, Relaxation
from common.text import fold

if TYPE_CHECKING:
    from collections.abc import Iterator

    from common.search.schemas import SearchQuery
    from common.search.text_search import Term

NO_DATES: Final[dict[str, Any]] = {"from_": None, "to": None, "running": False, "when": None}
NO_PRICE: Final[dict[str, Any]] = {"min_price_minor": None, "max_price_minor": None, "currency": None}
NO_GENRES: Final[dict[str, Any]] = {"genres": (), "mood": None}


def overridden(understood: Interpretation, query: SearchQuery) -> Interpretation:
    """What was understood, with what the parameters say in its place."""
    given: dict[str, Any] = {}
    if query.city is not None:
        given["city"] = vocabulary().city(tuple(fold(query.city).split())) or query.city
    if query.genre is not None:
        given |= {"genres": (query.genre,), "mood": None}
    if query.from_ is not None or query.to is not None:
        given |= NO_DATES | {"from_": query.from_, "to": query.to}
    if query.min_price_minor is not None or query.max_price_minor is not None:
        given |= NO_PRICE | {"min_price_minor": query.min_price_minor, "max_price_minor": query.max_price_minor}
    if query.free:
        given |= NO_PRICE | {"max_price_minor": 0}
    elif query.free is False and understood.max_price_minor == 0:
        given |= NO_PRICE
    if query.available is not None:
        given["available"] = query.available
    if query.radius_km is not None:
        given["near"] = Place(
            name="", latitude=query.latitude or 0, longitude=query.longitude or 0, radius_km=query.radius_km
        )
    return understood.model_copy(update=given)


def wishes(
    filters: Interpretation, words: tuple[Term, ...], query: SearchQuery
) -> Iterator[tuple[tuple[Relaxation, ...], Wish]]:
    """All wishes at once, then ever fewer, each with what it leaves out."""
    if query.q.strip() and not words and not has_filters(filters):
        return  # nothing but signs and pictures: everything would fit, and is no answer
    known = tuple(word for word in words if word.meant)
    left_out = [Relaxation.UNKNOWN_WORDS] if len(known) < len(words) else []
    if not words or known or has_filters(filters):
        yield tuple(left_out), Wish(filters, known)
    for relaxation, change in _relaxations(filters, query).items():
        fewer = filters.model_copy(update=change)
        if fewer == filters:
            continue
        filters = fewer
        left_out.append(relaxation)
        if known or has_filters(filters):
            yield tuple(left_out), Wish(filters, known)
    if len(known) > 1:
        yield (*left_out, Relaxation.ANY_WORD), Wish(filters, known, any_word=True)


def has_filters(filters: Interpretation) -> bool:
    """Whether anything but words is asked for."""
    return filters.model_copy(update={"text": ""}) != Interpretation(timezone=filters.timezone)


def _relaxations(filters: Interpretation, query: SearchQuery) -> dict[Relaxation, dict[str, Any]]:
    """What each changes; nothing where a parameter said so."""
    priced = query.min_price_minor is not None or query.max_price_minor is not None or query.free
    dated = query.from_ is not None or query.to is not None
    above = tuple(dict.fromkeys(with_ancestors(genre)[:2][-1] for genre in filters.genres))
    return {
        Relaxation.NEAR: {} if query.radius_km is not None else {"near": None},
        Relaxation.DATES: {} if dated else NO_DATES,
        Relaxation.PRICE: {} if priced else NO_PRICE,
        Relaxation.SUB_GENRES: {} if query.genre is not None else {"genres": above},
        Relaxation.GENRES: {} if query.genre is not None else NO_GENRES,
        Relaxation.CITY: {} if query.city is not None else {"city": None},
    }
