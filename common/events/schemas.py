"""The shapes of events: what organizers send, what is stored, what people see."""

from __future__ import annotations

from enum import StrEnum
from functools import cache
from typing import TYPE_CHECKING, Annotated, Self
from zoneinfo import available_timezones

from pydantic import AfterValidator, ConfigDict, Field, StringConstraints, computed_field, model_validator

from common.money import BASIS_POINTS, Money
from common.wire import Latitude, Longitude, Name, Opaque, Record, UtcDatetime, Wire

if TYPE_CHECKING:
    from datetime import datetime

MOST_TIERS = 20
LARGEST_CAPACITY = 100_000
LARGEST_ORDER = 50
# An order of fifty, with fee and tax, still fits into one amount.
HIGHEST_PRICE_MINOR = 100_000_000


class EventStatus(StrEnum):
    DRAFT = "draft"
    PUBLISHED = "published"
    CANCELLED = "cancelled"
    COMPLETED = "completed"


class Visibility(StrEnum):
    PUBLIC = "public"
    PRIVATE = "private"


@cache
def _timezones() -> frozenset[str]:
    return frozenset(available_timezones())  # walks the file system: 20 ms


def _known_timezone(name: str) -> str:
    if name not in _timezones():
        raise ValueError("not an IANA time zone such as Asia/Kolkata")
    return name


WebAddress = Annotated[str, StringConstraints(pattern=r"^https://[^\s/?#]+\S*$", max_length=2_048)]
Title = Annotated[str, StringConstraints(strip_whitespace=True, min_length=3, max_length=100)]
Description = Annotated[str, StringConstraints(strip_whitespace=True, min_length=10, max_length=5_000)]
Timezone = Annotated[str, AfterValidator(_known_timezone)]
Genre = Annotated[str, StringConstraints(strip_whitespace=True, to_lower=True, min_length=2, max_length=40)]


class Venue(Wire):
    """Where an event takes place; coordinates in degrees (WGS 84)."""

    name: Name
    address: Name
    city: Name
    latitude: Latitude
    longitude: Longitude


class LineupEntry(Wire):
    """An artist on the bill."""

    artist: Name
    starts_at: UtcDatetime | None = None
    headliner: bool = False


class Image(Wire):
    """A picture of an event, with what it shows for those who cannot see it."""

    url: WebAddress
    alt: Annotated[str, StringConstraints(strip_whitespace=True, max_length=300)] = ""


def _affordable(price: Money) -> Money:
    if price.amount_minor > HIGHEST_PRICE_MINOR:
        raise ValueError(f"at most {HIGHEST_PRICE_MINOR} minor units")
    return price


Price = Annotated[Money, AfterValidator(_affordable)]
Capacity = Annotated[int, Field(ge=1, le=LARGEST_CAPACITY)]
PerOrder = Annotated[int, Field(ge=1, le=LARGEST_ORDER)]
PerPerson = Annotated[int, Field(ge=1, le=1_000)]
Benefits = Annotated[tuple[Name, ...], Field(max_length=20)]
# Hundredths of a percent: 1000 is 10 %.
DiscountBasisPoints = Annotated[int, Field(ge=1, le=BASIS_POINTS)]


class PriceStep(Wire):
    """A price that holds until a time (early bird), until so many units are held or sold, or until either."""

    price: Price
    until: UtcDatetime | None = None
    until_sold: Capacity | None = None

    @model_validator(mode="after")
    def _ends(self) -> Self:
        if self.until is None and self.until_sold is None:
            raise ValueError("a step ends at a time (until) or at a number of units (untilSold)")
        return self


PriceSteps = Annotated[tuple[PriceStep, ...], Field(max_length=10)]


class GroupDiscount(Wire):
    """What whoever takes at least `minQuantity` units of a tier in one order saves on them, in basis points."""

    min_quantity: Annotated[int, Field(ge=2, le=LARGEST_ORDER)]
    basis_points: DiscountBasisPoints


