"""`python -m bench.feed [1000 10000 100000]`: our own time for a page of the feed by mode, and what listings weigh.

Own time is all that happens between the listings in memory and the bytes of the reply. No remote call is in it, nothing
waits: it is the processor time of this thread, whatever else the machine does.
"""

from __future__ import annotations

import random
import resource
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from bench.measurement import percentile
from common.catalogue.genres import tree
from common.catalogue.rules import artist_id, venue_id
from common.events.schemas import Venue
from common.feed import facets, feed
from common.feed.filters import Visitor
from common.feed.schemas import FeedQuery
from common.listings.index import ListingIndex
from common.listings.schemas import InterestCounts, Listing
from common.memory import Memory
from common.social.schemas import Taste
from common.text import fold

if TYPE_CHECKING:
    from collections.abc import Iterator

SIZES: Final = (1_000, 10_000, 100_000)
CALLS: Final = 200
GOAL_MS: Final = 10.0
DAYS: Final = 60
AT_ONCE: Final = 5_000


@dataclass(frozen=True)
class City:
    """A city with its share of the events: the first has most of them."""

    name: str
    timezone: str
    currency: str
    latitude: float
    longitude: float


CITIES: Final = (
    City("Mumbai", "Asia/Kolkata", "INR", 19.076, 72.8777),
    City("Lagos", "Africa/Lagos", "NGN", 6.4541, 3.3947),
    City("Delhi", "Asia/Kolkata", "INR", 28.6139, 77.209),
    City("Bengaluru", "Asia/Kolkata", "INR", 12.9716, 77.5946),
    City("London", "Europe/London", "GBP", 51.5074, -0.1278),
    City("New York", "America/New_York", "USD", 40.7128, -74.006),
    City("Accra", "Africa/Accra", "GHS", 5.6037, -0.187),
    City("Pune", "Asia/Kolkata", "INR", 18.5204, 73.8567),
    City("Nairobi", "Africa/Nairobi", "KES", -1.2921, 36.8219),
    City("Sydney", "Australia/Sydney", "AUD", -33.8688, 151.2093),
    City("Goa", "Asia/Kolkata", "INR", 15.4909, 73.8278),
    City("Abuja", "Africa/Lagos", "NGN", 9.0765, 7.3986),
)
SHARES: Final = [1 / place for place in range(1, len(CITIES) + 1)]
PLANS: Final[dict[str, dict[str, Any]]] = {
    "recommended": {},
    "recommended, in a city": {"city": True},
    "recommended, at a place": {"place": True},
    "tonight": {"mode": "tonight", "city": True},
    "tonight, everywhere": {"mode": "tonight"},
    "weekend": {"mode": "weekend", "city": True},
    "weekend, recommended": {"mode": "weekend", "city": True, "sort": "recommended"},
    "followed": {"mode": "followed"},
    "trending": {"mode": "trending", "city": True},
    "trending, everywhere": {"mode": "trending"},
    "nearby, 5 km": {"mode": "nearby", "place": True, "radius_km": 5},
    "nearby, 50 km": {"mode": "nearby", "place": True, "radius_km": 50},
    "by price": {"mode": "trending", "city": True, "sort": "price"},
    "by popularity": {"mode": "trending", "sort": "popularity"},
    "techno under a price": {"city": True, "genres": "techno", "max_price_minor": 60_000, "sort": "date"},
    "a rare genre": {"genres": "kathak", "sort": "price"},
    "a hundred by date": {"city": True, "sort": "date", "limit": 100},
}


def listings(count: int, now: datetime) -> Iterator[Listing]:
    """Plausible events of the coming two months: most in few cities, most in the evening, few of them famous."""
    dice = random.Random(4)
    genres = list(tree())
    for number in range(count):
        city = dice.choices(CITIES, SHARES)[0]
        venue = f"Venue {dice.randrange(20 + count // 200)}"
        at = random.Random(f"{city.name} {venue}")
        starts_at = now + timedelta(minutes=30 * dice.randint(-8, 48 * DAYS))
        artists = [f"Artist {dice.randrange(10 + count // 5)}" for _ in range(dice.randint(1, 4))]
        price = dice.choice((0, 50_000, dice.randint(100, 2_500) * 100))
        yield Listing(
            event_id=f"evt_{number:024x}",
            listed=True,
            org_id=f"org_{dice.randrange(5 + count // 20)}",
            org_name="Night Company",
            title=f"Night {number} with {artists[0]}",
            summary="Four rooms, two floors, one long night. " * 5,
            slug=f"night-{number}",
            starts_at=starts_at,
            ends_at=starts_at + timedelta(hours=dice.randint(3, 8)),
            timezone=city.timezone,
            venue=Venue(
                name=venue,
                address="Main Street 5",
                city=city.name,
                latitude=city.latitude + at.gauss(0, 0.08),
                longitude=city.longitude + at.gauss(0, 0.08),
            ),
            venue_id=venue_id(venue, city.name),
            genres=tuple(dice.sample(genres, dice.randint(1, 3))),
            artists=tuple(artists),
            artist_ids=tuple(dict.fromkeys(map(artist_id, artists))),
            age_restriction=dice.choice((0, 16, 18, 18, 21)),
            currency=city.currency,
            country="IN",
            min_price_minor=price,
            published_at=now - timedelta(minutes=dice.randint(1, 60 * 24 * 40)),
            event_updated_at=now,
            available=dice.random() < 0.9,
            attendees=int(dice.paretovariate(0.9)) - 1,
            interest=InterestCounts(going=int(dice.paretovariate(1.2)), interested=int(dice.paretovariate(1.2))),
            trending=dice.paretovariate(0.8) - 1,
        )


