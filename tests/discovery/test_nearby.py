"""Nearby over HTTP: the same events as a search through all of them, on every page and everywhere on Earth."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from common import clients
from common.events.schemas import Event, EventStatus, StoredTier, Venue, Visibility
from common.geo import Point, distance_km, geohash
from common.money import Money
from tests.support.people import accepted, create_organization, event_body, publish_event, refused

if TYPE_CHECKING:
    from collections.abc import Iterable

    import httpx

    from tests.support.people import Json, Person
    from tests.support.server import GatewayThread

NOW = datetime.now(UTC).replace(microsecond=0)
GENRES = ("techno", "house", "jazz")
MUMBAI, DELHI, LAGOS = Point(19.076, 72.8777), Point(28.6139, 77.209), Point(6.4541, 3.3947)
FIJI, NORTH_POLE, SOUTH_POLE = Point(-16.8, 179.97), Point(89.9, 20), Point(-89.95, -170)
CENTERS = {
    "mumbai": MUMBAI,
    "delhi": DELHI,
    "lagos": LAGOS,
    "antimeridian": FIJI,
    "north pole": NORTH_POLE,
    "south pole": SOUTH_POLE,
}


def event(event_id: str, place: Point, **more: Any) -> Event:
    """A published, public event that begins tomorrow, unless `more` says otherwise."""
    price = more.pop("price", 500)
    fields = {
        "event_id": event_id,
        "org_id": "org_a",
        "status": EventStatus.PUBLISHED,
        "title": f"Night {event_id}",
        "description": "x" * 100,
        "starts_at": NOW + timedelta(days=1),
        "ends_at": NOW + timedelta(days=1, hours=6),
        "timezone": "UTC",
        "venue": Venue(name="V", address="A", city="C", latitude=place.latitude, longitude=place.longitude),
        "geohash": geohash(place),
        "genres": ("techno",),
        "lineup": (),
        "age_restriction": 18,
        "visibility": Visibility.PUBLIC,
        "currency": "INR",
        "country": "IN",
        "min_price_minor": price,
        "tiers": (
            StoredTier(tier_id="tier_a", name="General", price=Money(amount_minor=price, currency="INR"), capacity=10),
        ),
        "created_at": NOW,
        "updated_at": NOW,
    }
    return Event.model_validate(fields | more)


def _around(dice: random.Random, center: Point, km: float) -> Point:
    """A point within about `km` of the center, also across a pole or the antimeridian."""
    latitude = center.latitude + dice.uniform(-km, km) / 111.2
    longitude = center.longitude
    if abs(latitude) > 90:
        latitude, longitude = (180 if latitude > 0 else -180) - latitude, longitude + 180
    spread = 180.0 if abs(center.latitude) > 89 else dice.uniform(-km, km) / 111.2
    longitude += dice.uniform(-spread, spread)
    return Point(latitude, (longitude + 180) % 360 - 180)


def scattered() -> list[Event]:
    """150 events in six corners of the Earth: most of them fit, some in each way do not."""
    dice = random.Random(7)
    found = []
    for corner, center in CENTERS.items():
        for number in range(50 if center is MUMBAI else 20):
            starts_at = NOW + timedelta(hours=dice.randint(-12, 60), minutes=30)
            found.append(
                event(
                    f"evt_{corner.replace(' ', '_')}_{number:02d}",
                    _around(dice, center, dice.choice((3, 20, 60))),
                    starts_at=starts_at,
                    ends_at=starts_at + timedelta(hours=6),
                    genres=tuple(dice.sample(GENRES, dice.randint(1, 2))),
                    price=dice.choice((0, 500, 5_000)),
                    status=dice.choice([EventStatus.PUBLISHED] * 7 + list(EventStatus)),
                    visibility=dice.choice([Visibility.PUBLIC] * 7 + [Visibility.PRIVATE]),
                )
            )
    return found


def store_all(gateway: GatewayThread, events: Iterable[Event]) -> None:
    async def write() -> None:
        left = list(events)
        while left:
            some, left = left[:200], left[200:]
            batch = clients.firestore().batch()
            for each in some:
                batch.set(clients.firestore().document(f"events/{each.event_id}"), each.document())
            await batch.commit()

    gateway.run(write())


def expected(events: Iterable[Event], center: Point, radius_km: float, **filters: Any) -> list[str]:
    """The ids that a search through all events finds."""
    fitting = []
    for each in events:
        distance = distance_km(center, Point(each.venue.latitude, each.venue.longitude))
        if (
            distance <= radius_km
            and each.status is EventStatus.PUBLISHED
            and each.visibility is Visibility.PUBLIC
            and each.ends_at > datetime.now(UTC)
            and filters.get("genre", each.genres[0]) in each.genres
            and each.min_price_minor <= filters.get("maxPriceMinor", each.min_price_minor)
            and each.starts_at >= filters.get("from", each.starts_at)
            and each.starts_at <= filters.get("to", each.starts_at)
        ):
            fitting.append((distance, each.event_id))
    return [event_id for _, event_id in sorted(fitting)]


def nearby(client: httpx.Client, center: Point, radius_km: float | None = None, **query: Any) -> Json:
    place = {"latitude": center.latitude, "longitude": center.longitude}
    radius = {} if radius_km is None else {"radiusKm": radius_km}
    sent = {name: value.isoformat() if isinstance(value, datetime) else value for name, value in query.items()}
    return accepted(client.get("/v1/events/nearby", params=place | radius | sent))


def all_pages(client: httpx.Client, center: Point, radius_km: float, limit: int, **query: Any) -> list[Json]:
    cards: list[Json] = []
    page = nearby(client, center, radius_km, limit=limit, **query)
    while True:
        cards += page["items"]
        if "nextCursor" not in page:
            return cards
        assert len(page["items"]) == limit
        page = nearby(client, center, radius_km, limit=limit, cursor=page["nextCursor"], **query)


def test_it_finds_what_a_search_through_all_events_finds(gateway: GatewayThread, anonymous: httpx.Client) -> None:
    events = scattered()
    store_all(gateway, events)
    sizes = []
    for center in CENTERS.values():
        for radius_km in (2, 10, 25, 100, 500):
            cards = nearby(anonymous, center, radius_km, limit=100)["items"]
            found = [card["eventId"] for card in cards]
            assert found == expected(events, center, radius_km)
            sizes.append(len(found))
    assert sum(sizes) > 250
    assert min(sizes) < 3
    assert max(sizes) > 20
    assert [nearby(anonymous, LAGOS)["items"][n]["eventId"] for n in range(3)] == expected(events, LAGOS, 25)[:3]


FILTERS: dict[str, Json] = {
    "genre": {"genre": "jazz"},
    "genre in capitals": {"genre": " JAZZ "},
    "free": {"maxPriceMinor": 0},
    "price and genre": {"maxPriceMinor": 500, "genre": "house"},
    "from": {"from": NOW + timedelta(hours=20)},
    "to": {"to": NOW + timedelta(hours=20)},
    "all": {"from": NOW, "to": NOW + timedelta(hours=50), "genre": "techno", "maxPriceMinor": 4_999},
    "unknown genre": {"genre": "polka"},
}


@pytest.mark.parametrize("filters", FILTERS.values(), ids=FILTERS)
def test_filters(gateway: GatewayThread, anonymous: httpx.Client, filters: Json) -> None:
    events = scattered()
    store_all(gateway, events)
    meant = filters | ({"genre": filters["genre"].strip().lower()} if "genre" in filters else {})
    unfiltered = expected(events, MUMBAI, 100)
    found = [card["eventId"] for card in all_pages(anonymous, MUMBAI, 100, 4, **filters)]
    assert found == expected(events, MUMBAI, 100, **meant)
    assert len(found) < len(unfiltered)
    assert found or filters == {"genre": "polka"}


@pytest.mark.parametrize("limit", [1, 3, 100])
def test_pages_neither_repeat_nor_skip(gateway: GatewayThread, anonymous: httpx.Client, limit: int) -> None:
    twins = [event(f"evt_twin_{number}", MUMBAI) for number in range(5)]
    events = [*scattered(), *twins]
    store_all(gateway, events)
    for center in (MUMBAI, FIJI, NORTH_POLE)[: 3 if limit > 1 else 1]:
        cards = all_pages(anonymous, center, 100 if limit > 1 else 10, limit)
        assert [card["eventId"] for card in cards] == expected(events, center, 100 if limit > 1 else 10)
        assert [card["distanceKm"] for card in cards] == sorted(card["distanceKm"] for card in cards)


def test_a_card(gateway: GatewayThread, anonymous: httpx.Client) -> None:
    there = event("evt_there", Point(MUMBAI.latitude, MUMBAI.longitude + 0.1), price=700)
    store_all(gateway, [there])
    (card,) = nearby(anonymous, MUMBAI)["items"]
    assert {name: card[name] for name in ("eventId", "orgId", "title", "timezone", "genres", "ageRestriction")} == {
        "eventId": "evt_there",
        "orgId": "org_a",
        "title": "Night evt_there",
        "timezone": "UTC",
        "genres": ["techno"],
        "ageRestriction": 18,
    }
    assert (card["minPrice"], card["currency"]) == ({"amountMinor": 700, "currency": "INR"}, "INR")
    assert card["venue"]["longitude"] == MUMBAI.longitude + 0.1
    assert card["distanceKm"] == pytest.approx(10.508, abs=0.002)
    assert datetime.fromisoformat(card["startsAt"]) == there.starts_at
    assert datetime.fromisoformat(card["endsAt"]) == there.ends_at
    assert "description" not in card


def test_an_event_appears_with_its_publication_and_goes_with_its_cancellation(
    anonymous: httpx.Client, host: Person
) -> None:
    center = Point(18.9953, 72.83)
    org_id = create_organization(host)
    accepted(host.post("/v1/events", event_body(org_id)))
    publish_event(host, org_id=org_id, visibility="private")
    assert nearby(anonymous, center, 1) == {"items": []}
    shown = publish_event(host, org_id=org_id)
    (card,) = nearby(anonymous, center, 1)["items"]
    assert (card["eventId"], card["distanceKm"]) == (shown["eventId"], 0)
    accepted(host.call("PATCH", f"/v1/events/{shown['eventId']}", {"venue": shown["venue"] | {"latitude": 20.5}}))
    assert nearby(anonymous, center, 1) == {"items": []}
    assert len(nearby(anonymous, Point(20.5, 72.83), 1)["items"]) == 1
    accepted(host.post(f"/v1/events/{shown['eventId']}/cancel"))
    assert nearby(anonymous, Point(20.5, 72.83), 1) == {"items": []}


def test_an_event_in_progress_is_shown_until_it_ends(gateway: GatewayThread, anonymous: httpx.Client) -> None:
    going = {"starts_at": NOW - timedelta(hours=3), "ends_at": NOW + timedelta(hours=1)}
    over = {"starts_at": NOW - timedelta(hours=3), "ends_at": NOW - timedelta(seconds=1)}
    store_all(gateway, [event("evt_going", MUMBAI, **going), event("evt_over", MUMBAI, **over)])
    assert [card["eventId"] for card in nearby(anonymous, MUMBAI)["items"]] == ["evt_going"]


HERE: Json = {"latitude": "19", "longitude": "72.8"}


@pytest.mark.parametrize(
    "query",
    [
        {},
        {"latitude": "19"},
        {"longitude": "72.8"},
        HERE | {"latitude": "90.01"},
        HERE | {"latitude": "north"},
        HERE | {"latitude": "nan"},
        HERE | {"longitude": "-180.01"},
        HERE | {"longitude": "inf"},
        HERE | {"longitude": ""},
        HERE | {"radiusKm": "0"},
        HERE | {"radiusKm": "-5"},
        HERE | {"radiusKm": "500.1"},
        HERE | {"radiusKm": "nan"},
        HERE | {"limit": "0"},
        HERE | {"limit": "-1"},
        HERE | {"limit": "101"},
        HERE | {"limit": "2.5"},
        HERE | {"limit": "9" * 40},
        HERE | {"from": "2030-01-02T00:00:00Z", "to": "2030-01-01T00:00:00Z"},
        HERE | {"from": "2030-01-02T00:00:00"},
        HERE | {"to": "yesterday"},
        HERE | {"to": "1893456000"},
        HERE | {"genre": "x"},
        HERE | {"genre": "x" * 41},
        HERE | {"maxPriceMinor": "-1"},
        HERE | {"maxPriceMinor": "1.5"},
        HERE | {"maxPriceMinor": "99999999999"},
        HERE | {"cursor": "x" * 1025},
        HERE | {"radius_km": "5"},
        HERE | {"from_": "2030-01-02T00:00:00Z"},
        HERE | {"city": "Mumbai"},
    ],
    ids=str,
)
def test_what_is_no_question_is_refused(anonymous: httpx.Client, query: Json) -> None:
    refused(anonymous.get("/v1/events/nearby", params=query), 422, "validation_failed")


@pytest.mark.parametrize("cursor", ["x", "e30", "bnVsbA", "WyJhIiwxLjAsImUiXQ", "%00", "é", "W1tbW1tb" * 128])
def test_a_forged_cursor_is_refused(anonymous: httpx.Client, cursor: str) -> None:
    refused(anonymous.get("/v1/events/nearby", params=HERE | {"cursor": cursor}), 400, "invalid_cursor")


def test_a_cursor_of_another_question_is_refused(gateway: GatewayThread, anonymous: httpx.Client) -> None:
    store_all(gateway, scattered())
    cursor = nearby(anonymous, MUMBAI, 100, limit=2)["nextCursor"]
    others: list[Json] = [{"radiusKm": 99}, {"radiusKm": 100, "genre": "jazz"}, {"radiusKm": 100, "maxPriceMinor": 0}]
    for other in others:
        place: Json = {"latitude": MUMBAI.latitude, "longitude": MUMBAI.longitude, "cursor": cursor}
        refused(anonymous.get("/v1/events/nearby", params=place | other), 400, "invalid_cursor")
    assert len(nearby(anonymous, MUMBAI, 100, limit=5, cursor=cursor)["items"]) == 5


def test_the_edges_of_the_ranges_are_taken(anonymous: httpx.Client) -> None:
    for latitude in (-90, 90):
        for longitude in (-180, 180):
            for radius_km in (0.001, 500):
                assert nearby(anonymous, Point(latitude, longitude), radius_km, limit=1) == {"items": []}
    nearby(anonymous, MUMBAI, 25, **{"from": NOW, "to": NOW, "limit": 100})


def test_a_bad_token_is_refused_though_the_route_is_public(anonymous: httpx.Client, buyer: Person) -> None:
    assert nearby(anonymous, MUMBAI) == {"items": []}
    assert accepted(buyer.get("/v1/events/nearby", params=HERE)) == {"items": []}
    bad = {"Authorization": "Bearer nonsense"}
    refused(anonymous.get("/v1/events/nearby", params=HERE, headers=bad), 401, "unauthenticated")
    refused(anonymous.post("/v1/events/nearby", json={}), 405, "method_not_allowed")
