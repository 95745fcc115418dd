"""Listings as cards of the feed, with the reasons for which somebody sees them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final, NamedTuple

from common.catalogue.genres import with_ancestors
from common.catalogue.rules import artist_id
from common.feed.schemas import FeedItem, Reason, ReasonCode
from common.geo import Point, distance_km
from common.listings.cards import card_fields
from common.listings.schemas import Listing

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from common.feed.filters import Visitor
    from common.feed.ranking import Ranked

METRES: Final = 3
HUNDREDTHS: Final = 2
WITHIN: Final = ((timedelta(days=1), "a day"), (timedelta(days=7), "a week"), (timedelta(days=14), "two weeks"))


@dataclass(frozen=True)
class Shown:
    """A listing of the page, why it is there, and how it was ranked, if it was."""

    id: int
    reasons: tuple[ReasonCode, ...]
    ranked: Ranked | None = None


def cards(
    db: sqlite3.Connection, shown: Sequence[Shown], visitor: Visitor, place: Point | None, now: datetime
) -> tuple[FeedItem, ...]:
    """The cards of these listings, in this order."""
    wanted = json.dumps([each.id for each in shown])
    found = "SELECT id, document FROM listings WHERE id IN (SELECT value FROM json_each(?))"
    listings = {id: Listing.model_validate_json(document) for id, document in db.execute(found, (wanted,))}
    return tuple(_card(listings[each.id], each, visitor, place, now) for each in shown)


def _card(listing: Listing, shown: Shown, visitor: Visitor, place: Point | None, now: datetime) -> FeedItem:
    venue, ranked = listing.venue, shown.ranked
    distance = None if place is None else distance_km(place, Point(venue.latitude, venue.longitude))
    told = _Told(listing, visitor, distance, now)
    return FeedItem(
        **card_fields(listing, now),
        distance_km=None if distance is None else round(distance, METRES),
        reasons=tuple(Reason(code=code, text=_TEXTS[code](told)) for code in shown.reasons),
        score=ranked and round(ranked.score, 4),
        confidence=ranked and round(ranked.confidence, HUNDREDTHS),
    )


class _Told(NamedTuple):
    """What a reason speaks of."""

    listing: Listing
    visitor: Visitor
    distance: float | None
    now: datetime


_TEXTS: Final[dict[ReasonCode, Callable[[_Told], str]]] = {
    ReasonCode.FOLLOWED_ARTIST: lambda of: f"With {_followed_artist(of.listing, of.visitor)}, whom you follow",
    ReasonCode.FOLLOWED_VENUE: lambda of: f"At {of.listing.venue.name}, which you follow",
    ReasonCode.FOLLOWED_ORGANIZER: lambda of: f"By {of.listing.org_name}, whom you follow",
    ReasonCode.GENRE: lambda of: f"Because you like {_liked_genre(of.listing, of.visitor)}",
    ReasonCode.NEAR_YOU: lambda of: _where(of.listing, of.distance),
    ReasonCode.POPULAR: lambda of: f"Liked, wanted or visited by {_people(of.listing)}",
    ReasonCode.SOON: lambda of: _when(of.listing.starts_at - of.now),
    ReasonCode.GOOD_PRICE: lambda of: (
        "Costs no more than most" if of.listing.lowest_price_minor(of.now) else "Free entry"
    ),
    ReasonCode.NEW: lambda of: "Announced within the last day",
}


def _where(listing: Listing, distance: float | None) -> str:
    return f"In {listing.venue.city}" if distance is None else f"{distance:.1f} km from you"


def _people(listing: Listing) -> str:
    interest = listing.interest
    count = listing.attendees + interest.going + interest.interested + interest.liked
    return f"{count} people" if count != 1 else "one person"


def _when(until: timedelta) -> str:
    if until <= timedelta():
        return "On now"
    return next((f"Starts within {words}" for reach, words in WITHIN if until <= reach), "Starts within a month")


def _followed_artist(listing: Listing, visitor: Visitor) -> str:
    followed = set(visitor.taste.artist_ids)
    names = zip(listing.artists, map(artist_id, listing.artists), strict=True)
    return next((name for name, id in names if id in followed), listing.org_name)


def _liked_genre(listing: Listing, visitor: Visitor) -> str:
    """The preferred genre that the event is of, else the one that it is related to."""
    of = {each for genre in listing.genres for each in with_ancestors(genre)}
    related = (genre for genre in visitor.genres if of.intersection(with_ancestors(genre)))
    return next((genre for genre in visitor.genres if genre in of), next(related, ""))
