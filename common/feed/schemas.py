"""The shapes of the feed: what somebody asks for, and the cards, reasons and facets they get."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Self

from pydantic import AfterValidator, Field, StringConstraints, TypeAdapter, ValidationError, model_validator

from common.events.schemas import Genre
from common.listings.cards import ListingCard
from common.money import LARGEST_AMOUNT_MINOR, Currency, Money
from common.nearby.schemas import LARGEST_RADIUS_KM
from common.paging import CursorText, Page, PageSize
from common.wire import Latitude, Longitude, Name, UtcDatetime, Wire, require_both, require_in_order

MOST_GENRES = 10
NEARBY_KM = 25.0
_genre: TypeAdapter[str] = TypeAdapter(Genre)


def _genres(text: str) -> str:
    genres = [genre for genre in text.split(",") if genre.strip()]
    if not 1 <= len(genres) <= MOST_GENRES:
        raise ValueError(f"from 1 to {MOST_GENRES} genres, with commas between them")
    try:
        return ",".join(dict.fromkeys(_genre.validate_python(genre) for genre in genres))
    except ValidationError:
        raise ValueError("a genre has from 2 to 40 characters") from None


GenreList = Annotated[str, StringConstraints(max_length=500), AfterValidator(_genres)]
PriceMinor = Annotated[int, Field(ge=0, le=LARGEST_AMOUNT_MINOR)]


class FeedMode(StrEnum):
    """Which events a feed is made of."""

    RECOMMENDED = "recommended"
    TONIGHT = "tonight"
    WEEKEND = "weekend"
    FOLLOWED = "followed"
    TRENDING = "trending"
    NEARBY = "nearby"


class FeedSort(StrEnum):
    """In which order a feed is."""

    RECOMMENDED = "recommended"
    DATE = "date"
    PRICE = "price"
    POPULARITY = "popularity"


class FeedQuery(Wire):
    """GET /v1/events/feed: every filter narrows the mode's events; `from` and `to` bound the start, both included.

    `genres` have commas between them, and each stands for its sub-genres too. `age` is the visitor's. Prices are
    compared in one `currency`: the given one, else the most common among the events that fit. `free` and `available`
    narrow where they are true. Without `sort` the mode has its own order: recommended by score, tonight, weekend and
    followed by start, trending by what is popular now, nearby by distance.
    """

    mode: FeedMode = FeedMode.RECOMMENDED
    city: Name | None = None
    genres: GenreList | None = None
    from_: Annotated[UtcDatetime | None, Field(alias="from")] = None
    to: UtcDatetime | None = None
    min_price_minor: PriceMinor | None = None
    max_price_minor: PriceMinor | None = None
    currency: Currency | None = None
    age: Annotated[int, Field(ge=0, le=150)] | None = None
    free: bool = False
    available: bool = False
    latitude: Latitude | None = None
    longitude: Longitude | None = None
    radius_km: Annotated[float, Field(gt=0, le=LARGEST_RADIUS_KM)] | None = None
    sort: FeedSort | None = None
    limit: PageSize = 20
    cursor: CursorText | None = None

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        require_in_order(self.from_, self.to)
        low, high = self.min_price_minor, self.max_price_minor
        if low is not None and high is not None and low > high:
            raise ValueError("minPriceMinor must not be above maxPriceMinor")
        require_both(self.latitude, self.longitude)
        if self.latitude is None and self.radius_km is not None:
            raise ValueError("radiusKm needs latitude and longitude")
        if self.latitude is None and self.mode is FeedMode.NEARBY:
            raise ValueError("nearby needs latitude and longitude")
        return self


class ReasonCode(StrEnum):
    """Why an event is shown to somebody."""

    FOLLOWED_ARTIST = "followed_artist"
    FOLLOWED_VENUE = "followed_venue"
    FOLLOWED_ORGANIZER = "followed_organizer"
    GENRE = "genre"
    NEAR_YOU = "near_you"
    POPULAR = "popular"
    SOON = "soon"
    GOOD_PRICE = "good_price"
    NEW = "new"


class Reason(Wire):
    """A stable code, and a sentence for people."""

    code: ReasonCode
    text: str


class FeedItem(ListingCard):
    """A card in the feed.

    `score` (0 to 1) and `confidence` come with the order `recommended`; confidence is the share of the score that
    rests on something known. `distanceKm` comes with a place to measure from.
    """

    distance_km: float | None = None
    reasons: tuple[Reason, ...] = ()
    score: float | None = None
    confidence: float | None = None


class GenreFacet(Wire):
    """How many events are of a genre or below it in the tree."""

    genre: str
    parent: str | None = None
    colour: str | None = None
    count: int


class PriceFacet(Wire):
    """From the lowest price now to the highest such, in the most common currency."""

    min: Money
    max: Money
    currency: Currency


class DateFacet(Wire):
    """From the first start to the last."""

    from_: Annotated[UtcDatetime, Field(alias="from")]
    to: UtcDatetime


class Facets(Wire):
    """What there is to choose from: each over the events that fit every filter but its own.

    Above 2 500 events the counts of genres are estimates from an evenly spread sample.
    """

    genres: tuple[GenreFacet, ...] = ()
    genres_estimated: bool = False
    price: PriceFacet | None = None
    dates: DateFacet | None = None


class FeedPage(Page[FeedItem]):
    """A page of the feed; the first one comes with facets."""

    facets: Facets | None = None
