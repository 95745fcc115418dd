"""The events of a venue, artist, organizer or tour: what is to come from memory, what is over from Firestore."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from pydantic import TypeAdapter, ValidationError

from common import clients
from common.aggregation import count_of, sums
from common.catalogue.schemas import Rating
from common.errors import InvalidCursor
from common.listings import index as listing_index
from common.listings.cards import ListingCard, average, card
from common.listings.schemas import Listing
from common.listings.store import LISTINGS
from common.paging import Page, decode_cursor, encode_cursor
from common.wire import Opaque, UtcDatetime

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from common.catalogue.kinds import Kind
    from common.catalogue.schemas import EventsQuery, When

# A moment and an event's id: a place between any two events, whichever come or go meanwhile.
Position = tuple[UtcDatetime, Opaque]
# The plus keeps the database from walking through every event by its start: those of one kind's own are few.
UPCOMING: Final = """
SELECT document FROM listings WHERE {} AND +ends_at > ? AND (+starts_at, event_id) > (?, ?)
ORDER BY +starts_at, event_id LIMIT ?
"""
POSITION: Final = TypeAdapter[Position](Position)


async def page(kind: Kind, id_: str, query: EventsQuery, now: datetime) -> Page[ListingCard]:
    """A page of cards."""
    after = _position(query.cursor, _name(id_, query.when))
    find = upcoming if query.when == "upcoming" else past
    return page_of(await find(kind, id_, now, query.limit + 1, after), id_, query, now)


def page_of(found: Sequence[Listing], id_: str, query: EventsQuery, now: datetime) -> Page[ListingCard]:
    """The page that begins with these listings."""
    shown, cursor = found[: query.limit], None
    if len(found) > query.limit:
        moment = shown[-1].starts_at if query.when == "upcoming" else shown[-1].ends_at
        cursor = encode_cursor(_name(id_, query.when), moment.isoformat(), shown[-1].event_id)
    return Page(items=tuple(card(each, now) for each in shown), next_cursor=cursor)


async def upcoming(
    kind: Kind, id_: str, now: datetime, limit: int, after: Position | None = None
) -> tuple[Listing, ...]:
    """The listings of events that are not over, soonest first; no more than two seconds old."""
    index = await listing_index.current()
    moment, event_id = (int(after[0].timestamp()), after[1]) if after else (0, "")
    rows = index.db.execute(UPCOMING.format(kind.sql), (id_, int(now.timestamp()), moment, event_id, limit))
    return tuple(Listing.model_validate_json(document) for (document,) in rows.fetchall())


async def past(kind: Kind, id_: str, now: datetime, limit: int, after: Position | None = None) -> tuple[Listing, ...]:
    """The listings of events that are over, latest first."""
    query = _past(kind, id_, now).limit(limit)
    if after is not None:
        query = query.start_after({"endsAt": after[0], "eventId": after[1]})
    return tuple(Listing.of(each.to_dict()) for each in await query.get())


async def count_past(kind: Kind, id_: str, now: datetime) -> int:
    """How many events are over; one read for each thousand of them, one at least."""
    return await count_of(_past(kind, id_, now))


async def rating(kind: Kind, id_: str) -> Rating | None:
    """The average over the reviews of all its events, None before the first."""
    # Apart from the count: a sum passes over the listings that have no reviews yet, and a count beside it would too.
    of = await sums(_listed(kind, id_), "ratingCount", "ratingSum")
    mean = average(of["ratingSum"], of["ratingCount"])
    return Rating(average=mean, count=of["ratingCount"]) if mean is not None else None


def _listed(kind: Kind, id_: str) -> Any:
    from google.cloud.firestore import FieldFilter

    return (
        clients.firestore()
        .collection(LISTINGS)
        .where(filter=FieldFilter(kind.field, "array_contains" if kind.several else "==", id_))
        .where(filter=FieldFilter("listed", "==", True))
    )


def _past(kind: Kind, id_: str, now: datetime) -> Any:
    """One order for pages and counts, so that one index serves both."""
    from google.cloud.firestore import FieldFilter, Query

    return (
        _listed(kind, id_)
        .where(filter=FieldFilter("endsAt", "<=", now))
        .order_by("endsAt", direction=Query.DESCENDING)
        .order_by("eventId", direction=Query.DESCENDING)
    )


def _name(id_: str, when: When) -> str:
    return f"{when} events of {id_}"


def _position(cursor: str | None, name: str) -> Position | None:
    if cursor is None:
        return None
    try:
        return POSITION.validate_python(decode_cursor(cursor, name, str, str))
    except ValidationError:
        raise InvalidCursor from None
