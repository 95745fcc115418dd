"""An event in a list: one shape for feeds, searches and the pages of venues, artists, organizers and tours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from common.events.schemas import Venue
from common.listings.schemas import Listing
from common.money import Currency, Money
from common.wire import UtcDatetime, Wire

if TYPE_CHECKING:
    from datetime import datetime

HUNDREDTHS: Final = 2


class ListingCard(Wire):
    """An event in a list. `minPrice` is the lowest price now; `available` is false once nothing can be held.

    `ratingAverage`, from 1 to 5, comes with the first review.
    """

    event_id: str
    org_id: str
    org_name: str
    title: str
    slug: str
    summary: str
    starts_at: UtcDatetime
    ends_at: UtcDatetime
    timezone: str
    venue: Venue
    venue_id: str
    genres: tuple[str, ...]
    artists: tuple[str, ...]
    artist_ids: tuple[str, ...]
    tour_id: str | None = None
    age_restriction: int
    min_price: Money
    currency: Currency
    available: bool
    image_url: str | None = None
    attendees: int
    going: int
    interested: int
    rating_average: float | None = None
    rating_count: int


SHARED: Final = ListingCard.model_fields.keys() & Listing.model_fields.keys()


def card(listing: Listing, now: datetime) -> ListingCard:
    """The listing as people see it in a list."""
    return ListingCard(**card_fields(listing, now))


def card_fields(listing: Listing, now: datetime) -> dict[str, Any]:
    """What every card has, for lists that show more beside it."""
    return {name: getattr(listing, name) for name in SHARED} | {
        "min_price": Money(amount_minor=listing.lowest_price_minor(now), currency=listing.currency),
        "going": listing.interest.going,
        "interested": listing.interest.interested,
        "rating_average": average(listing.rating_sum, listing.rating_count),
    }


def average(total: int, count: int) -> float | None:
    """The average rating to two decimals, None before the first review."""
    return round(total / count, HUNDREDTHS) if count else None
