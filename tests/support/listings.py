"""Listings by the thousand, made of the words of the seed: its venues, formats and artists, and invented artists."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime, time, timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

from common.catalogue.rules import artist_id, venue_id
from common.events.schemas import Venue
from common.listings.schemas import Listing
from common.listings.store import SUMMARY_LENGTH

if TYPE_CHECKING:
    from collections.abc import Iterator

SEED: Final = Path(__file__).parents[2] / "emulators" / "seed_data.json"
CONSONANTS: Final = ("b", "ch", "d", "dh", "g", "j", "k", "kh", "l", "m", "n", "p", "r", "s", "sh", "t", "th", "v", "y")
VOWELS: Final = ("a", "aa", "e", "i", "o", "u", "an", "in", "ar")
DAYS: Final = 60


@cache
def _words() -> dict[str, Any]:
    words: dict[str, Any] = json.loads(SEED.read_bytes())
    return words


@cache
def nights() -> tuple[tuple[dict[str, Any], dict[str, Any]], ...]:
    """Every venue with each format that takes place there."""
    formats = {each["id"]: each for each in _words()["formats"]}
    return tuple((venue, formats[name]) for venue in _words()["venues"] for name in venue["holds"])


def invented_name(chance: random.Random) -> str:
    """Such as "Shanku Meyaar"."""
    words = (
        "".join(chance.choice(CONSONANTS) + chance.choice(VOWELS) for _ in range(chance.randint(2, 3))) for _ in "ab"
    )
    return " ".join(words).title()


def corpus(count: int, now: datetime) -> Iterator[Listing]:
    """The same listings for the same arguments; the first of them take place at every venue in each of its formats."""
    chance = random.Random(f"listings {now:%Y%m%d}")
    invented = [invented_name(chance) for _ in range(count // 5)]
    for number in range(count):
        venue, night = nights()[number % len(nights())]
        artists = chance.sample(night["artists"], 2)
        if invented and number >= len(nights()):
            artists[chance.randrange(2)] = chance.choice(invented)
        yield _listing(number, venue, night, artists, chance, now)


def _listing(
    number: int, venue: dict[str, Any], night: dict[str, Any], artists: list[str], chance: random.Random, now: datetime
) -> Listing:
    city = _words()["cities"][venue["city"]]
    zone = ZoneInfo(city["timezone"])
    day = now.astimezone(zone).date() + timedelta(days=1 + number % DAYS)
    starts_at = datetime.combine(day, time.fromisoformat(chance.choice(night["starts"])), zone).astimezone(UTC)
    named = {"artist": artists[0], "second": artists[1], "venue": venue["name"], "city": venue["city"]}
    about = f"{chance.choice(night['about']).format(**named)} {chance.choice(night['more'])}"
    place = {name: venue[name] for name in ("name", "address", "city", "latitude", "longitude")}
    organizer = chance.choice([each for each in _words()["organizations"] if venue["city"] in each["cities"]])
    return Listing(
        event_id=f"evt_{number:06}",
        listed=True,
        org_id=f"org_{organizer['name']}",
        org_name=organizer["name"],
        title=chance.choice(night["titles"]).format(**named),
        summary=about[:SUMMARY_LENGTH],
        slug=f"night-evt_{number:06}",
        starts_at=starts_at,
        ends_at=starts_at + timedelta(hours=night["hours"]),
        timezone=city["timezone"],
        venue=Venue(**place),
        venue_id=venue_id(venue["name"], venue["city"]),
        genres=tuple(chance.choice(night["genres"])),
        artists=tuple(artists),
        artist_ids=tuple(map(artist_id, artists)),
        age_restriction=night["age"],
        currency=organizer["currency"],
        country=city["country"],
        min_price_minor=chance.choice(night["prices"]) * 100,
        published_at=now,
        event_updated_at=now,
        attendees=int(chance.paretovariate(1)),
    )
