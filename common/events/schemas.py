"""The shapes of events: what organizers send, what is stored, what people see."""

from __future__ import annotations

from enum import StrEnum
from functools import cache
from typing import Annotated
from zoneinfo import available_timezones

from pydantic import AfterValidator, Field, StringConstraints

from common.money import Money
from common.wire import Name, Opaque, Record, UtcDatetime, Wire

MOST_TIERS = 20
LARGEST_CAPACITY = 100_000
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


Title = Annotated[str, StringConstraints(strip_whitespace=True, min_length=3, max_length=100)]
Description = Annotated[str, StringConstraints(strip_whitespace=True, min_length=10, max_length=5_000)]
Timezone = Annotated[str, AfterValidator(_known_timezone)]
Genre = Annotated[str, StringConstraints(strip_whitespace=True, to_lower=True, min_length=2, max_length=40)]


class Venue(Wire):
    """Where an event takes place; coordinates in degrees (WGS 84)."""

    name: Name
    address: Name
    city: Name
    latitude: Annotated[float, Field(ge=-90, le=90)]
    longitude: Annotated[float, Field(ge=-180, le=180)]


class LineupEntry(Wire):
    """An artist on the bill."""

    artist: Name
    starts_at: UtcDatetime | None = None
    headliner: bool = False


def _affordable(price: Money) -> Money:
    if price.amount_minor > HIGHEST_PRICE_MINOR:
        raise ValueError(f"at most {HIGHEST_PRICE_MINOR} minor units")
    return price


class TierFields(Wire):
    """What an organizer says of a ticket tier."""

    name: Name
    price: Annotated[Money, AfterValidator(_affordable)]
    capacity: Annotated[int, Field(ge=1, le=LARGEST_CAPACITY)]
    sale_starts_at: UtcDatetime | None = None
    sale_ends_at: UtcDatetime | None = None
    max_per_order: Annotated[int, Field(ge=1, le=50)] = 10
    max_per_person: Annotated[int, Field(ge=1, le=1_000)] | None = None
    benefits: Annotated[tuple[Name, ...], Field(max_length=20)] = ()


class Tier(TierFields):
    """A ticket tier of an event."""

    tier_id: Opaque


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


class EventRequest(EventFields):
    """POST /v1/events."""

    org_id: Opaque
    tiers: Annotated[tuple[TierFields, ...], Field(max_length=MOST_TIERS)] = ()


class EventPatch(Wire):
    """PATCH /v1/events/{eventId}: what is absent stays. `tiers` replaces all tiers, and only of a draft."""

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
    tiers: Annotated[tuple[TierFields, ...], Field(max_length=MOST_TIERS)] | None = None


class Event(Record):
    """events/{eventId}. Tiers are part of it, so that a detail page is one read; capacity lives in their shards."""

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
    tiers: tuple[Tier, ...]
    created_at: UtcDatetime
    updated_at: UtcDatetime

    def tier(self, tier_id: str) -> Tier | None:
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
    tiers: tuple[Tier, ...]
    created_at: UtcDatetime
    updated_at: UtcDatetime


class TierAvailability(Wire):
    """How many units of a tier can be held right now."""

    tier_id: str
    capacity: int
    available: int
    sold_out: bool


class Availability(Wire):
    """GET /v1/events/{eventId}/availability, and the document events/{eventId}/live/availability."""

    tiers: tuple[TierAvailability, ...]
    as_of: UtcDatetime