class TierFields(Wire):
    """What an organizer says of a ticket tier. The first of `priceSteps` that still holds is the price, else `price`.

    `originalPrice` is only shown, struck through.
    """

    name: Name
    price: Price
    capacity: Capacity
    sale_starts_at: UtcDatetime | None = None
    sale_ends_at: UtcDatetime | None = None
    max_per_order: PerOrder = 10
    max_per_person: PerPerson | None = None
    benefits: Benefits = ()
    original_price: Price | None = None
    price_steps: PriceSteps = ()
    group_discount: GroupDiscount | None = None

    @property
    def stock_priced(self) -> bool:
        """Whether the price depends on how many units are taken."""
        return any(step.until_sold is not None for step in self.price_steps)

    def price_at(self, now: datetime, taken: int) -> Money:
        """What a unit costs now, while so many are held or sold."""
        for step in self.price_steps:
            in_time = step.until is None or now < step.until
            in_stock = step.until_sold is None or taken < step.until_sold
            if in_time and in_stock:
                return step.price
        return self.price


class Tier(TierFields):
    """A ticket tier of an event; nothing of it is sold while it is paused."""

    tier_id: Opaque
    paused: bool = False


class TierReply(Tier):
    """A tier as people see it; `currentPrice` is left to the availability where the stock decides it."""

    current_price: Money | None = None


class StoredTier(Tier):
    """A tier in events/{eventId}: with the number of its shards, none before the publication."""

    # Functions of two versions read it while one is being replaced.
    model_config = ConfigDict(extra="ignore")

    shards: int = 0


class TierPatch(Wire):
    """PATCH /v1/events/{eventId}/tiers/{tierId}: what is absent stays; null takes away what may be absent."""

    name: Name | None = None
    price: Price | None = None
    capacity: Capacity | None = None
    paused: bool | None = None
    sale_starts_at: UtcDatetime | None = None
    sale_ends_at: UtcDatetime | None = None
    max_per_order: PerOrder | None = None
    max_per_person: PerPerson | None = None
    benefits: Benefits | None = None
    original_price: Price | None = None
    price_steps: PriceSteps | None = None
    group_discount: GroupDiscount | None = None


class PriceUntil(Record):
    """The lowest price of an event until a time."""

    until: UtcDatetime
    amount_minor: int


Images = Annotated[tuple[Image, ...], Field(max_length=10)]


def price_at(now: datetime, until: tuple[PriceUntil, ...], afterwards: int) -> int:
    """The lowest price that holds now: the first of those in order whose time is not over, else that afterwards."""
    return next((price.amount_minor for price in until if now < price.until), afterwards)


class EventFields(Wire):
    """What an organizer says of an event."""

    title: Title
    description: Description
    starts_at: UtcDatetime
    ends_at: UtcDatetime
    timezone: Timezone
    venue: Venue
    genres: Annotated[tuple[Genre, ...], Field(max_length=10)] = ()
    lineup: Annotated[tuple[LineupEntry, ...], Field(max_length=100)] = ()
    age_restriction: Annotated[int, Field(ge=0, le=99)] = 18
    visibility: Visibility = Visibility.PUBLIC
    images: Images = ()
    doors_at: UtcDatetime | None = None
    dress_code: Name | None = None
    tour_id: Opaque | None = None


class EventRequest(EventFields):
    """POST /v1/events."""

    org_id: Opaque
    tiers: Annotated[tuple[TierFields, ...], Field(max_length=MOST_TIERS)] = ()


