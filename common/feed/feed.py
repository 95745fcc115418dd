"""A page of the feed, from the listings in this process's memory and what is known of the visitor."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from common.accounts import store as accounts
from common.errors import InvalidCursor
from common.feed import candidates as feed_candidates
from common.feed.cards import Shown, cards
from common.feed.facets import facets_of
from common.feed.filters import (
    Kind,
    Moment,
    Visitor,
    matching,
    place_of,
    priced,
    radius_of,
    seconds,
)
from common.feed.orders import DISTANCE_KINDS, is_ranked, nearest, order_of
from common.feed.ranking import MOST_SERVED, Ranking
from common.feed.schemas import FeedPage
from common.ids import fingerprint
from common.paging import decode_cursor, encode_cursor
from common.social import store as social
from common.text import fold

if TYPE_CHECKING:
    from collections.abc import Sequence

    from common.feed.filters import Matching
    from common.feed.orders import Position, Row
    from common.feed.ranking import Suitor
    from common.feed.schemas import FeedQuery
    from common.listings.index import ListingIndex
    from common.tokens import Caller

# Clocks of two instances differ: a cursor may come from one that is ahead.
CLOCKS_DIFFER_BY: Final = timedelta(minutes=1)
LARGEST_INTEGER: Final = 2**63 - 1
# Of an event that was shown, in the cursor of an order that may change between two pages.
MARK: Final = 8


@dataclass(frozen=True)
class Cursor:
    """Where a page begins: since when the pages are, in which currency they compare prices, and the position."""

    as_of: datetime
    currency: str
    position: Position


async def visitor_of(caller: Caller | None, asked: FeedQuery) -> Visitor:
    """What is known of the caller: one document, and the profile where it decides something."""
    if caller is None:
        return Visitor()
    if not is_ranked(asked):
        return Visitor(caller.user_id, await social.taste_of(caller.user_id))
    taste, profile = await asyncio.gather(social.taste_of(caller.user_id), accounts.profile(caller.user_id))
    if profile is None:
        return Visitor(caller.user_id, taste)
    return Visitor(caller.user_id, taste, profile.music_preferences, fold(profile.city or ""))


def feed_page(index: ListingIndex, asked: FeedQuery, visitor: Visitor, now: datetime) -> FeedPage:
    """The page of the question; facets come with the first one, which has no cursor."""
    cursor = _cursor(asked, visitor, now)
    moment = Moment(now, cursor.as_of if cursor else now)
    fitting = matching(index.db, asked, visitor, moment)
    facets = None if cursor else facets_of(fitting, asked, visitor.user_id)
    common = cursor.currency if cursor else ""
    if facets and facets.price:
        common = facets.price.currency
    fitting = priced(fitting, asked, common)
    after = cursor.position if cursor else None
    if is_ranked(asked):
        shown, position = _ranked(fitting, asked, visitor, moment, after)
    else:
        shown, position = _ordered(fitting, asked, visitor, after)
    items = cards(fitting.db, shown, visitor, place_of(asked), now)
    following = position and encode_cursor(_question(asked, visitor), seconds(moment.as_of), common, *position)
    return FeedPage(items=items, next_cursor=following, facets=facets)


def _ordered(
    fitting: Matching, asked: FeedQuery, visitor: Visitor, after: Position | None
) -> tuple[Sequence[Shown], Position | None]:
    """The rows after the position, and that of the last of them if there are more."""
    rows = _rows(fitting, asked, after, asked.limit + 1)
    page = rows[: asked.limit]
    followed = feed_candidates.whom_followed(fitting.db, [row.id for row in page], visitor.taste)
    shown = [Shown(row.id, tuple(sorted(followed.get(row.id, ())))) for row in page]
    return shown, page[-1].position if len(rows) > len(page) else None


def _rows(fitting: Matching, asked: FeedQuery, after: Position | None, most: int) -> list[Row]:
    order = order_of(asked)
    if order is not None:
        return order.rows(fitting, after, most)
    place, radius = place_of(asked), radius_of(asked)
    if place is None or radius is None:
        raise ValueError("an order by distance needs a place")
    return nearest(fitting.without(Kind.RADIUS), place, radius, after, most)


def _ranked(
    fitting: Matching, asked: FeedQuery, visitor: Visitor, moment: Moment, after: Position | None
) -> tuple[Sequence[Shown], Position | None]:
    """The best that were not shown yet, at most fifty in all. The cursor marks those that were: whatever became of an
    event between two pages, none comes twice, and none is passed over for one that came between."""
    marks = str(after[0]) if after else ""
    marked = {marks[start : start + MARK] for start in range(0, len(marks), MARK)}
    wishes = feed_candidates.wishes_of(fitting, asked, visitor)
    suitors = feed_candidates.suitors(fitting, visitor, wishes, place_of(asked), seconds(moment.now))
    ranking = Ranking.of(suitors, wishes, seconds(moment.as_of))
    left = [each for each in ranking.best(suitors) if _mark(each) not in marked][: max(0, MOST_SERVED - len(marked))]
    page = [ranking.ranked(each) for each in left[: asked.limit]]
    shown = [Shown(each.suitor.id, each.reasons, each) for each in page]
    return shown, (marks + "".join(_mark(each.suitor) for each in page),) if len(left) > len(page) else None


def _mark(suitor: Suitor) -> str:
    return fingerprint(suitor.event_id.encode())[:MARK]


def _question(asked: FeedQuery, visitor: Visitor) -> str:
    """What a cursor belongs to: the visitor and every filter, but not the size of the page."""
    return f"feed {visitor.user_id} {asked.model_dump_json(exclude={'cursor', 'limit'})}"


def _cursor(asked: FeedQuery, visitor: Visitor, now: datetime) -> Cursor | None:
    if asked.cursor is None:
        return None
    order = order_of(asked)
    kinds = (str,) if is_ranked(asked) else order.kinds if order else DISTANCE_KINDS
    as_of, currency, *position = decode_cursor(asked.cursor, _question(asked, visitor), int, str, *kinds)
    # What is well formed may still be no position in any table.
    texts = [value for value in (currency, *position) if isinstance(value, str)]
    numbers = [value for value in position if isinstance(value, int)]
    if not all(text.isascii() for text in texts) or not all(abs(each) <= LARGEST_INTEGER for each in numbers):
        raise InvalidCursor
    if not 0 <= int(as_of) <= seconds(now + CLOCKS_DIFFER_BY):
        raise InvalidCursor
    return Cursor(datetime.fromtimestamp(int(as_of), UTC), str(currency), tuple(position))
