"""What there is to choose from in a feed: genres with counts, prices and dates, each over what the other filters leave.

Counting the genres of a big city costs more than the page it comes with: above 2 500 events an evenly spread sample is
counted, and what was counted is kept for half a minute.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, NamedTuple

from common.catalogue.genres import tree
from common.feed.filters import Condition, Kind, in_currency, priced
from common.feed.schemas import DateFacet, Facets, FeedSort, GenreFacet, PriceFacet
from common.memory import Memory
from common.money import Money

if TYPE_CHECKING:
    from common.feed.filters import Matching
    from common.feed.schemas import FeedQuery

KEPT_FOR_S: Final = 30.0
MOST_GENRES: Final = 100
SAMPLE: Final = 2_500
# Ids count up as events come in: multiplied by 2^32 over the golden ratio, no pattern among these is met by a step.
SCATTERED: Final = "((facts.id * 2654435761 & 4294967295) >> 16)"
kept = Memory[Facets](KEPT_FOR_S)


def facets_of(fitting: Matching, asked: FeedQuery, user_id: str) -> Facets:
    """The facets of the question, whatever the visitor has hidden and in whatever order."""
    whose = user_id if Kind.FOLLOWED in fitting.conditions else ""
    # A place without a radius only measures distances; of the orders only that by price leaves other currencies out.
    asides = {"cursor", "limit", "sort"} | (set() if Kind.RADIUS in fitting.conditions else {"latitude", "longitude"})
    key = f"{whose} {asked.sort is FeedSort.PRICE} {asked.model_dump_json(exclude=asides)}"
    known = kept.recall(key)
    if known is None:
        known = _counted(fitting.without(Kind.HIDDEN), asked)
        kept.keep(key, known)
    return known


def _counted(fitting: Matching, asked: FeedQuery) -> Facets:
    scan = _Scan()
    of_any_price = fitting.without(Kind.FREE)
    if asked.currency is not None:
        of_any_price = of_any_price.narrowed(Kind.CURRENCY, in_currency(asked.currency))
    price = _prices(scan.of(of_any_price))
    fitting = priced(fitting, asked, price.currency if price else None)
    genres, estimated = _genres(fitting.without(Kind.GENRES), scan)
    dates = _dates(scan.of(fitting.without(Kind.DATES)))
    return Facets(genres=genres, genres_estimated=estimated, price=price, dates=dates)


class Range(NamedTuple):
    """Of the events in one currency: how many, their prices and their starts."""

    currency: str
    events: int
    lowest: int
    highest: int
    first: int
    last: int


class _Scan:
    """One look through the events that fit, for each set of filters: mostly no facet has one of its own."""

    def __init__(self) -> None:
        self._known: dict[frozenset[Kind], list[Range]] = {}

    def of(self, fitting: Matching) -> list[Range]:
        """The most common currency first."""
        kinds = frozenset(fitting.conditions)
        if kinds not in self._known:
            columns = "currency, count(*), min(price), max(price), min(starts_at), max(starts_at)"
            found = fitting.select(columns, "GROUP BY currency ORDER BY count(*) DESC, currency")
            self._known[kinds] = [Range(*each) for each in found]
        return self._known[kinds]


def _genres(fitting: Matching, scan: _Scan) -> tuple[tuple[GenreFacet, ...], bool]:
    """The most common first, and whether the counts are estimates."""
    events = sum(each.events for each in scan.of(fitting))
    step = -(-events // SAMPLE) or 1
    if step > 1:
        fitting = fitting.narrowed(Kind.SAMPLE, Condition(f"{SCATTERED} % ? = 0", (step,)))
    counts = "GROUP BY genre ORDER BY count(*) DESC, genre LIMIT ?"
    # Named in this order, SQLite looks genres up for what fits, not the reverse.
    joined = "CROSS JOIN genres ON genres.id = facts.id"
    found = fitting.select("genre, count(*)", counts, MOST_GENRES, join=joined)
    return tuple(_genre(genre, count * step) for genre, count in found), step > 1


def _genre(genre: str, count: int) -> GenreFacet:
    node = tree().get(genre)
    if node is None:
        return GenreFacet(genre=genre, count=count)
    return GenreFacet(genre=genre, parent=node.parent, colour=node.colour, count=count)


def _prices(ranges: list[Range]) -> PriceFacet | None:
    if not ranges:
        return None
    most = ranges[0]
    low, high = (Money(amount_minor=price, currency=most.currency) for price in (most.lowest, most.highest))
    return PriceFacet(min=low, max=high, currency=most.currency)


def _dates(ranges: list[Range]) -> DateFacet | None:
    if not ranges:
        return None
    first, last = min(each.first for each in ranges), max(each.last for each in ranges)
    return DateFacet(from_=datetime.fromtimestamp(first, UTC), to=datetime.fromtimestamp(last, UTC))
