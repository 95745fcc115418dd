"""The shape of a listing: an event as lists, filters and searches see it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from common.events.schemas import PriceUntil, Venue, price_at
from common.money import Currency
from common.wire import Record, UtcDatetime

if TYPE_CHECKING:
    from datetime import datetime


class InterestCounts(Record):
    """How many people did what with an event; exact a few seconds after the last of them."""

    viewed: int = 0
    liked: int = 0
    shared: int = 0
    interested: int = 0
    going: int = 0
    not_interested: int = 0


class Listing(Record):
    """listings/{eventId}: all that lists, filters and searches need of an event.

    Each group of fields has one writer: `refresh_listing` what the organizer says, others the counts. It stays, with
    `listed` false, when the event may no longer be shown, so that whoever copies listings learns of it.
    """

    event_id: str
    listed: bool
    org_id: str
    org_name: str
    title: str
    summary: str
    slug: str
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
    currency: Currency
    country: str
    min_price_minor: int
    min_prices: tuple[PriceUntil, ...] = ()
    image_url: str | None = None
    published_at: UtcDatetime
    # Of the event that this was written from: an older one never replaces a newer one.
    event_updated_at: UtcDatetime
    # False once nothing of it can be held.
    available: bool = True
    attendees: int = 0
    interest: InterestCounts = InterestCounts()
    posts: int = 0
    rating_count: int = 0
    rating_sum: int = 0
    # Orders events by what is popular now. It decays by comparison alone, so it changes only when something happens.
    trending: float = 0.0
    # How much of what happened is in `trending`.
    weighed: int = 0

    def lowest_price_minor(self, now: datetime) -> int:
        """The lowest price that holds now."""
        return price_at(now, self.min_prices, self.min_price_minor)
