"""Events as they lie in a country: most in one dense city, the rest far apart, written straight into the database."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from common import clients
from common.catalogue.rules import artist_id, venue_id
from common.events.schemas import Event, EventStatus, LineupEntry, StoredTier, Venue, Visibility
from common.events.store import EVENTS
from common.geo import Point, geohash
from common.listings.schemas import Listing
from common.listings.store import LISTINGS
from common.money import Money
from common.text import slug

if TYPE_CHECKING:
    from collections.abc import Iterator

CITY: Final = Point(19.076, 72.8777)
COUNTRY: Final = Point(23.0, 79.0)
# Standard deviation of a city's events around its middle.
CITY_KM: Final = 8.0
COUNTRY_DEGREES: Final = 8.0
IN_THE_CITY: Final = 0.9
KM_A_DEGREE: Final = 111.2
GENRES: Final = ("techno", "house", "jazz", "folk", "rock", "comedy", "theatre", "poetry", "dance", "film")
BATCH: Final = 200
TOMORROW: Final = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) + timedelta(days=1)
BEGAN: Final = TOMORROW - timedelta(days=10)


@dataclass(frozen=True)
class Place:
    """Where an event of the bench takes place."""

    event_id: str
    point: Point


class City:
    """A growing set of events, the same in every run; with their listings where feeds and searches are asked."""

    def __init__(self, *, listed: bool = False) -> None:
        self._dice = random.Random(11)
        self._listed = listed
        self.places: list[Place] = []

    async def grow_to(self, count: int) -> None:
        """Add events until there are so many."""
        client = clients.firestore()
        while len(self.places) < count:
            batch = client.batch()
            for place in list(self._some(min(BATCH, count - len(self.places)))):
                event = _event(place, len(self.places))
                batch.set(client.document(f"{EVENTS}/{event.event_id}"), event.document())
                if self._listed:
                    batch.set(client.document(f"{LISTINGS}/{event.event_id}"), _listing(event, len(self.places)))
                self.places.append(place)
            await batch.commit()

    def centers(self, around: str, count: int) -> list[Point]:
        """Where people stand who ask: in the city, or anywhere in the country."""
        dice = random.Random(around)
        if around == "dense city":
            return [_near(dice, CITY, CITY_KM / 2) for _ in range(count)]
        return [_in_the_country(dice) for _ in range(count)]

    def _some(self, count: int) -> Iterator[Place]:
        for number in range(len(self.places), len(self.places) + count):
            in_city = self._dice.random() < IN_THE_CITY
            point = _near(self._dice, CITY, CITY_KM) if in_city else _in_the_country(self._dice)
            yield Place(f"evt_{number:06d}", point)


def _near(dice: random.Random, center: Point, km: float) -> Point:
    north, east = dice.gauss(0, km / KM_A_DEGREE), dice.gauss(0, km / KM_A_DEGREE)
    return Point(center.latitude + north, center.longitude + east)


def _in_the_country(dice: random.Random) -> Point:
    north, east = (dice.uniform(-COUNTRY_DEGREES, COUNTRY_DEGREES) for _ in range(2))
    return Point(COUNTRY.latitude + north, COUNTRY.longitude + east)


def _event(place: Place, number: int) -> Event:
    """A published event, as small as one can be: a hundred thousand have to fit into the emulator's memory."""
    starts, price = TOMORROW + timedelta(hours=number % 2_000), number % 50 * 100
    title, city = f"Night {number}", "Mumbai"
    venue = Venue(
        name=f"Hall {number % 500}",
        address="A",
        city=city,
        latitude=place.point.latitude,
        longitude=place.point.longitude,
    )
    artist = f"Artist {number % 2_000}"
    return Event(
        event_id=place.event_id,
        org_id=f"org_{number % 300}",
        status=EventStatus.PUBLISHED,
        title=title,
        description="A night of the bench.",
        starts_at=starts,
        ends_at=starts + timedelta(hours=6),
        timezone="Asia/Kolkata",
        venue=venue,
        venue_id=venue_id(venue.name, city),
        geohash=geohash(place.point),
        genres=(GENRES[number % len(GENRES)],),
        lineup=(LineupEntry(artist=artist),),
        artist_ids=(artist_id(artist),),
        age_restriction=18,
        visibility=Visibility.PUBLIC,
        currency="INR",
        country="IN",
        min_price_minor=price,
        tiers=(StoredTier(tier_id="tier_a", name="G", price=Money(amount_minor=price, currency="INR"), capacity=9),),
        slug=f"{slug(title)}-{place.event_id}",
        published_at=BEGAN,
        created_at=BEGAN,
        updated_at=BEGAN,
    )


def _listing(event: Event, number: int) -> dict[str, Any]:
    said = {name: getattr(event, name) for name in Listing.model_fields.keys() & Event.model_fields.keys()}
    listing = Listing.model_validate(
        said
        | {
            "listed": True,
            "org_name": f"Organizer {number % 300}",
            "summary": event.description,
            "artists": tuple(entry.artist for entry in event.lineup),
            "event_updated_at": event.updated_at,
            "attendees": number % 97,
            "trending": float(number % 89),
        }
    )
    return listing.document() | {"changedAt": BEGAN + timedelta(milliseconds=number)}
