"""About two hundred plausible events at real places, made from venues and formats; the artists are invented."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from common.text import slug

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

EVENTS: Final = 200
DAYS: Final = 30
RUNNING_EVENT_TITLE: Final = "Open Now: Sundown Sessions at Jio World Garden"
RUNNING_EVENT_VENUE: Final = "Jio World Garden"

_MINOR_UNITS: Final = 100
_SMALLEST_CAPACITY: Final = 40


class _Read(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, extra="forbid", frozen=True)


class SeedOrganization(_Read):
    """An organization and the phone number of the host who owns it."""

    name: str
    about: str
    country: str
    currency: str
    host_phone: str
    cities: tuple[str, ...]


class _City(_Read):
    timezone: str
    country: str


class _Venue(_Read):
    name: str
    city: str
    address: str
    latitude: float
    longitude: float
    capacity: int
    holds: tuple[str, ...]
    """Ids of the formats that take place here."""
    about: str | None = None


class SeedTour(_Read):
    """A series: all that an organization holds of a format."""

    organization: str
    format: str
    title: str
    about: str


class _Artist(_Read):
    name: str
    genres: tuple[str, ...]
    about: str


class _Format(_Read):
    """A kind of night: what it is called, when it starts, what it costs in whole rupees or naira."""

    id: str
    genres: tuple[tuple[str, ...], ...]
    starts: tuple[time, ...]
    hours: int
    age: int
    doors_minutes: int
    dress_code: str | None = None
    prices: tuple[int, ...]
    weekdays: tuple[int, ...]
    artists: tuple[str, ...]
    titles: tuple[str, ...]
    about: tuple[str, ...]
    more: tuple[str, ...]


class _Data(_Read):
    cities: dict[str, _City]
    organizations: tuple[SeedOrganization, ...]
    venues: tuple[_Venue, ...]
    tours: tuple[SeedTour, ...]
    artists: tuple[_Artist, ...]
    formats: tuple[_Format, ...]


@dataclass(frozen=True)
class SeedEvent:
    """The body of POST /v1/events but for `orgId` and `tourId`, which only the API knows."""

    key: str
    organization: SeedOrganization
    body: Mapping[str, Any]
    tour: SeedTour | None = None


@dataclass(frozen=True)
class SeedDescription:
    """What the organization of an event says of its venue or an artist: the bodies of POST and then PUT."""

    organization: SeedOrganization
    path: str
    is_about: Mapping[str, Any]
    body: Mapping[str, Any]


@cache
def _data() -> _Data:
    return _Data.model_validate_json(Path(__file__).with_suffix(".json").read_bytes())


def organizations() -> tuple[SeedOrganization, ...]:
    """The first one has the running event."""
    return _data().organizations


def tours_of(organization: SeedOrganization) -> tuple[SeedTour, ...]:
    """The series that some of its events belong to."""
    return tuple(tour for tour in _data().tours if tour.organization == organization.name)


def descriptions(planned: Sequence[SeedEvent]) -> Iterator[SeedDescription]:
    """Some venues and artists are described, each by whoever has the first event there or with them."""
    for venue in _data().venues:
        event = next((each for each in planned if each.body["venue"] == _place(venue)), None)
        if venue.about and event:
            said = {"capacity": venue.capacity, "timezone": event.body["timezone"]} | _said(venue.name, venue.about)
            yield SeedDescription(event.organization, "/v1/venues", _place(venue), said)
    for artist in _data().artists:
        event = next((each for each in planned if artist.name in _playing(each)), None)
        if event:
            said = {"genres": list(artist.genres)} | _said(artist.name, artist.about)
            yield SeedDescription(event.organization, "/v1/artists", {"name": artist.name}, said)


def _playing(event: SeedEvent) -> set[str]:
    return {entry["artist"] for entry in event.body["lineup"]}


def _said(name: str, about: str) -> dict[str, Any]:
    words = slug(name)
    site = {"label": "Website", "url": f"https://{words}.marquee.example"}
    return {"description": about, "links": [site]}


def events(now: datetime) -> tuple[SeedEvent, ...]:
    """The events of the coming days, grouped by organization; the running event is the first.

    All but the running one depend on the day alone, so that a second run on the same day asks for the same.
    """
    data = _data()
    formats = {each.id: each for each in data.formats}
    load: Counter[str] = Counter()
    made = [_running_event(now)]
    nights = [(venue, formats[name]) for venue in data.venues for name in venue.holds]
    random.Random("marquee nights").shuffle(nights)  # the second round, cut short, favours no city
    for number in range(EVENTS - 1):
        venue, night = nights[number % len(nights)]
        # Evenly, so that no host is much busier than another.
        organization = min(
            (each for each in data.organizations if venue.city in each.cities), key=lambda each: load[each.name]
        )
        load[organization.name] += 1
        made.append(_event(number, organization, venue, night, now))
    order = {organization.name: index for index, organization in enumerate(data.organizations)}
    return tuple(sorted(made, key=lambda event: order[event.organization.name]))


def _event(number: int, organization: SeedOrganization, venue: _Venue, night: _Format, now: datetime) -> SeedEvent:
    chance = random.Random(f"marquee {number} {venue.name}")  # a string seeds the same everywhere
    timezone = _data().cities[venue.city].timezone
    today = now.astimezone(ZoneInfo(timezone)).date()
    starts_at = _start(chance, night, today, ZoneInfo(timezone))
    ends_at = starts_at + timedelta(hours=night.hours)
    artist, second, *others = chance.sample(night.artists, min(len(night.artists), chance.randint(2, 4)))
    words = {"artist": artist, "second": second, "venue": venue.name, "city": venue.city}
    series = {tour.format: tour for tour in tours_of(organization)}
    return SeedEvent(
        key=f"{number}-{today:%Y%m%d}",
        organization=organization,
        tour=series.get(night.id),
        body={
            "title": chance.choice(night.titles).format(**words),
            "description": f"{chance.choice(night.about).format(**words)} {chance.choice(night.more)}",
            "startsAt": _wire(starts_at),
            "endsAt": _wire(ends_at),
            "timezone": timezone,
            "venue": _place(venue),
            "genres": list(chance.choice(night.genres)),
            "lineup": _lineup([artist, second, *others], starts_at, ends_at),
            "tiers": _tiers(chance, organization.currency, venue, night, starts_at, (starts_at.date() - today).days),
            "ageRestriction": night.age,
            "visibility": "public",
            "doorsAt": _wire(starts_at - timedelta(minutes=night.doors_minutes)),
            "dressCode": night.dress_code,
        },
    )


def _running_event(now: datetime) -> SeedEvent:
    """Doors are open: whoever buys now is admitted at once."""
    venue = next(each for each in _data().venues if each.name == RUNNING_EVENT_VENUE)
    organization = _data().organizations[0]
    starts_at = now.astimezone(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=1)
    ends_at = starts_at + timedelta(hours=8)  # six hours or more from now
    sale = {"saleEndsAt": _wire(ends_at), "maxPerOrder": 10}
    currency = organization.currency
    return SeedEvent(
        key=f"running-{starts_at:%Y%m%dT%H}",
        organization=organization,
        body={
            "title": RUNNING_EVENT_TITLE,
            "description": "Live sets on the lawn with Clara D'Souza & the Night Watch and Paper Monsoon. "
            "Doors are open and tickets are on sale until the last song.",
            "startsAt": _wire(starts_at),
            "endsAt": _wire(ends_at),
            "timezone": _data().cities[venue.city].timezone,
            "venue": _place(venue),
            "genres": ["indie", "jazz"],
            "lineup": _lineup(["Clara D'Souza & the Night Watch", "Paper Monsoon"], starts_at, ends_at),
            "tiers": [
                {"name": "Lawn (free)", "price": _price(0, currency), "capacity": 2000, **sale},
                {
                    "name": "Front stage",
                    "price": _price(499, currency),
                    "capacity": 500,
                    "benefits": ["Front stage area", "One drink"],
                    **sale,
                },
            ],
            "ageRestriction": 18,
            "visibility": "public",
            "doorsAt": _wire(starts_at - timedelta(minutes=30)),
            "dressCode": "Whatever stays dry on grass",
        },
    )


def _start(chance: random.Random, night: _Format, today: date, zone: ZoneInfo) -> datetime:
    at = chance.choice(night.starts)
    # Today only what ends after midnight: it is still to come, or running, at whatever hour the seed is sown.
    first = 0 if at.hour + night.hours > 24 else 1
    days = [today + timedelta(days=offset) for offset in range(first, DAYS)]
    return datetime.combine(chance.choice([day for day in days if day.weekday() in night.weekdays]), at, zone)


def _tiers(
    chance: random.Random,
    currency: str,
    venue: _Venue,
    night: _Format,
    starts_at: datetime,
    days_ahead: int,
) -> list[dict[str, Any]]:
    capacity = max(_SMALLEST_CAPACITY, venue.capacity * chance.randint(5, 10) // 10)
    price = chance.choice(night.prices)
    sale = {"saleEndsAt": _wire(starts_at + timedelta(hours=night.hours - 1))}
    if price == 0:
        return [{"name": "Free entry", "price": _price(0, currency), "capacity": capacity, "maxPerPerson": 4} | sale]
    tiers = []
    # Early birds are gone a week before; no sale window lies wholly in the past.
    if days_ahead > 8:
        tiers.append(
            {
                "name": "Early bird",
                "price": _price(price * 7 // 10, currency),
                "capacity": capacity // 5,
                "saleEndsAt": _wire(starts_at - timedelta(days=7)),
                "maxPerPerson": 4,
            }
        )
    tiers.append({"name": "General", "price": _price(price, currency), "capacity": capacity * 3 // 5} | sale)
    if chance.random() < 0.6:
        tiers.append(
            {
                "name": "VIP",
                "price": _price(price * 5 // 2, currency),
                "capacity": capacity // 10,
                "benefits": ["Separate entry", "Raised viewing area", "Two drinks"],
                "maxPerOrder": 6,
            }
            | sale
        )
    return tiers


def _lineup(artists: list[str], starts_at: datetime, ends_at: datetime) -> list[dict[str, Any]]:
    """The headliner plays last."""
    slot = (ends_at - starts_at) / len(artists)
    entries = [
        {"artist": artist, "startsAt": _wire(starts_at + slot * index), "headliner": artist == artists[0]}
        for index, artist in enumerate(reversed(artists))
    ]
    return entries[::-1]


def _place(venue: _Venue) -> dict[str, Any]:
    return {
        "name": venue.name,
        "address": venue.address,
        "city": venue.city,
        "latitude": venue.latitude,
        "longitude": venue.longitude,
    }


def _price(whole: int, currency: str) -> dict[str, Any]:
    return {"amountMinor": whole * _MINOR_UNITS, "currency": currency}


def _wire(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
