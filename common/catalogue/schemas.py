"""The shapes of the catalogue: genres, and the pages of venues, artists, organizers and tours."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from common.events.schemas import Genre, Image, Images, Timezone, Title, Venue, WebAddress
from common.listings.cards import ListingCard
from common.paging import CursorText, Page, PageSize
from common.wire import Name, Opaque, Record, UtcDatetime, Wire

About = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=5_000)]


class Link(Wire):
    """Where else a venue, artist or organizer is found, such as `{"label": "Instagram", "url": "https://…"}`."""

    label: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=40)]
    url: WebAddress


Links = Annotated[tuple[Link, ...], Field(max_length=10)]
Genres = Annotated[tuple[Genre, ...], Field(max_length=10)]
When = Literal["upcoming", "past"]
Room = Annotated[int, Field(ge=1, le=1_000_000)]


class GenreReply(Wire):
    """A genre, the one it belongs under (none: a root), and a colour on which white text can be read."""

    genre: str
    parent: str | None = None
    colour: str


class EventsQuery(Wire):
    """A page of the events of a venue, artist, organizer or tour: those to come soonest first, those over latest first.

    An event is to come until it ends.
    """

    when: When = "upcoming"
    limit: PageSize = 20
    cursor: CursorText | None = None


class Rating(Wire):
    """The average of reviews from 1 to 5, to two decimals."""

    average: float
    count: int


class CataloguePage(Wire):
    """What pages have in common. `slug` is the page's address of today; its older ones keep working."""

    slug: str
    name: str
    description: str | None = None
    images: tuple[Image, ...]
    links: tuple[Link, ...]
    genres: tuple[str, ...]
    follower_count: int
    past_events: int
    upcoming: Page[ListingCard]


class VenuePage(CataloguePage):
    """A venue: where it is, what was said of it, and what takes place there."""

    venue_id: str
    address: str
    city: str
    latitude: float
    longitude: float
    capacity: int | None = None
    timezone: str | None = None


class ArtistPage(CataloguePage):
    """An artist, and where to see them."""

    artist_id: str


class OrganizerPage(CataloguePage):
    """An organization as the public sees it; `rating` is that of all its events."""

    org_id: str
    rating: Rating | None = None


class VenueRequest(Venue):
    """POST /v1/venues: a venue that has no event yet. Its name and city say which one it is."""

    org_id: Opaque


class ArtistRequest(Wire):
    """POST /v1/artists: an artist who has no event yet. The name says who it is."""

    org_id: Opaque
    name: Name


class Description(Wire):
    """What is said of a venue or an artist; it replaces what was said before.

    `orgId` is the organization that says it, and alone may change it later; only an admin can leave it out. `name` says
    how the name is spelled: other accents, another case, but the same name.
    """

    org_id: Opaque | None = None
    name: Name | None = None
    description: About | None = None
    images: Images = ()
    links: Links = ()


class VenueDescription(Description):
    """PUT /v1/venues/{venueId}."""

    capacity: Room | None = None
    timezone: Timezone | None = None


class ArtistDescription(Description):
    """PUT /v1/artists/{artistId}."""

    genres: Genres = ()


class Entry(Record):
    """What venues/{venueId} and artists/{artistId} have in common; an entry that nobody described has no `describedAt`.

    `described_by` is the organization whose description it is; None: an admin's.
    """

    name: str
    description: str | None = None
    images: tuple[Image, ...] = ()
    links: tuple[Link, ...] = ()
    described_by: str | None = None
    described_at: UtcDatetime | None = None
    created_at: UtcDatetime


class VenueEntry(Entry):
    """venues/{venueId}."""

    venue: Venue
    capacity: int | None = None
    timezone: str | None = None


class ArtistEntry(Entry):
    """artists/{artistId}."""

    genres: tuple[str, ...] = ()


class TourRequest(Wire):
    """POST /v1/tours: a series of events of one organization; they name it as their `tourId`."""

    org_id: Opaque
    title: Title
    description: About
    artist: Name | None = None
    images: Images = ()


class TourPatch(Wire):
    """PATCH /v1/tours/{tourId}: what is absent stays; null takes the artist or the images away."""

    title: Title | None = None
    description: About | None = None
    artist: Name | None = None
    images: Images | None = None

    @model_validator(mode="after")
    def _keeps_its_words(self) -> Self:
        if any(getattr(self, name) is None for name in {"title", "description"} & self.model_fields_set):
            raise ValueError("a tour has a title and a description")
        return self


class Tour(Record):
    """tours/{tourId}."""

    tour_id: str
    org_id: str
    title: str
    description: str
    artist: str | None = None
    images: tuple[Image, ...] = ()
    created_at: UtcDatetime
    updated_at: UtcDatetime


class TourPage(Wire):
    """A series of events. `slug` is its address of today; its older ones keep working."""

    tour_id: str
    org_id: str
    slug: str
    title: str
    description: str
    artist: str | None = None
    artist_id: str | None = None
    images: tuple[Image, ...]
    past_events: int
    upcoming: Page[ListingCard]
