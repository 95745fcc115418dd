"""The page of a venue, artist, organizer or tour, made from what was said of it and from the events that name it.

An event makes the pages of its venue and artists: nobody need describe them first.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar

from common.catalogue import events, rules, store
from common.catalogue.kinds import ARTIST, ORGANIZER, TOUR, VENUE
from common.catalogue.schemas import (
    ArtistEntry,
    ArtistPage,
    Entry,
    EventsQuery,
    OrganizerPage,
    TourPage,
    VenueEntry,
    VenuePage,
)
from common.organizations.schemas import Organization
from common.organizations.store import role_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from common.catalogue.kinds import Kind
    from common.catalogue.schemas import Tour
    from common.listings.schemas import Listing
    from common.tokens import Caller

# So many of the next events say how a name is spelled and what is played.
WITNESSES: Final = 100
MOST_GENRES: Final = 5
FIRST_PAGE: Final = EventsQuery()
VoteT = TypeVar("VoteT")


@dataclass(frozen=True)
class Known:
    """All that is known of something: what is kept of it, its next events or else its last, how many are over."""

    id: str
    fields: dict[str, Any] | None
    following: tuple[Listing, ...]
    witnesses: tuple[Listing, ...]
    past: int
    followers: int

    def page(self, name: str, said: Entry | Organization | None, now: datetime) -> dict[str, Any]:
        """The fields that pages have in common."""
        return {
            "slug": rules.slug_of(name, self.id),
            "name": name,
            "description": said.description if said else None,
            "images": said.images if said else (),
            "links": said.links if said else (),
            "genres": self.genres,
            "follower_count": self.followers,
            "past_events": self.past,
            "upcoming": events.page_of(self.following, self.id, FIRST_PAGE, now),
        }

    @property
    def genres(self) -> tuple[str, ...]:
        """What is played most."""
        played = Counter(genre for each in self.witnesses for genre in each.genres)
        return tuple(genre for genre, _ in played.most_common(MOST_GENRES))


async def known(kind: Kind, id_: str, now: datetime) -> Known:
    """What is kept and listed; NotFound where it is nothing."""
    following, fields, past, followers = await asyncio.gather(
        events.upcoming(kind, id_, now, WITNESSES),
        store.fields_of(kind, id_),
        events.count_past(kind, id_, now),
        store.followers(id_),
    )
    if fields is None and not following and not past:
        raise kind.unknown()
    witnesses = following or (() if fields else await events.past(kind, id_, now, 1))
    return Known(id_, fields, following, witnesses, past, followers)


async def venue_page(venue_id: str, now: datetime) -> VenuePage:
    """The venue's page; where events disagree on its place, most of them are right."""
    seen = await known(VENUE, venue_id, now)
    entry = VenueEntry.of(seen.fields) if seen.fields else None
    place = _most_common([*(each.venue for each in seen.witnesses), *([entry.venue] if entry else [])])
    return VenuePage(
        **seen.page(_spelled(entry, [place.name]), entry, now),
        venue_id=venue_id,
        address=place.address,
        city=place.city,
        latitude=place.latitude,
        longitude=place.longitude,
        capacity=entry.capacity if entry else None,
        timezone=entry.timezone if entry else None,
    )


async def artist_page(artist_id: str, now: datetime) -> ArtistPage:
    """The artist's page; the genres are those that were said, else those of the events."""
    seen = await known(ARTIST, artist_id, now)
    entry = ArtistEntry.of(seen.fields) if seen.fields else None
    spellings = [name for each in seen.witnesses for name in each.artists if rules.artist_id(name) == artist_id]
    fields = seen.page(_spelled(entry, spellings), entry, now)
    if entry and entry.genres:
        fields["genres"] = entry.genres
    return ArtistPage(**fields, artist_id=artist_id)


async def organizer_page(org_id: str, now: datetime) -> OrganizerPage:
    """An organization's page, with what is public of it and nothing else."""
    seen, rating = await asyncio.gather(known(ORGANIZER, org_id, now), events.rating(ORGANIZER, org_id))
    organization = Organization.of(seen.fields)
    return OrganizerPage(**seen.page(organization.name, organization, now), org_id=org_id, rating=rating)


async def tour_page(tour_id: str, caller: Caller | None, now: datetime) -> TourPage:
    """A tour's page. Until one of its events is listed it is there for members of the organization only."""
    tour, following, past = await asyncio.gather(
        store.find_tour(tour_id),
        events.upcoming(TOUR, tour_id, now, FIRST_PAGE.limit + 1),
        events.count_past(TOUR, tour_id, now),
    )
    if tour is None:
        raise TOUR.unknown()
    is_announced = bool(following or past)
    if not is_announced and (caller is None or await role_of(tour.org_id, caller.user_id) is None):
        raise TOUR.unknown()
    return page_of_tour(tour, now, following, past)


def page_of_tour(tour: Tour, now: datetime, following: tuple[Listing, ...] = (), past: int = 0) -> TourPage:
    """The tour with its next events; a new one has none."""
    return TourPage(
        tour_id=tour.tour_id,
        org_id=tour.org_id,
        slug=rules.slug_of(tour.title, tour.tour_id),
        title=tour.title,
        description=tour.description,
        artist=tour.artist,
        artist_id=rules.artist_id(tour.artist) if tour.artist else None,
        images=tour.images,
        past_events=past,
        upcoming=events.page_of(following, tour.tour_id, FIRST_PAGE, now),
    )


def _spelled(entry: Entry | None, spellings: Sequence[str]) -> str:
    """The name as whoever described it spells it, else as most events do."""
    if entry and (entry.described_at or not spellings):
        return entry.name
    return _most_common(spellings)


def _most_common(votes: Sequence[VoteT]) -> VoteT:
    """Of equally many votes the first counts."""
    return Counter(votes).most_common(1)[0][0]
