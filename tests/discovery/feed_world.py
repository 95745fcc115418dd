"""Listings for tests of the feed, and what a search through all of them finds: one at a time, without index or SQL."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from google.cloud.firestore import SERVER_TIMESTAMP

from common import clients
from common.catalogue.rules import artist_id, venue_id
from common.events.schemas import Venue
from common.feed.nights import tonight, weekend
from common.geo import Point, distance_km
from common.listings.schemas import InterestCounts, Listing
from common.listings.store import LISTINGS
from common.social.schemas import Taste
from tests.support.genres import with_descendants

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.support.server import GatewayThread

NOW = datetime.now(UTC).replace(microsecond=0)
MINUTE = timedelta(minutes=1)
NO_TASTE = Taste()


@dataclass(frozen=True)
class City:
    name: str
    timezone: str
    currency: str
    place: Point


MUMBAI = City("Mumbai", "Asia/Kolkata", "INR", Point(19.076, 72.8777))
LAGOS = City("Lagos", "Africa/Lagos", "NGN", Point(6.4541, 3.3947))
NEW_YORK = City("New York", "America/New_York", "USD", Point(40.7128, -74.006))
CITIES = (MUMBAI, LAGOS, NEW_YORK)
GENRES = ("techno", "hard techno", "house", "jazz", "bebop", "opera", "afrobeats", "unheard of")


def listing(event_id: str, city: City = MUMBAI, **more: Any) -> Listing:
    """A listed event of tomorrow at the city's centre, unless `more` says otherwise."""
    venue = more.pop("venue_name", "The Mill")
    place = more.pop("place", city.place)
    artists = more.pop("artists", ())
    fields = {
        "event_id": event_id,
        "listed": True,
        "org_id": "org_a",
        "org_name": "Mill Nights",
        "title": f"Night {event_id}",
        "summary": "A long night.",
        "slug": f"night-{event_id}",
        "starts_at": NOW + timedelta(days=1),
        "ends_at": more.get("starts_at", NOW + timedelta(days=1)) + timedelta(hours=6),
        "timezone": city.timezone,
        "venue": Venue(name=venue, address="A", city=city.name, latitude=place.latitude, longitude=place.longitude),
        "venue_id": venue_id(venue, city.name),
        "genres": ("techno",),
        "artists": artists,
        "artist_ids": tuple(map(artist_id, artists)),
        "age_restriction": 18,
        "currency": city.currency,
        "country": "IN",
        "min_price_minor": 50_000,
        "published_at": NOW - timedelta(days=3),
        "event_updated_at": NOW,
    }
    return Listing.model_validate(fields | more)


def scattered(count: int, seed: int = 11, prefix: str = "evt", **more: Any) -> list[Listing]:
    """Events of three cities from yesterday to next week; many are alike in what they are sorted by."""
    dice = random.Random(seed)
    found = []
    for number in range(count):
        city = dice.choice(CITIES)
        starts_at = NOW + timedelta(hours=dice.randint(-20, 170)) + 17 * MINUTE
        venue = dice.randrange(9)
        at = random.Random(f"{city.name} {venue}")
        fields: dict[str, Any] = {
            "venue_name": f"Venue {venue}",
            "place": Point(city.place.latitude + at.gauss(0, 0.1), city.place.longitude + at.gauss(0, 0.1)),
            "starts_at": starts_at,
            "ends_at": starts_at + timedelta(hours=dice.choice((3, 6, 30))),
            "genres": tuple(dice.sample(GENRES, dice.randint(1, 2))),
            "artists": tuple(f"Artist {dice.randrange(12)}" for _ in range(dice.randrange(3))),
            "org_id": f"org_{dice.randrange(6)}",
            "age_restriction": dice.choice((0, 16, 18, 21)),
            "min_price_minor": dice.choice((0, 20_000, 50_000, 90_000)),
            "available": dice.random() < 0.8,
            "listed": dice.random() < 0.95,
            "attendees": dice.choice((0, 0, 5, 80)),
            "interest": InterestCounts(going=dice.choice((0, 3)), interested=dice.choice((0, 7))),
            "trending": dice.choice((0.0, 0.0, 1.5, 8.25)),
        }
        found.append(listing(f"{prefix}_{number:03d}", city, **fields | more))
    return found


def store(gateway: GatewayThread, listings: Iterable[Listing]) -> None:
    """Write listings as their jobs do."""

    async def write() -> None:
        batch = clients.firestore().batch()
        for each in listings:
            fields = each.document() | {"changedAt": SERVER_TIMESTAMP}
            batch.set(clients.firestore().document(f"{LISTINGS}/{each.event_id}"), fields)
        await batch.commit()

    gateway.run(write())


def keep_taste(gateway: GatewayThread, user_id: str, taste: Taste) -> None:
    async def write() -> None:
        await clients.firestore().document(f"tastes/{user_id}").set(taste.document())

    gateway.run(write())


def popularity(each: Listing) -> int:
    return each.attendees + each.interest.going + each.interest.interested + each.interest.liked


def expected(
    listings: Iterable[Listing], taste: Taste = NO_TASTE, now: datetime | None = None, **query: Any
) -> list[str]:
    """The ids, in the order asked for."""
    now = now or datetime.now(UTC)
    fitting = [each for each in listings if _fits(each, taste, now, query)]
    return [each.event_id for each in sorted(fitting, key=lambda each: (*_leading(each, query), each.event_id))]


def _leading(each: Listing, query: dict[str, Any]) -> tuple[float, datetime]:
    match query.get("sort") or query.get("mode"):
        case "price":
            return each.min_price_minor, each.starts_at
        case "popularity":
            return -popularity(each), each.starts_at
        case "trending":
            return -each.trending, each.starts_at
        case "nearby":
            return _distance(each, query), each.starts_at
    return 0, each.starts_at


def _distance(each: Listing, query: dict[str, Any]) -> float:
    place = Point(query["latitude"], query["longitude"])
    return distance_km(place, Point(each.venue.latitude, each.venue.longitude))


def _fits(each: Listing, taste: Taste, now: datetime, query: dict[str, Any]) -> bool:
    def bounded(name: str, fits: Any) -> bool:
        return name not in query or bool(fits(query[name]))

    mode = query.get("mode")
    span = {"tonight": tonight, "weekend": weekend}.get(str(mode))
    genres = {below for genre in query.get("genres", "").split(",") for below in with_descendants(genre)}
    follows = (
        each.venue_id in taste.venue_ids
        or each.org_id in taste.org_ids
        or bool(set(each.artist_ids) & set(taste.artist_ids))
    )
    radius = query.get("radiusKm", 25 if mode == "nearby" else None)
    return (
        each.listed
        and each.ends_at > now
        and each.published_at <= now
        and each.event_id not in taste.hidden_event_ids
        and (span is None or span(each.timezone, now).meets(each.starts_at, each.ends_at))
        and (mode != "followed" or follows)
        and bounded("city", lambda city: each.venue.city == city)
        and bounded("genres", lambda _: bool(genres & set(each.genres)))
        and bounded("from", lambda moment: each.starts_at >= moment)
        and bounded("to", lambda moment: each.starts_at <= moment)
        and bounded("currency", lambda currency: each.currency == currency)
        and bounded("minPriceMinor", lambda price: each.min_price_minor >= price)
        and bounded("maxPriceMinor", lambda price: each.min_price_minor <= price)
        and bounded("age", lambda age: each.age_restriction <= age)
        and (not query.get("free") or each.min_price_minor == 0)
        and (not query.get("available") or each.available)
        and (radius is None or _distance(each, query) <= radius)
    )
