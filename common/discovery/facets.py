"""What there is to choose from in a feed: genres with counts, prices and dates, each over what the other filters leave.

Counting a big city costs more than the page it comes with. What was counted is kept for half a minute.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from common.catalogue.genres import tree
from common.discovery.feed_filters import Condition, Kind
from common.discovery.feed_schemas import DateFacet, Facets, GenreFacet, PriceFacet
from common.memory import Memory
from common.money import Money

if TYPE_CHECKING:
    from common.discovery.feed_filters import Matching
    from common.discovery.feed_schemas import FeedQuery

KEPT_FOR_S: Final = 30.0
MOST_GENRES: Final = 100
kept = Memory[Facets](KEPT_FOR_S)


def facets_of(fitting: Matching, asked: FeedQuery, user_id: str) -> Facets:
    """The facets of the question, whatever the visitor has hidden and in whatever order."""
    whose = user_id if Kind.FOLLOWED in fitting.conditions else ""
    key = f"{whose} {asked.model_dump_json(exclude={'cursor', 'limit', 'sort'})}"
    known = kept.recall(key)
    if known is None:
        known = _counted(fitting.without(Kind.HIDDEN), asked.currency)
        kept.keep(key, known)
    return known


def _counted(fitting: Matching, currency: str | None) -> Facets:
    return Facets(
        genres=_genres(fitting.without(Kind.GENRES)),
        price=_prices(fitting.without(Kind.PRICE, Kind.FREE), currency),
        dates=_dates(fitting.without(Kind.DATES)),
    )


def _genres(fitting: Matching) -> tuple[GenreFacet, ...]:
    """The most common first. Named in this order, SQLite looks genres up for what fits, not the reverse."""
    known = tree()
    counts = "GROUP BY genre ORDER BY count(*) DESC, genre LIMIT ?"
    found = fitting.select("genre, count(*)", counts, MOST_GENRES, join="CROSS JOIN genres ON genres.id = listings.id")
    return tuple(
        GenreFacet(genre=genre, parent=known[genre].parent, colour=known[genre].colour, count=count)
        if genre in known
        else GenreFacet(genre=genre, count=count)
        for genre, count in found
    )


def _prices(fitting: Matching, currency: str | None) -> PriceFacet | None:
    if currency is not None:
        fitting = fitting.narrowed(Kind.PRICE, Condition("currency = ?", (currency,)))
    ranges = "currency, min(price), max(price)"
    most = fitting.select(ranges, "GROUP BY currency ORDER BY count(*) DESC, currency LIMIT 1")
    if not most:
        return None
    ((common, low, high),) = most
    lowest, highest = (Money(amount_minor=price, currency=common) for price in (low, high))
    return PriceFacet(min=lowest, max=highest, currency=common)


def _dates(fitting: Matching) -> DateFacet | None:
    ((first, last),) = fitting.select("min(starts_at), max(starts_at)", "")
    if first is None:
        return None
    return DateFacet(from_=datetime.fromtimestamp(first, UTC), to=datetime.fromtimestamp(last, UTC))
