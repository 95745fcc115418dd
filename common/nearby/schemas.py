"""The shapes of nearby: where and when somebody wants to go out, and the events that fit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Self

from pydantic import Field, model_validator

from common.events.schemas import Genre, PriceUntil, Venue, price_at
from common.money import LARGEST_AMOUNT_MINOR, Currency, Money
from common.paging import CursorText, PageSize
from common.wire import Latitude, Longitude, Record, UtcDatetime, Wire, require_in_order

if TYPE_CHECKING:
    from datetime import datetime

LARGEST_RADIUS_KM = 500


class NearbyQuery(Wire):
    """GET /v1/events/nearby: `from` and `to` bound the start of an event, both included."""

    latitude: Latitude
    longitude: Longitude
    radius_km: Annotated[float, Field(gt=0, le=LARGEST_RADIUS_KM)] = 25
    from_: Annotated[UtcDatetime | None, Field(alias="from")] = None
    to: UtcDatetime | None = None
    genre: Genre | None = None
    max_price_minor: Annotated[int, Field(ge=0, le=LARGEST_AMOUNT_MINOR)] | None = None
    limit: PageSize = 20
    cursor: CursorText | None = None

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        require_in_order(self.from_, self.to)
        return self


class ListedEvent(Record):
    """What a list needs of events/{eventId}; nothing else of it is fetched."""

    event_id: str
    org_id: str
    title: str
    starts_at: UtcDatetime
    ends_at: UtcDatetime
    timezone: str
    venue: Venue
    genres: tuple[str, ...]
    age_restriction: int
    currency: Currency
    min_price_minor: int
    min_prices: tuple[PriceUntil, ...] = ()

    def at(self, now: datetime) -> ListedEvent:
        """The event with the lowest price that holds now."""
        return self.model_copy(update={"min_price_minor": price_at(now, self.min_prices, self.min_price_minor)})


class EventCard(Wire):
    """An event in a list, with its distance from where the caller looks; `minPrice` is the lowest price now.

    Early-bird prices count until they end; prices that hold only until so many are sold do not.
    """

    event_id: str
    org_id: str
    title: str
    starts_at: UtcDatetime
    ends_at: UtcDatetime
    timezone: str
    venue: Venue
    genres: tuple[str, ...]
    age_restriction: int
    min_price: Money
    currency: Currency
    distance_km: float
