"""Events as they lie in a country: most in one dense city, the rest far apart, written straight into the database."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from common import clients
from common.geo import Point, geohash

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
BATCH: Final = 400


@dataclass(frozen=True)
class Place:
    """Where an event of the bench takes place."""

    event_id: str
    point: Point


class City:
    """A growing set of events, the same in every run."""

    def __init__(self) -> None:
        self._dice = random.Random(11)
        self.places: list[Place] = []

    async def grow_to(self, count: int) -> None:
        """Add events until there are so many."""
        client = clients.firestore()
        while len(self.places) < count:
            batch = client.batch()
            for place in self._some(min(BATCH, count - len(self.places))):
                batch.set(client.document(f"events/{place.event_id}"), _event(place, len(self.places)))
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


def _event(place: Place, number: int) -> dict[str, Any]:
    """What nearby needs of an event, and nothing else: a hundred thousand have to fit into the emulator's memory."""
    starts = datetime(2100, 1, 1, tzinfo=UTC) + timedelta(hours=number % 2_000)
    code = geohash(place.point)
    return {
        "eventId": place.event_id,
        "orgId": "org_bench",
        "title": f"Night {number}",
        "startsAt": starts,
        "endsAt": starts + timedelta(hours=6),
        "timezone": "Asia/Kolkata",
        "venue": {
            "name": "V",
            "address": "A",
            "city": "C",
            "latitude": place.point.latitude,
            "longitude": place.point.longitude,
        },
        "geohash": code,
        "listedGeohash": code,
        "genres": [GENRES[number % len(GENRES)]],
        "ageRestriction": 18,
        "currency": "INR",
        "minPriceMinor": number % 50 * 100,
        "floorPriceMinor": number % 50 * 100,
    }