def index_of(count: int, now: datetime) -> ListingIndex:
    """The tables with so many events."""
    index = ListingIndex()
    waiting = []
    for listing in listings(count, now):
        waiting.append((listing, now))
        if len(waiting) == AT_ONCE:
            index.apply(waiting, now)
            waiting.clear()
    index.apply(waiting, now)
    return index


def visitor(dice: random.Random) -> Visitor:
    """Somebody who follows thirty of each, hides fifty events, and likes three genres."""
    city = dice.choices(CITIES, SHARES)[0]
    taste = Taste(
        venue_ids=tuple(venue_id(f"Venue {number}", city.name) for number in range(30)),
        artist_ids=tuple(artist_id(f"Artist {dice.randrange(60)}") for _ in range(30)),
        org_ids=tuple(f"org_{dice.randrange(50)}" for _ in range(30)),
        hidden_event_ids=tuple(f"evt_{dice.randrange(1_000):024x}" for _ in range(50)),
    )
    return Visitor("visitor", taste, tuple(dice.sample(list(tree()), 3)), fold(city.name))


def question(plan: dict[str, Any], dice: random.Random) -> FeedQuery:
    """One of the questions of a plan: in some city, or somewhere in it."""
    city = dice.choices(CITIES, SHARES)[0]
    asked = dict(plan)
    if asked.pop("place", False):
        asked |= {"latitude": round(city.latitude + dice.gauss(0, 0.05), 2)}
        asked |= {"longitude": round(city.longitude + dice.gauss(0, 0.05), 2)}
    if asked.pop("city", False):
        asked["city"] = city.name
    return FeedQuery(**asked)


def timed(index: ListingIndex, asked: FeedQuery, who: Visitor, now: datetime) -> tuple[float, str | None]:
    began = time.thread_time()
    page = feed.feed_page(index, asked, who, now)
    page.model_dump_json(by_alias=True, exclude_none=True)
    return (time.thread_time() - began) * 1_000, page.next_cursor


def measure(count: int) -> bool:
    """Print the figures of one size; whether all of them are within the goal."""
    now = datetime.now(UTC).replace(microsecond=0)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.perf_counter()
    index = index_of(count, now)
    took = time.perf_counter() - began
    weight = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1_024
    print(f"\n{count} events: built in {took:.1f} s, {weight:.0f} MB ({weight * 1024 / count:.1f} KB an event)")
    print(f"{'own time, ms':28}{'p50':>8}{'p95':>8}   next page p95   counting facets p50, p95")
    met = True
    for name, plan in PLANS.items():
        dice = random.Random(name)
        counting = [_counting(index, question(plan, dice), dice, now) for _ in range(10)]
        first, following = [], []
        for _ in range(CALLS):
            asked, who = question(plan, dice), visitor(dice)
            _keep_facets(index, asked, who, now)
            took_ms, cursor = timed(index, asked, who, now)
            first.append(took_ms)
            if cursor is not None:
                following.append(timed(index, asked.model_copy(update={"cursor": cursor}), who, now)[0])
        p50, p95 = percentile(first, 0.5), percentile(first, 0.95)
        met &= p95 < GOAL_MS
        costs = f"{percentile(counting, 0.5):10.1f}{percentile(counting, 0.95):8.1f}"
        print(f"{name:28}{p50:8.2f}{p95:8.2f}{percentile(following, 0.95):16.2f}{costs}")
    return met


def _counting(index: ListingIndex, asked: FeedQuery, dice: random.Random, now: datetime) -> float:
    """What the first to ask for these facets within half a minute waits for them, beside the page."""
    who = visitor(dice)
    facets.kept = Memory[Any]()  # forgets
    first, _ = timed(index, asked, who, now)
    again, _ = timed(index, asked, who, now)
    return max(0.0, first - again)


def _keep_facets(index: ListingIndex, asked: FeedQuery, who: Visitor, now: datetime) -> None:
    feed.feed_page(index, asked.model_copy(update={"limit": 1}), who, now)


def main() -> int:
    sizes = [int(size) for size in sys.argv[1:]] or list(SIZES)
    met = [measure(size) for size in sizes]
    print(f"\nevery p95 under {GOAL_MS:g} ms: {'yes' if all(met) else 'NO'}")
    return 0 if all(met) else 1


if __name__ == "__main__":
    sys.exit(main())
