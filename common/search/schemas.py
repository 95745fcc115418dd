"""The shapes of search: what is asked in words or parameters, how it was understood, and what was found."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Self

from pydantic import Field, StringConstraints, model_validator

from common.events.schemas import Genre
from common.listings.cards import ListingCard
from common.money import LARGEST_AMOUNT_MINOR, Currency
from common.nearby.schemas import LARGEST_RADIUS_KM
from common.paging import PageSize
from common.wire import Latitude, Longitude, Name, UtcDatetime, Wire, require_both, require_in_order

LONGEST_QUERY = 200
# A cursor has the whole interpretation of its query: later pages go by what the first one understood.
SearchCursor = Annotated[str, Field(max_length=4096)]
Minor = Annotated[int, Field(ge=0, le=LARGEST_AMOUNT_MINOR)]
Age = Annotated[int, Field(ge=0, le=99)]
Words = Annotated[str, StringConstraints(max_length=LONGEST_QUERY)]
SomeWords = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=LONGEST_QUERY)]


class SearchQuery(Wire):
    """GET /v1/events/search: words in `q`, and filters that stand above whatever the words say.

    `from` and `to` bound the start of an event, both included. A place without `radiusKm` says where the caller is.
    """

    q: Words = ""
    city: Name | None = None
    genre: Genre | None = None
    from_: Annotated[UtcDatetime | None, Field(alias="from")] = None
    to: UtcDatetime | None = None
    min_price_minor: Minor | None = None
    max_price_minor: Minor | None = None
    latitude: Latitude | None = None
    longitude: Longitude | None = None
    radius_km: Annotated[float, Field(gt=0, le=LARGEST_RADIUS_KM)] | None = None
    free: bool | None = None
    available: bool | None = None
    limit: PageSize = 20
    cursor: SearchCursor | None = None

    @model_validator(mode="after")
    def _fits(self) -> Self:
        require_in_order(self.from_, self.to)
        require_both(self.latitude, self.longitude)
        if self.radius_km is not None and self.latitude is None:
            raise ValueError("radiusKm needs latitude and longitude")
        return self


class Place(Wire):
    """A circle on the map, with the words that it was found by."""

    name: str
    latitude: Latitude
    longitude: Longitude
    radius_km: Annotated[float, Field(gt=0, le=LARGEST_RADIUS_KM)]


class Interpretation(Wire):
    """How a query was understood; what was given as a parameter stands in it as given.

    An event fits whose start lies from `from` until before `to`, or, with `running`, that began earlier and goes on for
    more than an hour after `from`. `minAge` and `maxAge` bound the event's age restriction: 18+ asks for at least 18,
    kids for at most 5. Prices without a currency are compared as numbers. Any of `genres` is enough.
    """

    text: str = ""
    city: str | None = None
    near: Place | None = None
    when: str | None = None
    from_: Annotated[UtcDatetime | None, Field(alias="from")] = None
    to: UtcDatetime | None = None
    running: bool = False
    timezone: str = "UTC"
    genres: tuple[str, ...] = ()
    mood: str | None = None
    min_price_minor: Minor | None = None
    max_price_minor: Minor | None = None
    currency: Currency | None = None
    min_age: Age | None = None
    max_age: Age | None = None
    available: bool = False


class Relaxation(StrEnum):
    """A wish that was left out because nothing fulfilled all, in the order in which they go."""

    UNKNOWN_WORDS = "unknownWords"
    NEAR = "near"
    DATES = "dates"
    PRICE = "price"
    SUB_GENRES = "subGenres"
    GENRES = "genres"
    CITY = "city"
    ANY_WORD = "anyWord"


class Correction(Wire):
    """A word that no event has, and those that were looked for instead."""

    typed: str
    used: tuple[str, ...]


class Understood(Wire):
    """How the words were read: `relaxed` says what was left out so that there is something to show."""

    interpretation: Interpretation
    relaxed: tuple[Relaxation, ...] = ()
    corrections: tuple[Correction, ...] = ()


class FoundEvents(Understood):
    """A page of events, best first; no `nextCursor` means that these are the last."""

    items: tuple[ListingCard, ...]
    next_cursor: str | None = None


class SearchAllQuery(Wire):
    """GET /v1/search: at most `limit` events, venues and artists each."""

    q: SomeWords
    latitude: Latitude | None = None
    longitude: Longitude | None = None
    limit: Annotated[int, Field(ge=1, le=20)] = 5

    @model_validator(mode="after")
    def _fits(self) -> Self:
        require_both(self.latitude, self.longitude)
        return self


class FoundVenue(Wire):
    """A venue with how many events it has to come."""

    venue_id: str
    name: str
    address: str
    city: str
    latitude: float
    longitude: float
    upcoming: int


class FoundArtist(Wire):
    """An artist with how many events they have to come."""

    artist_id: str
    name: str
    upcoming: int


class FoundAll(Understood):
    """The best of each kind."""

    events: tuple[ListingCard, ...]
    venues: tuple[FoundVenue, ...]
    artists: tuple[FoundArtist, ...]


class SuggestionKind(StrEnum):
    ARTIST = "artist"
    VENUE = "venue"
    EVENT = "event"
    GENRE = "genre"
    CITY = "city"


class SuggestionQuery(Wire):
    """GET /v1/search/suggestions: what somebody has typed so far."""

    q: SomeWords
    limit: Annotated[int, Field(ge=1, le=20)] = 8


class Suggestion(Wire):
    """Something that what was typed may become; `id` is that of the artist, venue or event."""

    kind: SuggestionKind
    text: str
    id: str | None = None
    city: str | None = None


class Suggestions(Wire):
    items: tuple[Suggestion, ...]