class EventPatch(Wire):
    """PATCH /v1/events/{eventId}: what is absent stays; null takes away doorsAt, dressCode and tourId.

    `tiers` replaces all tiers, and only of a draft.
    """

    title: Title | None = None
    description: Description | None = None
    starts_at: UtcDatetime | None = None
    ends_at: UtcDatetime | None = None
    timezone: Timezone | None = None
    venue: Venue | None = None
    genres: Annotated[tuple[Genre, ...], Field(max_length=10)] | None = None
    lineup: Annotated[tuple[LineupEntry, ...], Field(max_length=100)] | None = None
    age_restriction: Annotated[int, Field(ge=0, le=99)] | None = None
    visibility: Visibility | None = None
    images: Images | None = None
    doors_at: UtcDatetime | None = None
    dress_code: Name | None = None
    tour_id: Opaque | None = None
    tiers: Annotated[tuple[TierFields, ...], Field(max_length=MOST_TIERS)] | None = None


class Event(Record):
    """events/{eventId}. Tiers are part of it, so that a detail page is one read; capacity lives in their shards.

    `venue_id` and `artist_ids` follow from the names: whoever follows a venue or an artist meets all of their events.
    `min_price_minor` is the lowest price once all that have an end are over; those come in `min_prices`, in order.
    """

    event_id: Opaque
    org_id: Opaque
    status: EventStatus
    title: str
    description: str
    starts_at: UtcDatetime
    ends_at: UtcDatetime
    timezone: str
    venue: Venue
    geohash: str
    genres: tuple[str, ...]
    lineup: tuple[LineupEntry, ...]
    age_restriction: int
    visibility: Visibility
    currency: str
    country: str
    min_price_minor: int
    min_prices: tuple[PriceUntil, ...] = ()
    tiers: tuple[StoredTier, ...]
    slug: str = ""
    venue_id: str = ""
    artist_ids: tuple[str, ...] = ()
    images: tuple[Image, ...] = ()
    doors_at: UtcDatetime | None = None
    dress_code: str | None = None
    tour_id: str | None = None
    published_at: UtcDatetime | None = None
    created_at: UtcDatetime
    updated_at: UtcDatetime

    @computed_field  # type: ignore[prop-decorator]  # mypy knows no decorated properties
    @property
    def floor_price_minor(self) -> int:
        """The lowest price at any time: a query that asks for at most so much finds every event that may fit."""
        return min((self.min_price_minor, *(price.amount_minor for price in self.min_prices)))

    @computed_field  # type: ignore[prop-decorator]
    @property
    def listed_geohash(self) -> str | None:
        """The geohash of what everybody may find: a query of places needs to ask for nothing else."""
        return self.geohash if self.is_listed else None

    @property
    def is_listed(self) -> bool:
        """Whether the event belongs into lists. One that is over does: who asks says from when on."""
        return self.status is EventStatus.PUBLISHED and self.visibility is Visibility.PUBLIC

    def tier(self, tier_id: str) -> StoredTier | None:
        """The tier of this id."""
        return next((tier for tier in self.tiers if tier.tier_id == tier_id), None)


class EventReply(Wire):
    """An event with its tiers."""

    event_id: str
    org_id: str
    status: EventStatus
    title: str
    description: str
    starts_at: UtcDatetime
    ends_at: UtcDatetime
    timezone: str
    venue: Venue
    genres: tuple[str, ...]
    lineup: tuple[LineupEntry, ...]
    age_restriction: int
    visibility: Visibility
    slug: str
    venue_id: str
    artist_ids: tuple[str, ...]
    images: tuple[Image, ...]
    doors_at: UtcDatetime | None = None
    dress_code: str | None = None
    tour_id: str | None = None
    tiers: tuple[TierReply, ...]
    created_at: UtcDatetime
    updated_at: UtcDatetime


class TierAvailability(Wire):
    """How many units of a tier can be held right now, and what one costs. A paused one has none and is not sold out."""

    tier_id: str
    capacity: int
    available: int
    sold_out: bool
    paused: bool
    price: Money


class Availability(Wire):
    """GET /v1/events/{eventId}/availability, and the document events/{eventId}/live/availability."""

    tiers: tuple[TierAvailability, ...]
    as_of: UtcDatetime
