"""What a page of nearby reads over HTTP: a page's worth of documents in a dense city, in one round trip once known."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import pytest

from common import clients
from common.firestore_reads import PlainQuery
from common.geo import Point, distance_km
from common.nearby import store
from common.nearby.rings import Rings
from tests.discovery.test_nearby import MUMBAI, all_pages, event, expected, nearby, store_all

if TYPE_CHECKING:
    import httpx

    from common.events.schemas import Event
    from tests.support.people import Json
    from tests.support.server import GatewayThread

LIMIT = 10


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[list[float]]:
    """The distance of each document of each query."""
    asked: list[list[float]] = []
    get = PlainQuery.get

    async def counted(query: PlainQuery) -> list[Json]:
        found = await get(query)
        places = (Point(each["venue"]["latitude"], each["venue"]["longitude"]) for each in found)
        asked.append([distance_km(MUMBAI, place) for place in places])
        return found

    monkeypatch.setattr(PlainQuery, "get", counted)
    return asked


@pytest.fixture
def city(gateway: GatewayThread, project: str) -> list[Event]:
    """400 events within some kilometres, and a village of three events 200 km away."""
    dice = random.Random(5)
    near = [
        event(
            f"evt_{number:03d}",
            Point(MUMBAI.latitude + dice.gauss(0, 0.03), MUMBAI.longitude + dice.gauss(0, 0.03)),
            genres=(dice.choice(("techno", "house", "jazz", "folk")),),
            price=dice.choice((0, 500, 5_000)),
        )
        for number in range(400)
    ]
    far = [event(f"evt_far_{number}", Point(MUMBAI.latitude + 1.8, MUMBAI.longitude)) for number in range(3)]
    store_all(gateway, near + far)
    return near + far


def test_a_first_page_reads_a_pages_worth_of_a_city(
    anonymous: httpx.Client, city: list[Event], reads: list[list[float]]
) -> None:
    unknown = nearby(anonymous, MUMBAI, 25, limit=LIMIT)
    assert [card["eventId"] for card in unknown["items"]] == expected(city, MUMBAI, 25)[:LIMIT]
    assert len(reads) <= 3
    assert sum(map(len, reads)) <= 110
    reads.clear()
    assert nearby(anonymous, MUMBAI, 25, limit=LIMIT) == unknown
    assert len(reads) == 1
    assert len(reads[0]) <= 3 * LIMIT
    reads.clear()
    assert nearby(anonymous, MUMBAI, 500, limit=LIMIT)["items"] == unknown["items"]
    assert len(reads[0]) <= 3 * LIMIT


def test_later_pages_leave_out_most_of_what_was_shown(
    anonymous: httpx.Client, city: list[Event], reads: list[list[float]]
) -> None:
    cards = all_pages(anonymous, MUMBAI, 25, 40)
    assert [card["eventId"] for card in cards] == expected(city, MUMBAI, 25)
    reads.clear()
    first = nearby(anonymous, MUMBAI, 25, limit=100)
    last = first["items"][-1]["distanceKm"]
    reads.clear()
    nearby(anonymous, MUMBAI, 25, limit=40, cursor=first["nextCursor"])
    [again] = reads
    assert sum(distance < last - 0.001 for distance in again) < 80, "of a hundred that the page before showed"
    assert len(again) < 200


def test_a_known_empty_country_is_one_round_trip(
    anonymous: httpx.Client, city: list[Event], reads: list[list[float]]
) -> None:
    village, steppe = Point(MUMBAI.latitude + 1.81, MUMBAI.longitude), Point(MUMBAI.latitude - 3, MUMBAI.longitude)
    for center, radius_km, count in ((village, 50, 3), (steppe, 100, 0)):
        for most in (4, 1):
            reads.clear()
            assert len(nearby(anonymous, center, radius_km)["items"]) == count
            assert len(reads) <= most
            assert sum(map(len, reads)) <= 2 * count


@pytest.mark.parametrize("filters", [{"genre": "jazz"}, {"maxPriceMinor": 0}, {"genre": "folk", "maxPriceMinor": 500}])
def test_what_does_not_fit_is_not_read(
    anonymous: httpx.Client, city: list[Event], reads: list[list[float]], filters: Json
) -> None:
    for _ in range(2):
        reads.clear()
        found = nearby(anonymous, MUMBAI, 50, limit=LIMIT, **filters)["items"]
    assert [card["eventId"] for card in found] == expected(city, MUMBAI, 50, **filters)[:LIMIT]
    assert sum(map(len, reads)) <= 3 * LIMIT


@pytest.mark.parametrize("guarded", [True, False], ids=["guarded", "control: no guard"])
def test_a_density_that_is_wrong_reads_no_city(
    anonymous: httpx.Client,
    gateway: GatewayThread,
    city: list[Event],
    reads: list[list[float]],
    monkeypatch: pytest.MonkeyPatch,
    guarded: bool,
) -> None:
    if not guarded:
        ring = Rings._ring

        def unguarded(self: Rings, *edges: float) -> Any:
            made = ring(self, *edges)
            return type(made)(made.inner_km, made.outer_km, 100_000)

        monkeypatch.setattr(Rings, "_ring", unguarded)
    nearby(anonymous, MUMBAI, 25, limit=LIMIT)

    async def forget_the_city() -> None:
        known = store._densities[clients.firestore()]
        known.update(dict.fromkeys(known, 1e-4))

    gateway.run(forget_the_city())
    reads.clear()
    found = nearby(anonymous, MUMBAI, 25, limit=LIMIT)["items"]
    assert [card["eventId"] for card in found] == expected(city, MUMBAI, 25)[:LIMIT]
    assert (sum(map(len, reads)) < 300) is guarded


def test_a_venue_with_hundreds_of_events_is_paged_exactly(
    gateway: GatewayThread, anonymous: httpx.Client, city: list[Event]
) -> None:
    hall = [event(f"evt_hall_{number:03d}", MUMBAI) for number in range(300)]
    store_all(gateway, hall)
    cards = all_pages(anonymous, MUMBAI, 3, 60)
    assert [card["eventId"] for card in cards] == expected(city + hall, MUMBAI, 3)
